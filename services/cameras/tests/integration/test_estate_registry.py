"""Sites and cameras as registered, and what is asked about them."""

import json
import math
import random
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from cameras.estate import store
from city.cameras.v1 import camera_pb2 as pb
from city.cameras.v1.camera_pb2_grpc import CameraServiceStub
from city.type.v1.position_pb2 import Position
from city_backbone.geo import Point, boxes_around
from city_backbone.rpc.channel import open_channel
from city_backbone.settings import TlsSettings
from city_backbone.testing import Mesh
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .estate_mesh import (
    DEADLINE,
    Estate,
    camera,
    key,
    running_estate,
    site,
    somewhere,
    unique,
    violations,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

CAMERAS = 3_038
EARTH_METRES = 6_371_008.8
CITY = st.builds(Point, st.floats(37.68, 37.80), st.floats(126.98, 127.14))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def estate(mesh: Mesh) -> AsyncIterator[Estate]:
    async with running_estate(mesh) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def city(estate: Estate) -> list[Mapping[str, Any]]:
    """The estate of domain.md inside its city, some of it on one pole; and all that is there."""
    chance = random.Random(3038)
    poles = [unique("pole") for _ in range(898)]
    places = {
        pole: Position(
            latitude=chance.uniform(37.68, 37.80), longitude=chance.uniform(126.98, 127.14)
        )
        for pole in poles
    }
    cameras = []
    for number in range(CAMERAS):
        pole = poles[number % len(poles)]
        one = camera(
            f"{pole}-{number}",
            pole,
            position=places[pole],
            heading_degrees=chance.uniform(0, 359.9),
            field_of_view_degrees=chance.uniform(30, 120),
            range_metres=chance.uniform(20, 400),
        )
        if not number % 20:
            one.ClearField("heading_degrees")
        cameras.append(one)
    await estate.register(*cameras)
    await estate.rows("analyze camera")
    return list(await estate.rows(f"select {store.COLUMNS} from {store.TABLES} where not retired"))


async def refused(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    error: grpc.aio.AioRpcError = raised.value
    return error


async def test_what_was_registered_is_known(estate: Estate) -> None:
    site_id, camera_id = unique("site"), unique("cam")
    assert camera_id not in await estate.directory.places()
    await estate.register(camera(camera_id, site_id, purpose=pb.PURPOSE_VEHICLE))
    assert await estate.get(camera_id) == camera(
        camera_id,
        site_id,
        purpose=pb.PURPOSE_VEHICLE,
        presence=pb.PRESENCE_STATUS_UNKNOWN,
    )
    assert (await estate.directory.places())[camera_id].purpose == "VEHICLE"


async def test_a_thousand_are_changed_at_once(estate: Estate) -> None:
    site_id = unique("site")
    names = sorted(unique("many") for _ in range(1000))
    await estate.register(*[camera(name, site_id) for name in names])
    all_around = [camera(name, site_id) for name in names]
    for one in all_around:
        one.ClearField("heading_degrees")
    await estate.register(*all_around)
    found = await estate.rows("select heading_degrees from camera where site_id = %s", site_id)
    assert [row["heading_degrees"] for row in found] == [None] * 1000


async def test_once_per_key(estate: Estate) -> None:
    site_id = unique("site")
    request = pb.RegisterSitesRequest(idempotency_key=key(), sites=[site(site_id, name="정문")])
    await estate.stub.RegisterSites(request, timeout=DEADLINE)
    later = pb.RegisterSitesRequest(idempotency_key=key(), sites=[site(site_id, name="후문")])
    await estate.stub.RegisterSites(later, timeout=DEADLINE)
    assert (await estate.stub.RegisterSites(request, timeout=DEADLINE)).registered == 1
    (row,) = await estate.rows("select name from site where site_id = %s", site_id)
    assert row["name"] == "후문"
    request.sites[0].name = "옆문"
    error = await refused(estate.stub.RegisterSites(request, timeout=DEADLINE))
    assert error.code() is grpc.StatusCode.ALREADY_EXISTS


async def test_all_or_none_and_the_field_is_named(estate: Estate) -> None:
    site_id, names = unique("site"), [unique("cam") for _ in range(4)]
    await estate.register(camera(unique("cam"), site_id))
    request = pb.RegisterCamerasRequest(
        idempotency_key=key(), cameras=[camera(name, site_id) for name in names]
    )
    request.cameras[3].heading_degrees = 400
    error = await refused(estate.stub.RegisterCameras(request, timeout=DEADLINE))
    assert violations(error) == ["cameras[3].heading_degrees: expected 0 to below 360, got 400"]
    request.cameras[3].heading_degrees = 40
    request.cameras[2].site_id = "nowhere"
    error = await refused(estate.stub.RegisterCameras(request, timeout=DEADLINE))
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert error.details() == "cameras[2].site_id: expected a registered site, got 'nowhere'"
    request.cameras[2].site_id = site_id
    request.cameras[1].camera_id = names[0]
    error = await refused(estate.stub.RegisterCameras(request, timeout=DEADLINE))
    assert violations(error) == [
        f"cameras[1].camera_id: expected each once, {names[0]!r} stands at 0 already"
    ]
    assert await estate.rows("select from camera where camera_id = any(%s)", names) == []


async def test_a_retired_camera_is_out_of_service_until_it_is_registered_again(
    estate: Estate,
) -> None:
    point = somewhere()
    camera_id = await estate.new_camera(position=point)
    near = pb.FindNearRequest(point=point, radius_metres=10)
    await estate.directory.places()
    request = pb.RetireCameraRequest(idempotency_key=key(), camera_id=camera_id)
    for _ in range(2):
        assert (await estate.stub.RetireCamera(request, timeout=DEADLINE)).camera.retired
    assert (await estate.directory.places())[camera_id].retired
    assert not (await estate.stub.FindNear(near, timeout=DEADLINE)).cameras
    await estate.rows(
        "update camera_presence set status = 'ONLINE', last_heard_at = now() where camera_id = %s",
        camera_id,
    )
    again = camera(camera_id, (await estate.get(camera_id)).site_id, position=point)
    await estate.register(again)
    known = await estate.get(camera_id)
    assert (known.retired, known.presence) == (False, pb.PRESENCE_STATUS_UNKNOWN)
    assert not known.HasField("last_heard_at")
    assert (await estate.stub.FindNear(near, timeout=DEADLINE)).cameras[0].camera == known


async def test_changing_a_camera_keeps_its_presence(estate: Estate) -> None:
    camera_id = await estate.new_camera()
    await estate.rows(
        "update camera_presence set status = 'ONLINE' where camera_id = %s", camera_id
    )
    known = await estate.get(camera_id)
    await estate.register(camera(camera_id, known.site_id, range_metres=20))
    changed = await estate.get(camera_id)
    assert (changed.range_metres, changed.presence) == (20, pb.PRESENCE_STATUS_ONLINE)


async def test_only_the_operator_is_told_where_the_stream_is(estate: Estate, mesh: Mesh) -> None:
    point = somewhere()
    camera_id = await estate.new_camera(position=point)
    assert (await estate.get(camera_id)).stream_address == "rtsp://10.20.7.2:554/ch1"
    request = pb.FindNearRequest(point=point, radius_metres=10)
    own = await estate.stub.FindNear(request, timeout=DEADLINE)
    assert own.cameras[0].camera.stream_address
    other = mesh.environment("emergency")
    tls = TlsSettings(
        cert_file=Path(other["EMERGENCY_TLS__CERT_FILE"]),
        key_file=Path(other["EMERGENCY_TLS__KEY_FILE"]),
        ca_file=Path(other["EMERGENCY_TLS__CA_FILE"]),
    )
    channel = open_channel(f"127.0.0.1:{estate.port}", tls, server_name="cameras")
    try:
        answer = await CameraServiceStub(channel).FindNear(request, timeout=DEADLINE)
    finally:
        await channel.close(None)
    assert [near.camera.camera_id for near in answer.cameras] == [camera_id]
    assert answer.cameras[0].camera.stream_address == ""


async def test_a_list_by_pages_and_by_what_it_is(estate: Estate) -> None:
    site_id = unique("site")
    names = sorted(unique("listed") for _ in range(5))
    await estate.register(
        *[
            camera(name, site_id, purpose=pb.PURPOSE_VEHICLE if place else pb.PURPOSE_PARK)
            for place, name in enumerate(names)
        ]
    )
    await estate.rows(
        "update camera_presence set status = 'OFFLINE' where camera_id = %s", names[1]
    )

    async def listed(**filters: Any) -> list[str]:
        request = pb.ListCamerasRequest(site_id=site_id, page_size=2, **filters)
        seen: list[str] = []
        while True:
            answer = await estate.stub.ListCameras(request, timeout=DEADLINE)
            assert len(answer.cameras) <= 2
            seen += [one.camera_id for one in answer.cameras]
            if not answer.next_page_token:
                return seen
            request.page_token = answer.next_page_token

    assert await listed() == names
    assert await listed(purpose=pb.PURPOSE_VEHICLE) == names[1:]
    assert await listed(presence=pb.PRESENCE_STATUS_OFFLINE) == names[1:2]


UNHEARD_OF: Any = 77
HERE = Position(latitude=37.7, longitude=127.0)


@pytest.mark.parametrize(
    ("method", "request_message", "problem"),
    [
        ("GetCamera", pb.GetCameraRequest(camera_id="A"), "camera_id: expected 1 to 64 of"),
        ("RegisterSites", pb.RegisterSitesRequest(), "sites: expected 1 to 1000, got 0"),
        (
            "RegisterSites",
            pb.RegisterSitesRequest(sites=[site("s")]),
            "idempotency_key: expected a UUID",
        ),
        (
            "RegisterSites",
            pb.RegisterSitesRequest(sites=[site("s", position=None)]),
            "sites[0].position: expected a latitude and a longitude",
        ),
        (
            "RegisterCameras",
            pb.RegisterCamerasRequest(cameras=[camera("c", "s", purpose=UNHEARD_OF)]),
            "cameras[0].purpose: expected one of LIVING_AREA_SECURITY, PARK,",
        ),
        ("ListCameras", pb.ListCamerasRequest(page_token="WzFd"), "page_token: expected a next"),
        (
            "ListCameras",
            pb.ListCamerasRequest(purpose=UNHEARD_OF),
            "purpose: expected a known purpose",
        ),
        ("ListCameras", pb.ListCamerasRequest(presence=UNHEARD_OF), "presence: expected a known"),
        ("FindNear", pb.FindNearRequest(radius_metres=1), "point: expected a latitude"),
        (
            "FindNear",
            pb.FindNearRequest(point=Position(latitude=91), radius_metres=1),
            "point.latitude: expected -90 to 90 degrees, got 91",
        ),
        (
            "FindNear",
            pb.FindNearRequest(point=HERE),
            "radius_metres: expected above 0 to 5000, got 0",
        ),
        (
            "FindNear",
            pb.FindNearRequest(point=HERE, radius_metres=math.nan),
            "radius_metres: expected above 0 to 5000, got nan",
        ),
        (
            "FindNear",
            pb.FindNearRequest(point=HERE, radius_metres=1, limit=101),
            "limit: expected 1 to 100, got 101",
        ),
    ],
)
async def test_requests_that_cannot_be_right(
    estate: Estate, method: str, request_message: object, problem: str
) -> None:
    error = await refused(getattr(estate.stub, method)(request_message, timeout=DEADLINE))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    (found,) = violations(error)
    assert found.startswith(problem)


async def test_what_is_not_there(estate: Estate) -> None:
    name = unique("none")
    request = pb.RetireCameraRequest(idempotency_key=key(), camera_id=name)
    for call in (
        estate.stub.GetCamera(pb.GetCameraRequest(camera_id=name), timeout=DEADLINE),
        estate.stub.RetireCamera(request, timeout=DEADLINE),
    ):
        assert (await refused(call)).code() is grpc.StatusCode.NOT_FOUND


def brute_force(
    rows: list[Mapping[str, Any]], point: Point, radius: float, looking: bool
) -> list[tuple[float, str]]:
    """Distances and ids of all that are asked for, nearest first, by vectors on the sphere."""

    def vector(latitude: float, longitude: float) -> tuple[float, float, float]:
        north, east = math.radians(latitude), math.radians(longitude)
        flat = math.cos(north)
        return flat * math.cos(east), flat * math.sin(east), math.sin(north)

    def dot(one: tuple[float, ...], other: tuple[float, ...]) -> float:
        return sum(a * b for a, b in zip(one, other, strict=True))

    there = vector(point.latitude, point.longitude)
    found = []
    for row in rows:
        latitude, longitude = row["latitude"], row["longitude"]
        here = vector(latitude, longitude)
        apart = math.dist(here, there)
        metres = 2 * EARTH_METRES * math.asin(apart / 2)
        if metres > radius:
            continue
        if looking:
            if metres > row["range_metres"]:
                continue
            if row["heading_degrees"] is not None:
                east = vector(0, longitude + 90)
                north = vector(latitude + 90, longitude)
                heading = math.radians(row["heading_degrees"])
                ahead = dot(there, north) * math.cos(heading) + dot(there, east) * math.sin(heading)
                flat = math.hypot(dot(there, north), dot(there, east))
                if ahead < flat * math.cos(math.radians(row["field_of_view_degrees"] / 2)):
                    continue
        found.append((metres, row["camera_id"]))
    return sorted(found)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    point=CITY,
    radius=st.one_of(st.floats(1, 1_000), st.floats(1_000, 5_000)),
    limit=st.integers(1, 100),
    looking=st.booleans(),
)
async def test_the_nearest_are_those_that_brute_force_finds(
    estate: Estate,
    city: list[Mapping[str, Any]],
    point: Point,
    radius: float,
    limit: int,
    looking: bool,
) -> None:
    request = pb.FindNearRequest(
        point=Position(latitude=point.latitude, longitude=point.longitude),
        radius_metres=radius,
        limit=limit,
        looking_at_point=looking,
    )
    answer = await estate.stub.FindNear(request, timeout=DEADLINE)
    expected = brute_force(city, point, radius, looking)
    assert [near.distance_metres for near in answer.cameras] == pytest.approx(
        [metres for metres, _ in expected[:limit]], abs=0.001
    )
    found = {near.camera.camera_id for near in answer.cameras}
    seeing = {name for _, name in brute_force(city, point, radius, True)}
    assert {one.camera.camera_id for one in answer.cameras if one.looks_at_point} == found & seeing
    if len(expected) <= limit:
        assert found == {name for _, name in expected}


async def test_one_that_looks_is_found_behind_ten_that_look_away(estate: Estate) -> None:
    point = somewhere()
    near = Position(latitude=point.latitude + 0.0001, longitude=point.longitude)
    behind = Position(latitude=point.latitude + 0.0003, longitude=point.longitude)
    site_id, looking = unique("site"), unique("looking")
    away = [camera(unique("away"), site_id, position=near, heading_degrees=0) for _ in range(12)]
    await estate.register(*away, camera(looking, site_id, position=behind, heading_degrees=180))
    request = pb.FindNearRequest(point=point, radius_metres=100, looking_at_point=True)
    answer = await estate.stub.FindNear(request, timeout=DEADLINE)
    assert [near.camera.camera_id for near in answer.cameras] == [looking]
    request.looking_at_point = False
    answer = await estate.stub.FindNear(request, timeout=DEADLINE)
    assert len(answer.cameras) == 10
    assert not any(near.looks_at_point for near in answer.cameras)


async def test_across_the_antimeridian(estate: Estate) -> None:
    latitude = somewhere().latitude
    west = await estate.new_camera(position=Position(latitude=latitude, longitude=179.9999))
    east = await estate.new_camera(position=Position(latitude=latitude, longitude=-179.9999))
    for longitude in (180.0, -180.0):
        request = pb.FindNearRequest(
            point=Position(latitude=latitude, longitude=longitude), radius_metres=20
        )
        answer = await estate.stub.FindNear(request, timeout=DEADLINE)
        assert {west, east} <= {near.camera.camera_id for near in answer.cameras}


async def test_those_that_are_offline_can_be_left_out(estate: Estate) -> None:
    point = somewhere()
    unknown, offline = [await estate.new_camera(position=point) for _ in range(2)]
    await estate.rows("update camera_presence set status = 'OFFLINE' where camera_id = %s", offline)
    for online_only, expected in ((False, {unknown, offline}), (True, {unknown})):
        request = pb.FindNearRequest(point=point, radius_metres=1, online_only=online_only)
        answer = await estate.stub.FindNear(request, timeout=DEADLINE)
        assert {unknown, offline} & {one.camera.camera_id for one in answer.cameras} == expected


async def test_the_index_finds_them(estate: Estate, city: list[Mapping[str, Any]]) -> None:
    assert len(city) >= CAMERAS
    boxes = boxes_around(Point(37.74, 127.04), 300)
    async with estate.service.backbone.database.transaction() as connection:
        plan = json.dumps(await store.inside(connection, boxes, True, explain=True))
    assert "camera_position" in plan
    assert "Seq Scan on camera " not in plan
