"""The lease rules as a table of cases through gRPC, each with its entries in the register."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
import pytest_asyncio
from city.cameras.v1 import lease_pb2 as pb
from city_backbone.testing import Mesh
from google.protobuf.duration_pb2 import Duration

from .leases_requests import reason
from .leases_world import DEADLINE, World, opened

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(mesh: Mesh) -> AsyncIterator[World]:
    async with opened(mesh) as world:
        yield world


class Story:
    """One incident, one camera, one lease."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.camera_id = ""
        self.incident: UUID | str = ""
        self.lease = pb.Lease()

    async def step(self, what: str, *how: str) -> None:
        world = self.world
        match what:
            case "incident":  # its 112 code, or "-"
                code = None if how[0] == "-" else int(how[0])
                self.incident = await world.incident(police_code=code)
            case "known incident":
                assert isinstance(self.incident, UUID)
                await world.incident(how[0], incident_id=self.incident)
            case "ask":
                self.lease = await world.ask(self.camera_id, self.incident)
            case "minutes":
                world.clock.move(minutes=float(how[0]))
            case "approve":
                self.lease = await world.approve(self.lease.lease_id, *how)
            case "refuse":
                self.lease = await world.refuse(self.lease.lease_id, *how)
            case "revoke":
                self.lease = await world.revoke(self.lease.lease_id, *how)
            case "look":
                await world.token(self.lease.lease_id, *how)
            case _:
                raise AssertionError(what)


Steps = list[tuple[str, ...]]
NEW: Steps = [("incident", "1"), ("ask",)]
CODE_0: Steps = [("incident", "0"), ("ask",)]
ACTIVE: Steps = [*NEW, ("approve",)]

CASES: list[tuple[str, Steps, str, str, list[str]]] = [
    # steps; the status in the end; what the last step was told; the register
    ("a request waits", NEW, "REQUESTED", "", ["requested"]),
    ("no 112 code waits", [("incident", "-"), ("ask",)], "REQUESTED", "", ["requested"]),
    ("code 0 is in force at once", CODE_0, "PROVISIONAL", "", ["requested"]),
    (
        "an incident that changed is live",
        [("incident", "1"), ("known incident", "CHANGED"), ("ask",)],
        "REQUESTED",
        "",
        ["requested"],
    ),
    *(
        (
            f"an incident that is {status} is not",
            [("incident", "1"), ("known incident", status), ("ask",)],
            "",
            "FAILED_PRECONDITION:INCIDENT_NOT_LIVE",
            ["request-denied"],
        )
        for status in ("CLEARED", "CANCELLED", "COMPLETED")
    ),
    (
        "an incident nobody told of",
        [("ask",)],
        "",
        "FAILED_PRECONDITION:INCIDENT_UNKNOWN",
        ["request-denied"],
    ),
    ("approved", ACTIVE, "ACTIVE", "", ["requested", "approved"]),
    (
        "own request",
        [*NEW, ("approve", " KIM")],
        "REQUESTED",
        "FAILED_PRECONDITION:OWN_REQUEST",
        ["requested", "approval-denied"],
    ),
    (
        "own code 0",
        [*CODE_0, ("approve", "kim")],
        "PROVISIONAL",
        "FAILED_PRECONDITION:OWN_REQUEST",
        ["requested", "approval-denied"],
    ),
    (
        "an approver without a name",
        [*NEW, ("approve", "")],
        "REQUESTED",
        "INVALID_ARGUMENT:approver",
        ["requested", "approval-denied"],
    ),
    ("refused", [*NEW, ("refuse",)], "REFUSED", "", ["requested", "refused"]),
    (
        "refused without a reason",
        [*NEW, ("refuse", "lee", " ")],
        "REQUESTED",
        "INVALID_ARGUMENT:reason",
        ["requested", "refusal-denied"],
    ),
    ("not approved in time", [*NEW, ("minutes", "10")], "ENDED", "", ["requested"]),
    (
        "past approving",
        [*NEW, ("minutes", "10"), ("approve",)],
        "ENDED",
        "FAILED_PRECONDITION:LIFE_CYCLE",
        ["requested", "approval-denied"],
    ),
    (
        "approved twice",
        [*ACTIVE, ("approve", "park")],
        "ACTIVE",
        "FAILED_PRECONDITION:LIFE_CYCLE",
        ["requested", "approved", "approval-denied"],
    ),
    (
        "refused too late",
        [*ACTIVE, ("refuse",)],
        "ACTIVE",
        "FAILED_PRECONDITION:LIFE_CYCLE",
        ["requested", "approved", "refusal-denied"],
    ),
    ("revoked", [*ACTIVE, ("revoke",)], "REVOKED", "", ["requested", "approved", "revoked"]),
    (
        "revoked before in force",
        [*NEW, ("revoke",)],
        "REQUESTED",
        "FAILED_PRECONDITION:LIFE_CYCLE",
        ["requested", "revocation-denied"],
    ),
    (
        "in force to its last minute",
        [*ACTIVE, ("minutes", "29.9")],
        "ACTIVE",
        "",
        ["requested", "approved"],
    ),
    ("its time is up", [*ACTIVE, ("minutes", "30")], "ENDED", "", ["requested", "approved"]),
    (
        "code 0 approved afterwards",
        [*CODE_0, ("minutes", "9"), ("approve",)],
        "ACTIVE",
        "",
        ["requested", "approved"],
    ),
    ("code 0 not approved in time", [*CODE_0, ("minutes", "10")], "ENDED", "", ["requested"]),
    ("code 0 refused afterwards", [*CODE_0, ("refuse",)], "REVOKED", "", ["requested", "refused"]),
    (
        "its incident ended",
        [*ACTIVE, ("known incident", "CLEARED")],
        "ENDED",
        "",
        ["requested", "approved", "ended"],
    ),
    (
        "the incident of a request ended",
        [*NEW, ("known incident", "COMPLETED")],
        "ENDED",
        "",
        ["requested", "ended"],
    ),
    (
        "the incident of a code 0 ended",
        [*CODE_0, ("known incident", "CANCELLED")],
        "ENDED",
        "",
        ["requested", "ended"],
    ),
    ("a look", [*ACTIVE, ("look",)], "ACTIVE", "", ["requested", "approved", "token-issued"]),
    ("a look by code 0", [*CODE_0, ("look",)], "PROVISIONAL", "", ["requested", "token-issued"]),
    (
        "a look before it is in force",
        [*NEW, ("look",)],
        "REQUESTED",
        "FAILED_PRECONDITION:NOT_IN_FORCE",
        ["requested", "token-denied"],
    ),
    (
        "a look after its end",
        [*ACTIVE, ("minutes", "30"), ("look",)],
        "ENDED",
        "FAILED_PRECONDITION:NOT_IN_FORCE",
        ["requested", "approved", "token-denied"],
    ),
    (
        "a look by another",
        [*ACTIVE, ("look", "lee")],
        "ACTIVE",
        "PERMISSION_DENIED:NOT_THE_REQUESTER",
        ["requested", "approved", "token-denied"],
    ),
]


