"""Leases under repeats, races, replicas and late news."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import grpc
import pytest
import pytest_asyncio
from city.cameras.v1 import lease_pb2 as pb
from city_backbone.testing import Mesh, eventually

from .leases_requests import asking, names, reason
from .leases_world import DEADLINE, World, opened, running

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(mesh: Mesh) -> AsyncIterator[World]:
    async with opened(mesh) as world:
        yield world


async def test_a_retired_camera_is_not_leased(world: World) -> None:
    camera_id, incident = await world.camera(), await world.incident()
    await world.execute("update camera set retired = true where camera_id = %s", camera_id)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await world.ask(camera_id, incident)
    assert reason(raised.value) == "FAILED_PRECONDITION:CAMERA_RETIRED"


async def test_an_entry_says_who_did_what_for_whom(world: World) -> None:
    camera_id, incident = await world.camera(), await world.incident()
    before = await world.head()
    lease = await world.ask(camera_id, incident)
    (entry,) = await world.entries(before)
    assert (entry["actor"], entry["subject"]) == ("kim", lease.lease_id)
    assert entry["details"] == {
        "camera_id": camera_id,
        "incident_id": str(incident),
        "status": "REQUESTED",
        "ground": "CRIME_INVESTIGATION",
        "minutes": 30,
    }


async def test_one_act_per_key_allowed_or_not(world: World) -> None:
    camera_id, incident = await world.camera(), await world.incident()
    before = await world.head()
    request = asking(camera_id, incident)
    first = await world.stub.RequestLease(request, timeout=DEADLINE)
    assert await world.stub.RequestLease(request, timeout=DEADLINE) == first
    own = pb.ApproveLeaseRequest(
        idempotency_key=str(uuid4()), lease_id=first.lease.lease_id, approver="kim"
    )
    told = []
    for _ in range(2):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await world.stub.ApproveLease(own, timeout=DEADLINE)
        told.append((reason(raised.value), raised.value.details()))
    assert told[0] == told[1]
    assert await world.actions(before) == ["requested", "approval-denied"]
    own.approver = "lee"
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await world.stub.ApproveLease(own, timeout=DEADLINE)
    assert reason(raised.value) == "ALREADY_EXISTS:IDEMPOTENCY_KEY_REUSED"
    assert await world.actions(before) == ["requested", "approval-denied", "approval-denied"]


async def test_a_key_older_than_what_is_kept_of_keys(world: World) -> None:
    request = asking(await world.camera(), await world.incident())
    first = await world.stub.RequestLease(request, timeout=DEADLINE)
    await world.approve(first.lease.lease_id)
    await world.execute("delete from idempotency where key = %s", request.idempotency_key)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await world.stub.RequestLease(request, timeout=DEADLINE)
    assert reason(raised.value) == "ALREADY_EXISTS:IDEMPOTENCY_KEY_REUSED"
    assert (await world.get(first.lease.lease_id)).status == pb.LEASE_STATUS_ACTIVE


async def test_concurrent_repeats_are_one_act(world: World) -> None:
    camera_id, incident = await world.camera(), await world.incident()
    before = await world.head()
    request = asking(camera_id, incident)
    answers = await asyncio.gather(
        *(world.stub.RequestLease(request, timeout=DEADLINE) for _ in range(5))
    )
    assert len({answer.lease.lease_id for answer in answers}) == 1
    assert await world.actions(before) == ["requested"]


async def test_concurrent_decisions_are_one(world: World) -> None:
    lease = await world.ask(await world.camera(), await world.incident())
    before = await world.head()
    told = await asyncio.gather(
        *(world.approve(lease.lease_id, name) for name in ("lee", "park", "choi")),
        *(world.refuse(lease.lease_id, name) for name in ("jung", "kang")),
        return_exceptions=True,
    )
    assert len([answer for answer in told if isinstance(answer, pb.Lease)]) == 1
    decided = [action for action in await world.actions(before) if "denied" not in action]
    assert len(decided) == 1
    assert len(await world.actions(before)) == 5


async def test_older_news_never_undo_newer(world: World) -> None:
    incident = await world.incident(revision=5)
    lease = await world.ask(await world.camera(), incident)
    await world.incident("CLEARED", incident_id=incident, revision=4)
    assert (await world.get(lease.lease_id)).status == pb.LEASE_STATUS_REQUESTED
    await world.incident("CLEARED", incident_id=incident, revision=6)
    assert (await world.get(lease.lease_id)).status == pb.LEASE_STATUS_ENDED
    await world.incident("CHANGED", incident_id=incident, revision=5)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await world.ask(await world.camera(), incident)
    assert reason(raised.value) == "FAILED_PRECONDITION:INCIDENT_NOT_LIVE"


async def test_all_leases_end_with_their_incident_and_no_others(world: World) -> None:
    incident, other = await world.incident(), await world.incident()
    camera_id = await world.camera()
    theirs = [await world.ask(camera_id, incident) for _ in range(3)]
    await world.approve(theirs[0].lease_id)
    await world.refuse(theirs[1].lease_id)
    stays = await world.ask(camera_id, other)
    before = await world.head()
    await world.incident("CLEARED", incident_id=incident)
    ended = await world.entries(before)
    assert {entry["subject"] for entry in ended} == {theirs[0].lease_id, theirs[2].lease_id}
    assert [entry["action"] for entry in ended] == ["ended", "ended"]
    assert (await world.get(theirs[0].lease_id)).reason == "its incident ended"
    assert (await world.get(theirs[1].lease_id)).status == pb.LEASE_STATUS_REFUSED
    assert (await world.get(stays.lease_id)).status == pb.LEASE_STATUS_REQUESTED


async def test_a_request_never_slips_past_the_end_of_its_incident(world: World) -> None:
    camera_id, incident = await world.camera(), await world.incident()
    await world.ask(camera_id, incident)
    await asyncio.gather(
        *(world.ask(camera_id, incident) for _ in range(20)),
        world.incident("CLEARED", incident_id=incident),
        *(world.ask(camera_id, incident) for _ in range(20)),
        return_exceptions=True,
    )
    found = await world.rows("select distinct status from lease where incident_id = %s", incident)
    assert found == [{"status": "ENDED"}]


async def test_two_replicas_end_each_lease_once(world: World, mesh: Mesh) -> None:
    camera_id, incident = await world.camera(), await world.incident()
    asked = [await world.ask(camera_id, incident) for _ in range(30)]
    for lease in asked[:10]:
        await world.approve(lease.lease_id)
    before = await world.head()
    fast = {"CAMERAS_LEASES__EXPIRE_EVERY_SECONDS": "0.01"}

    async def ended() -> bool:
        query = "select from lease where incident_id = %s and status <> 'ENDED'"
        return not await world.rows(query, incident)

    async with (
        running(mesh, world.clock, {"CAMERAS_INSTANCE": "cameras-1", **fast}, stream=False),
        running(mesh, world.clock, {"CAMERAS_INSTANCE": "cameras-2", **fast}, stream=False),
    ):
        world.clock.move(minutes=31)
        await eventually(ended)
    ours = {lease.lease_id for lease in asked}
    entries = [entry for entry in await world.entries(before) if entry["subject"] in ours]
    assert len(entries) == 30
    assert {entry["subject"] for entry in entries} == ours
    reasons = [entry["details"]["reason"] for entry in entries]
    assert (reasons.count("its time is up"), reasons.count("not approved in time")) == (10, 20)
    assert {entry["actor"] for entry in entries} == {"cameras"}


async def test_pages_of_leases_newest_first(world: World) -> None:
    camera_id, incident = await world.camera(), await world.incident()
    asked = []
    for _ in range(5):
        world.clock.move(seconds=1)
        asked.append(await world.ask(camera_id, incident))
    request = pb.ListLeasesRequest(incident_id=str(incident), page_size=2)
    found: list[pb.Lease] = []
    while True:
        page = await world.stub.ListLeases(request, timeout=DEADLINE)
        assert len(page.leases) <= 2
        found += page.leases
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert names(found) == names(asked[::-1])


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        (pb.ListLeasesRequest(page_token="x"), "INVALID_ARGUMENT:page_token"),
        (pb.ListLeasesRequest(page_token="WzFd"), "INVALID_ARGUMENT:page_token"),
        (pb.ListLeasesRequest(incident_id="x"), "INVALID_ARGUMENT:incident_id"),
        (pb.ListLeasesRequest(statuses=[77]), "INVALID_ARGUMENT:statuses"),  # type: ignore[list-item]
    ],
)
async def test_a_bad_question(world: World, request_: pb.ListLeasesRequest, told: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await world.stub.ListLeases(request_, timeout=DEADLINE)
    assert reason(raised.value) == told


async def test_an_unknown_lease(world: World) -> None:
    before = await world.head()
    for call in (world.get, world.approve, world.revoke, world.token):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call(str(uuid4()))
        assert reason(raised.value) == "NOT_FOUND:NOT_FOUND"
    assert await world.actions(before) == ["approval-denied", "revocation-denied", "token-denied"]
