"""Looks at leased cameras, and video for a room; each with its entries in the register."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, timedelta
from typing import Any
from uuid import uuid4

import grpc
import jwt
import pytest
import pytest_asyncio
from city.cameras.v1 import lease_pb2 as pb
from city.type.v1.position_pb2 import Position
from city_backbone.geo import Point
from city_backbone.testing import Mesh

from .leases_requests import METRE, anywhere, camera_at, names, reason, scene_request
from .leases_world import DEADLINE, World, opened

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(mesh: Mesh) -> AsyncIterator[World]:
    async with opened(mesh) as world:
        yield world


async def in_force(world: World) -> pb.Lease:
    lease = await world.ask(await world.camera(), await world.incident())
    return await world.approve(lease.lease_id)


async def denied(world: World, token: str, camera_id: str) -> str:
    """Why; registered once."""
    before = await world.head()
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await world.authorise(token, camera_id)
    (entry,) = await world.entries(before)
    assert entry["action"] == "stream-denied"
    told = reason(raised.value)
    assert told == f"PERMISSION_DENIED:{entry['details']['refusal']}"
    return told.partition(":")[2]


async def test_a_token_opens_its_camera(world: World) -> None:
    lease = await in_force(world)
    before = await world.head()
    issued = await world.token(lease.lease_id, " KIM")
    opened_ = await world.authorise(issued.token, lease.camera_id)
    assert (opened_.lease_id, opened_.until) == (lease.lease_id, issued.expires_at)
    expires_at = issued.expires_at.ToDatetime(tzinfo=UTC)
    assert expires_at == (world.clock.now + timedelta(seconds=60)).replace(microsecond=0)
    look, stream = await world.entries(before)
    assert (look["action"], stream["action"]) == ("token-issued", "stream-authorised")
    assert look["actor"] == stream["actor"] == "kim"
    assert look["details"]["token_id"] == stream["details"]["token_id"]
    assert issued.token not in json.dumps([look, stream], default=str)


async def test_a_token_opens_no_other_camera(world: World) -> None:
    lease = await in_force(world)
    issued = await world.token(lease.lease_id)
    assert await denied(world, issued.token, await world.camera()) == "OTHER_CAMERA"


async def test_a_token_is_short_lived(world: World) -> None:
    lease = await in_force(world)
    issued = await world.token(lease.lease_id)
    world.clock.move(seconds=59)
    await world.authorise(issued.token, lease.camera_id)
    world.clock.move(seconds=1)
    assert await denied(world, issued.token, lease.camera_id) == "TOKEN_EXPIRED"


async def test_a_token_dies_with_its_lease(world: World) -> None:
    lease = await in_force(world)
    issued = await world.token(lease.lease_id)
    await world.revoke(lease.lease_id)
    assert await denied(world, issued.token, lease.camera_id) == "NOT_IN_FORCE"
    with pytest.raises(grpc.aio.AioRpcError):
        await world.token(lease.lease_id)


async def test_a_token_dies_with_its_incident(world: World) -> None:
    incident = await world.incident(police_code=0)
    lease = await world.ask(await world.camera(), incident)
    issued = await world.token(lease.lease_id)
    await world.authorise(issued.token, lease.camera_id)
    await world.incident("CLEARED", incident_id=incident)
    assert await denied(world, issued.token, lease.camera_id) == "NOT_IN_FORCE"


async def test_a_token_dies_when_nobody_approves(world: World) -> None:
    lease = await world.ask(await world.camera(), await world.incident(police_code=0))
    world.clock.move(minutes=9, seconds=30)
    issued = await world.token(lease.lease_id)
    assert issued.expires_at.ToDatetime(tzinfo=UTC) <= lease.approve_by.ToDatetime(tzinfo=UTC)
    world.clock.move(seconds=30)
    assert await denied(world, issued.token, lease.camera_id) == "TOKEN_EXPIRED"


async def test_a_forged_token(world: World) -> None:
    lease = await in_force(world)
    issued = await world.token(lease.lease_id)
    signed = issued.token.rpartition(".")[0]
    claims = jwt.decode(issued.token, options={"verify_signature": False})
    for fake, why in (
        ("", "TOKEN_MALFORMED"),
        ("가나다\0", "TOKEN_MALFORMED"),
        (f"{signed}.{'A' * 86}", "TOKEN_FORGED"),
        (jwt.encode(claims, "", "none"), "TOKEN_FORGED"),
        (jwt.encode(claims, "a secret that is long enough for HMAC", "HS256"), "TOKEN_FORGED"),
    ):
        assert await denied(world, fake, lease.camera_id) == why
    header = json.loads(base64.urlsafe_b64decode(issued.token.split(".")[0] + "=="))
    assert (header["alg"], len(header["kid"])) == ("ES256", 64)


async def test_what_cannot_be_registered_does_not_happen(world: World) -> None:
    lease = await in_force(world)
    asked = await world.ask(lease.camera_id, lease.incident_id)
    await world.execute("alter table register_record rename to register_record_away")
    try:
        for call in (
            world.approve(asked.lease_id),
            world.revoke(lease.lease_id),
            world.token(lease.lease_id),
            world.ask(lease.camera_id, lease.incident_id),
            world.ask("no-such-camera", lease.incident_id),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await call
            assert raised.value.code() is grpc.StatusCode.INTERNAL
    finally:
        await world.execute("alter table register_record_away rename to register_record")
    found = await world.rows("select * from lease where incident_id = %s", lease.incident_id)
    assert {str(row["lease_id"]): row["status"] for row in found} == {
        asked.lease_id: "REQUESTED",
        lease.lease_id: "ACTIVE",
    }


async def scene(
    world: World, point: Point, incident: object, **changes: Any
) -> list[pb.SceneCamera]:
    request = scene_request(point, str(incident), **changes)
    return list((await world.emergency.LeaseScene(request, timeout=DEADLINE)).cameras)


def north_of(point: Point, metres: float) -> Point:
    return Point(point.latitude + metres * METRE, point.longitude)


async def place(world: World, point: Point, *heads: tuple[float, float]) -> list[str]:
    """Cameras so many metres north of the point, looking at a heading; their ids."""
    placed = [camera_at(north_of(point, metres), heading=heading) for metres, heading in heads]
    await world.cameras(*placed)
    return [one.camera_id for one in placed]


async def test_a_room_sees_the_cameras_around(world: World) -> None:
    point, incident = anywhere(), uuid4()
    away, far_looking, looking, outside, offline, retired = await place(
        world, point, (10, 0), (120, 180), (60, 180), (160, 180), (20, 180), (30, 180)
    )
    await world.execute(
        "update camera_presence set status = 'OFFLINE' where camera_id = %s", offline
    )
    await world.execute("update camera set retired = true where camera_id = %s", retired)
    before = await world.head()
    shots = await scene(world, point, incident)
    assert [shot.lease.camera_id for shot in shots] == [looking, far_looking, away]
    assert [shot.looks_at_point for shot in shots] == [True, True, False]
    assert [round(shot.distance_metres) for shot in shots] == [60, 120, 10]
    actions = await world.actions(before)
    assert actions == ["leased-automatically"] * 3 + ["token-issued"] * 3
    entry = (await world.entries(before))[0]
    assert (entry["actor"], entry["department"]) == ("room-112", "emergency")
    for shot in shots:
        lease = shot.lease
        assert lease.status == pb.LEASE_STATUS_PROVISIONAL
        assert (lease.automatic, lease.approved_afterwards, lease.approver) == (True, True, "")
        assert (lease.requester, lease.requested_by) == ("room-112", "emergency")
        minutes = timedelta(minutes=30)
        starts_at, ends_at = lease.starts_at.ToDatetime(), lease.ends_at.ToDatetime()
        assert ends_at - starts_at == minutes
        assert lease.approve_by.ToDatetime() - starts_at == timedelta(minutes=10)
        assert (await world.authorise(shot.token, lease.camera_id)).lease_id == lease.lease_id
    assert (await world.approve(shots[0].lease.lease_id)).status == pb.LEASE_STATUS_ACTIVE
    assert outside not in {shot.lease.camera_id for shot in shots}


async def test_those_that_look_come_before_the_limit(world: World) -> None:
    point = anywhere()
    _, _, looking = await place(world, point, (10, 0), (20, 0), (140, 180))
    shots = await scene(world, point, uuid4(), limit=2)
    assert shots[0].lease.camera_id == looking
    assert len(shots) == 2


async def test_a_scene_is_leased_once(world: World) -> None:
    point, incident = anywhere(), uuid4()
    await place(world, point, (60, 180), (70, 180))
    before = await world.head()
    answers = await asyncio.gather(*(scene(world, point, incident) for _ in range(4)))
    ids = {tuple(names([shot.lease for shot in shots])) for shots in answers}
    assert len(ids) == 1
    actions = await world.actions(before)
    assert (actions.count("leased-automatically"), actions.count("token-issued")) == (2, 8)
    await world.revoke(answers[0][0].lease.lease_id)
    revoked, other = await scene(world, point, incident)
    assert (revoked.lease.status, revoked.token) == (pb.LEASE_STATUS_REVOKED, "")
    assert not revoked.HasField("token_expires_at")
    assert other.token
    world.clock.move(minutes=10)
    before = await world.head()
    shots = await scene(world, point, incident)
    assert [shot.token for shot in shots] == ["", ""]
    assert shots[1].lease.status == pb.LEASE_STATUS_ENDED
    assert await world.actions(before) == []


async def test_a_scene_is_for_the_room_that_asked(world: World) -> None:
    point, incident = anywhere(), uuid4()
    await place(world, point, (60, 180))
    (shot,) = await scene(world, point, incident)
    (other,) = await scene(world, point, incident, room="room-119")
    assert (other.lease.lease_id, other.token) == (shot.lease.lease_id, "")
    with pytest.raises(grpc.aio.AioRpcError) as raised:  # another department, in the room's name
        await world.token(shot.lease.lease_id, "room-112")
    assert reason(raised.value) == "PERMISSION_DENIED:NOT_THE_REQUESTER"


async def test_only_emergency_speaks_for_rooms(world: World) -> None:
    """The operator's registration grants the whole service; the standing order does not."""
    incident, before = uuid4(), await world.head()
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await world.stub.LeaseScene(scene_request(anywhere(), incident), timeout=DEADLINE)
    assert reason(raised.value) == "PERMISSION_DENIED:NOT_FOR_ROOMS"
    assert await world.actions(before) == ["scene-denied"]
    assert not await world.rows("select from lease_incident where incident_id = %s", incident)