@pytest.mark.parametrize(
    ("steps", "status", "told", "register"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
async def test_a_case(
    world: World, steps: Steps, status: str, told: str, register: list[str]
) -> None:
    story = Story(world)
    story.camera_id, story.incident = await world.camera(), uuid4()
    before = await world.head()
    for what, *how in steps[:-1]:
        await story.step(what, *how)
    what, *how = steps[-1]
    if told:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await story.step(what, *how)
        assert reason(raised.value) == told
    else:
        await story.step(what, *how)
    entries = await world.entries(before)
    assert [entry["action"] for entry in entries] == register
    if told:
        assert entries[-1]["details"]["refusal"]
        assert entries[-1]["department"] == "operator"
        assert entries[-1]["source_address"] == "127.0.0.1"
    if status:
        found = await world.get(story.lease.lease_id)
        assert found.status == pb.LeaseStatus.Value(f"LEASE_STATUS_{status}")
        listed = await world.stub.ListLeases(
            pb.ListLeasesRequest(incident_id=str(story.incident), statuses=[found.status]),
            timeout=DEADLINE,
        )
        assert list(listed.leases) == [found]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"ground": pb.LEGAL_GROUND_UNSPECIFIED}, "INVALID_ARGUMENT:ground"),
        ({"ground": 99}, "INVALID_ARGUMENT:ground"),
        ({"duration": None}, "INVALID_ARGUMENT:duration"),
        ({"duration": Duration(seconds=-1)}, "INVALID_ARGUMENT:duration"),
        ({"duration": Duration(seconds=3601)}, "INVALID_ARGUMENT:duration"),
        ({"duration": Duration(seconds=2**62)}, "INVALID_ARGUMENT:duration"),
        ({"requester": ""}, "INVALID_ARGUMENT:requester"),
        ({"requester": "a\0b"}, "INVALID_ARGUMENT:requester"),
        ({"incident_id": "x"}, "INVALID_ARGUMENT:incident_id"),
        ({"camera_id": "Not A Camera\0"}, "INVALID_ARGUMENT:camera_id"),
        ({"camera_id": "no-such-camera"}, "NOT_FOUND:NOT_FOUND"),
        ({"idempotency_key": "x"}, "INVALID_ARGUMENT:idempotency_key"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_bad_request_is_refused_and_registered(
    world: World, changes: dict[str, Any], told: str
) -> None:
    camera_id, incident = await world.camera(), await world.incident()
    before = await world.head()
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await world.ask(**{"camera_id": camera_id, "incident_id": incident, **changes})
    assert reason(raised.value) == told
    (entry,) = await world.entries(before)
    assert entry["action"] == "request-denied"
    assert not (await world.rows("select from lease where incident_id = %s", incident))
