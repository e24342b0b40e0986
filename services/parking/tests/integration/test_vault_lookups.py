"""Whose car is in the way: told to emergency alone, for a live incident, near its place, and each
call is in the register, refused or not."""

import io
import json
import random
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import fastavro
import pytest
import pytest_asyncio
from city.parking.v1 import vault_pb2 as pb
from city.type.v1.position_pb2 import Position
from city_backbone.geo import Point
from city_backbone.testing import Mesh, eventually

from .vault_requests import anywhere, around, east, new_contact, new_plate, north, of_plate
from .vault_world import DEADLINE, World, opened, records, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEALED = fastavro.parse_schema(
    json.loads((Path(__file__).parents[2] / "events" / "register_sealed.v1.avsc").read_text())
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(mesh: Mesh, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with opened(mesh, tmp_path_factory.mktemp("vault")) as world:
        yield world


async def test_cars_around_an_incident_nearest_first(world: World) -> None:
    place = anywhere()
    incident = await world.incident(place)
    contact, plate = new_contact(), new_plate()
    near = await world.vehicle(plate, contact)
    bay = await world.stands(near, north(place, 10))
    late = await world.vehicle()
    await world.stands(late, north(place, -20), "OVERSTAYED")
    for status in ("HELD", "CONFIRMED", "SETTLED", "RELEASED"):
        await world.stands(await world.vehicle(), place, status)
    await world.stands(await world.vehicle(), north(place, 101))
    await world.stands(await world.vehicle(), east(north(place, 80), 80))
    before = await world.head()

    found = (await world.find(around(place, incident))).vehicles
    assert [round(one.distance_metres) for one in found] == [10, 20]
    first = found[0]
    assert (first.plate, first.contact, first.bay_id) == (plate, contact, bay)
    assert first.position.latitude == pytest.approx(north(place, 10).latitude)
    assert abs(first.checked_in_at.ToDatetime(UTC) - datetime.now(UTC)).total_seconds() < 60

    (entry,) = await world.entries(before)
    assert (entry["action"], entry["actor"], entry["department"]) == (
        "vehicles-shown",
        "119",
        "emergency",
    )
    assert (entry["subject"], entry["source_address"]) == (str(incident), "127.0.0.1")
    assert entry["details"]["vehicles"] == f"{near} {late}"
    assert entry["details"]["question"] == "around"
    assert plate not in str(entry)


async def test_at_most_fifty_and_the_nearest_of_them(world: World) -> None:
    place = anywhere()
    incident = await world.incident(place)
    vehicle = await world.vehicle()
    for metres in range(60, 0, -1):
        await world.stands(vehicle, north(place, metres))
    found = (await world.find(around(place, incident, metres=300))).vehicles
    assert [round(one.distance_metres) for one in found] == list(range(1, 51))


async def test_nobody_around(world: World) -> None:
    place = anywhere()
    before = await world.head()
    assert not (await world.find(around(place, await world.incident(place)))).vehicles
    (entry,) = await world.entries(before)
    assert (entry["action"], entry["details"]["vehicles"]) == ("vehicles-shown", "")


async def test_a_car_by_its_plate_where_it_is_checked_in(world: World) -> None:
    place = anywhere()
    incident = await world.incident(place)
    plate, contact = new_plate(), new_contact()
    vehicle = await world.vehicle(plate, contact)
    before = await world.head()
    (found,) = (await world.find(of_plate(plate, incident))).vehicles
    assert (found.plate, found.contact, found.bay_id, found.distance_metres) == (
        plate,
        contact,
        "",
        0,
    )
    assert not found.HasField("position")
    await world.stands(vehicle, place, "SETTLED")
    bay = await world.stands(vehicle, north(place, 900))
    (found,) = (await world.find(of_plate(plate, incident))).vehicles
    assert (found.bay_id, round(found.distance_metres)) == (bay, 900)
    entries = await world.entries(before)
    assert [entry["details"] for entry in entries] == [
        {"question": "plate", "vehicles": vehicle}
    ] * 2
    assert plate not in str(entries)


async def test_a_plate_needs_no_place_of_the_incident(world: World) -> None:
    plate = new_plate()
    await world.stands(await world.vehicle(plate), anywhere())
    incident = await world.incident(None)
    (found,) = (await world.find(of_plate(plate, incident))).vehicles
    assert (found.plate, found.distance_metres) == (plate, 0)


async def test_a_plate_that_is_not_registered(world: World) -> None:
    before, plate = await world.head(), new_plate()
    assert not (await world.find(of_plate(plate, await world.incident(None)))).vehicles
    (entry,) = await world.entries(before)
    assert entry["details"] == {"question": "plate", "vehicles": ""}
    assert plate not in str(entry)


async def refused(world: World, request: Any, told: str, word: str, stub: Any = None) -> Any:
    """It is refused so, and stands in the register once, with the word for programs."""
    before = await world.head()
    assert await world.refusal(request, stub) == told
    (entry,) = await world.entries(before)
    assert (entry["action"], entry["details"]["refusal"]) == ("lookup-denied", word)
    return entry


@pytest.mark.parametrize("status", ["CLEARED", "CANCELLED", "COMPLETED"])
async def test_an_incident_that_ended(world: World, status: str) -> None:
    place, plate = anywhere(), new_plate()
    incident = await world.incident(place)
    await world.stands(await world.vehicle(plate), place)
    assert (await world.find(around(place, incident))).vehicles
    await world.incident(place, status, incident)
    told = "FAILED_PRECONDITION:INCIDENT_NOT_LIVE"
    entry = await refused(world, around(place, incident), told, "INCIDENT_NOT_LIVE")
    assert entry["subject"] == str(incident)
    assert entry["actor"] == "119"
    entry = await refused(world, of_plate(plate, incident), told, "INCIDENT_NOT_LIVE")
    assert plate not in str(entry)


async def test_an_incident_nobody_told_of(world: World) -> None:
    told = "FAILED_PRECONDITION:INCIDENT_UNKNOWN"
    await refused(world, around(anywhere(), uuid4()), told, "INCIDENT_UNKNOWN")
    await refused(world, of_plate(new_plate(), uuid4()), told, "INCIDENT_UNKNOWN")


async def test_older_news_does_not_make_an_incident_live_again(world: World) -> None:
    place = anywhere()
    incident = await world.incident(place, revision=1)
    await world.incident(place, "COMPLETED", incident, revision=3)
    await world.incident(place, "CHANGED", incident, revision=2)
    told = "FAILED_PRECONDITION:INCIDENT_NOT_LIVE"
    await refused(world, around(place, incident), told, "INCIDENT_NOT_LIVE")


async def test_an_incident_elsewhere_until_it_is_told_to_have_moved(world: World) -> None:
    place = anywhere()
    incident = await world.incident(place)
    far = north(place, 501)
    told = "FAILED_PRECONDITION:INCIDENT_ELSEWHERE"
    entry = await refused(world, around(far, incident), told, "INCIDENT_ELSEWHERE")
    assert entry["details"]["point"] == f"{far.latitude:.6f},{far.longitude:.6f}"
    assert not (await world.find(around(north(place, 499), incident))).vehicles
    await world.incident(north(place, 100), "CHANGED", incident)
    assert not (await world.find(around(far, incident))).vehicles


async def test_an_incident_without_a_place(world: World) -> None:
    told = "FAILED_PRECONDITION:INCIDENT_WITHOUT_PLACE"
    incident = await world.incident(None)
    await refused(world, around(anywhere(), incident), told, "INCIDENT_WITHOUT_PLACE")


async def test_another_department_is_refused_whatever_the_policy_says(world: World) -> None:
    place = anywhere()
    incident = await world.incident(place)
    plate = new_plate()
    await world.stands(await world.vehicle(plate), place)
    told = "PERMISSION_DENIED:NOT_EMERGENCY"
    for request in (around(place, incident, requester="kim"), of_plate(plate, incident, "kim")):
        entry = await refused(world, request, told, "NOT_EMERGENCY", world.stub)
        assert (entry["department"], entry["actor"]) == ("operator", "kim")
        assert plate not in str(entry)


BAD = [
    ({"incident_id": "x"}, "incident_id"),
    ({"requester": ""}, "requester"),
    ({"requester": "a b"}, "requester"),
    ({"around": None}, "question"),
    ({"around": pb.Around(radius_metres=10)}, "around.point"),
    (
        {"around": pb.Around(point=Position(latitude=91), radius_metres=10)},
        "around.point.latitude",
    ),
    ({"around": pb.Around(point=Position(), radius_metres=0)}, "around.radius_metres"),
    ({"around": pb.Around(point=Position(), radius_metres=300.1)}, "around.radius_metres"),
    ({"around": pb.Around(point=Position(), radius_metres=float("nan"))}, "around.radius_metres"),
    ({"around": None, "plate": ""}, "plate"),
    ({"around": None, "plate": "12A3456"}, "plate"),
]


@pytest.mark.parametrize(("changes", "field"), BAD, ids=[field for _, field in BAD])
async def test_a_field_that_is_wrong_is_named_and_registered(
    world: World, changes: dict[str, Any], field: str
) -> None:
    place = Point(0, 0)
    incident = await world.incident(place)
    fields = {
        "incident_id": str(incident),
        "requester": "119",
        "around": around(place, incident).around,
        **changes,
    }
    request = pb.FindBlockingVehiclesRequest(**fields)
    word = f"INVALID_{field.upper()}"
    entry = await refused(world, request, f"INVALID_ARGUMENT:{field}", word)
    assert "12A3456" not in str(entry)


async def test_the_register_is_whole_and_its_tail_is_vouched_for(world: World, mesh: Mesh) -> None:
    await world.find(around(Point(0, 0), await world.incident(Point(0, 0))))
    verdict = await world.stub.VerifyRegister(pb.VerifyRegisterRequest(), timeout=DEADLINE)
    assert (verdict.intact, verdict.head.sequence) == (True, await world.head())

    day = date(2030, 1, 1) + timedelta(days=random.randrange(100_000))

    def just_ended() -> datetime:
        """A minute after midnight in Seoul."""
        return datetime(day.year, day.month, day.day, 15, 1, tzinfo=UTC)

    async def sealed() -> bool:
        query = "select from register_seal where register = 'vehicle-lookups' and day = %s"
        return bool(await world.rows(query, day)) and not await world.rows("select from outbox")

    fast = {"PARKING_VAULT__SEAL_EVERY_SECONDS": "0.01", "PARKING_INSTANCE": "parking-1"}
    async with running(mesh, fast, stream=False, clock=just_ended):
        await eventually(sealed)
    published = await records(mesh, "parking.register-sealed.v1")
    (said,) = (said for said in map(_seal, published) if said["day"] == day)
    assert (said["register"], said["sequence"]) == ("vehicle-lookups", verdict.head.sequence)
    kept = pb.RegisterHead(sequence=said["sequence"], hash=said["head_hash"])
    request = pb.VerifyRegisterRequest(heads=[kept])
    assert (await world.stub.VerifyRegister(request, timeout=DEADLINE)).intact

    await world.execute("create table register_before as table register_record")
    await world.execute(
        "delete from register_record where register = 'vehicle-lookups' and sequence = %s",
        kept.sequence,
    )
    try:
        verdict = await world.stub.VerifyRegister(request, timeout=DEADLINE)
    finally:
        await world.execute("delete from register_record")
        await world.execute("insert into register_record table register_before")
        await world.execute("drop table register_before")
    assert (verdict.intact, verdict.first_bad_sequence) == (False, kept.sequence)


def _seal(record: Any) -> dict[str, Any]:
    said: Any = fastavro.schemaless_reader(io.BytesIO(record.value[5:]), SEALED, None)
    return dict(said)