async def test_a_scene_makes_its_incident_known_until_its_event_comes(world: World) -> None:
    point, incident = anywhere(), uuid4()
    await place(world, point, (60, 180))
    (shot,) = await scene(world, point, incident)
    lease = await world.ask(shot.lease.camera_id, incident)
    assert lease.status == pb.LEASE_STATUS_REQUESTED
    await world.incident(police_code=0, incident_id=incident, revision=1)
    code_0 = await world.ask(shot.lease.camera_id, incident)
    assert code_0.status == pb.LEASE_STATUS_PROVISIONAL
    before = await world.head()
    await world.incident("COMPLETED", incident_id=incident, revision=2)
    assert await world.actions(before) == ["ended"] * 3
    assert await denied(world, shot.token, shot.lease.camera_id) == "NOT_IN_FORCE"
    before = await world.head()
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await scene(world, point, incident)
    assert reason(raised.value) == "FAILED_PRECONDITION:INCIDENT_NOT_LIVE"
    assert await world.actions(before) == ["scene-denied"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"incident_id": "x"}, "incident_id"),
        ({"kind": ""}, "kind"),
        ({"kind": "a\0"}, "kind"),
        ({"point": None}, "point"),
        ({"point": Position(latitude=91)}, "point.latitude"),
        ({"point": Position(longitude=float("nan"))}, "point.longitude"),
        ({"ground": 0}, "ground"),
        ({"room": ""}, "room"),
        ({"radius_metres": 0}, "radius_metres"),
        ({"radius_metres": float("nan")}, "radius_metres"),
        ({"radius_metres": 5001}, "radius_metres"),
        ({"limit": 0}, "limit"),
        ({"limit": 21}, "limit"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_bad_scene(world: World, changes: dict[str, Any], field: str) -> None:
    incident = uuid4()
    before = await world.head()
    request = scene_request(anywhere(), incident, **changes)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await world.emergency.LeaseScene(request, timeout=DEADLINE)
    assert reason(raised.value) == f"INVALID_ARGUMENT:{field}"
    assert await world.actions(before) == ["scene-denied"]
    assert not await world.rows("select from lease_incident where incident_id = %s", incident)
