"""Sensors that are put on bays and moved, and what bays are by their bookings."""

from collections.abc import AsyncIterator

import grpc
import pytest
import pytest_asyncio
from city.parking.v1 import occupancy_pb2 as pb
from city_backbone.testing import Mesh
from parking.occupancy import facts, store
from parking.occupancy.readings import Outcome

from .occupancy_life import Life
from .occupancy_mesh import DEADLINE, Occupancy, at, key, running_occupancy, unique, violations

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(mesh: Mesh) -> AsyncIterator[Occupancy]:
    async with running_occupancy(mesh) as one:
        yield one


def request(places: dict[str, str]) -> pb.RegisterSensorsRequest:
    return pb.RegisterSensorsRequest(
        idempotency_key=key(),
        sensors=[pb.BaySensor(sensor_id=one, bay_id=bay) for one, bay in places.items()],
    )


async def refused(running: Occupancy, given: pb.RegisterSensorsRequest) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await running.stub.RegisterSensors(given, timeout=DEADLINE)
    error: grpc.aio.AioRpcError = raised.value
    return error


async def places(running: Occupancy, *sensor_ids: str) -> list[str | None]:
    rows = await running.rows(
        "select sensor_id, bay_id from bay_sensor where sensor_id = any(%s)", list(sensor_ids)
    )
    found = {row["sensor_id"]: row["bay_id"] for row in rows}
    return [found.get(one, "not there") for one in sensor_ids]


async def status_of(running: Occupancy, bay_id: str) -> str:
    rows = await running.rows("select status from bay_state where bay_id = %s", bay_id)
    return rows[0]["status"] if rows else "FREE"


async def changes(running: Occupancy, bay_id: str) -> list[str]:
    told = await running.told(facts.BAY_STATUS_CHANGED, bay_id)
    assert [event["revision"] for event in told] == list(range(1, len(told) + 1))
    return [event["status"] for event in told]


async def test_once_per_key(running: Occupancy) -> None:
    _, (one, other) = await running.lot(2)
    sensor_id = unique("sensor")
    given = request({sensor_id: one})
    answer = await running.stub.RegisterSensors(given, timeout=DEADLINE)
    assert answer.registered == 1
    await running.register({sensor_id: other})
    assert await running.stub.RegisterSensors(given, timeout=DEADLINE) == answer
    assert await places(running, sensor_id) == [other]


async def test_all_or_none_and_the_field_is_named(running: Occupancy) -> None:
    _, (one, other) = await running.lot(2)
    first, second = unique("sensor"), unique("sensor")
    error = await refused(running, request({first: one, second: "nowhere"}))
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert error.details() == "sensors[1].bay_id: expected a registered bay, got 'nowhere'"
    assert await places(running, first, second) == ["not there"] * 2
    for given, field in (
        (request({}), "sensors: expected 1 to 1000"),
        (request({f"s-{number}": one for number in range(1001)}), "sensors: expected 1 to 1000"),
        (request({first: one, "Sensor": other}), "sensors[1].sensor_id: expected 1 to 64"),
        (request({first: one, second: "Bay_1"}), "sensors[1].bay_id: expected 1 to 64"),
        (request({first: one, second: one}), "sensors[1].bay_id: expected each once"),
    ):
        error = await refused(running, given)
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert violations(error)[0].startswith(field)
    given = request({first: one})
    given.sensors.add(sensor_id=first, bay_id=other)
    error = await refused(running, given)
    assert violations(error)[0].startswith("sensors[1].sensor_id: expected each once")


async def test_a_sensor_registered_again_on_its_bay_changes_nothing(running: Occupancy) -> None:
    life = Life(running)
    _, (bay_id,) = await running.lot()
    (sensor_id,) = await running.watch(bay_id)
    await life.sense(sensor_id, (0, True))
    await running.register({sensor_id: bay_id})
    assert await changes(running, bay_id) == ["OCCUPIED"]
    assert await life.sense(sensor_id, (1, True)) == [Outcome.ACCEPTED]
    (state,) = await running.rows("select * from bay_state where bay_id = %s", bay_id)
    assert state["sensor_since"] == at(0)


async def test_a_sensor_that_moves_says_nothing_more_of_its_old_bay(running: Occupancy) -> None:
    life = Life(running)
    _, (old, new) = await running.lot(2)
    (sensor_id,) = await running.watch(old)
    await life.sense(sensor_id, (0, True))
    await running.register({sensor_id: new})
    assert await changes(running, old) == ["OCCUPIED", "FREE"]
    assert await changes(running, new) == []
    # What it saw before it was moved, sent late: it was of the old bay.
    assert await life.sense(sensor_id, (0, True), (1, True)) == [Outcome.REPEATED] * 2
    assert await changes(running, new) == []
    kept = await running.rows(
        "select bay_id from occupancy_reading where sensor_id = %s", sensor_id
    )
    assert [row["bay_id"] for row in kept] == [old]


async def test_a_moved_sensor_is_heard_at_its_new_bay(running: Occupancy) -> None:
    life = Life(running, now=60 * 24 * 365 * 5)
    _, (old, new) = await running.lot(2)
    (sensor_id,) = await running.watch(old)
    await life.sense(sensor_id, (0, True))
    await running.register({sensor_id: new})
    assert await life.sense(sensor_id, (life.now, True)) == [Outcome.ACCEPTED]
    assert await changes(running, new) == ["OCCUPIED"]


async def test_a_bay_has_one_sensor_and_the_new_one_counts(running: Occupancy) -> None:
    life = Life(running)
    _, (bay_id,) = await running.lot()
    (broken,) = await running.watch(bay_id)
    await life.sense(broken, (0, True))
    (new,) = await running.watch(bay_id)
    assert await changes(running, bay_id) == ["OCCUPIED", "FREE"]
    assert await life.sense(broken, (1, True)) == [Outcome.REFUSED]
    assert await life.sense(new, (0.5, True)) == [Outcome.ACCEPTED]
    (state,) = await running.rows("select * from bay_state where bay_id = %s", bay_id)
    assert (state["sensor_id"], state["sensor_since"]) == (new, at(0.5))


async def test_two_sensors_change_places(running: Occupancy) -> None:
    _, (one, other) = await running.lot(2)
    first, second = await running.watch(one, other)
    await running.register({first: other, second: one})
    assert await places(running, first, second) == [other, one]


async def test_a_bay_follows_its_bookings(running: Occupancy) -> None:
    life = Life(running)
    _, (bay_id,) = await running.lot()
    booking_id = await life.book(bay_id, "HELD", 10, 60)
    assert await status_of(running, bay_id) == "FREE"
    life.now = 10
    await life.move(booking_id, "CONFIRMED")
    assert await status_of(running, bay_id) == "RESERVED"
    await life.move(booking_id, "OCCUPIED", checked_in_at=at(10))
    life.now = 65
    await life.move(booking_id, "OVERSTAYED")
    assert await status_of(running, bay_id) == "OCCUPIED"
    await life.move(booking_id, "SETTLED", checked_out_at=at(65))
    await life.refresh(bay_id)
    assert await changes(running, bay_id) == ["RESERVED", "OCCUPIED", "FREE"]


async def test_the_sensor_says_whether_a_car_is_there(running: Occupancy) -> None:
    life = Life(running)
    _, (bay_id,) = await running.lot()
    (sensor_id,) = await running.watch(bay_id)
    booking_id = await life.book(bay_id, "CONFIRMED", 0, 60)
    await life.sense(sensor_id, (1, True))
    await life.move(booking_id, "OCCUPIED", checked_in_at=at(2))
    await life.sense(sensor_id, (3, False))
    life.now = 4
    await life.move(booking_id, "SETTLED", checked_out_at=at(4))
    assert await changes(running, bay_id) == ["RESERVED", "OCCUPIED", "RESERVED", "FREE"]


async def test_out_of_service_and_back(running: Occupancy) -> None:
    life = Life(running)
    _, (bay_id,) = await running.lot()
    (sensor_id,) = await running.watch(bay_id)
    await life.sense(sensor_id, (0, True))
    for in_service in (False, True):
        await running.rows("update bay set in_service = %s where bay_id = %s", in_service, bay_id)
        await life.refresh(bay_id)
    assert await changes(running, bay_id) == ["OCCUPIED", "OUT_OF_SERVICE", "OCCUPIED"]


async def test_what_others_ask_of_the_sensors(running: Occupancy) -> None:
    life = Life(running)
    _, (car, empty, unheard, bare) = await running.lot(4)
    sensors = await running.watch(car, empty, unheard)
    await life.sense(sensors[0], (0, False), (1, True), (2, True))
    await life.sense(sensors[1], (0, True), (3, False), (4, False))
    bays = [car, empty, unheard, bare]
    async with running.service.backbone.database.transaction() as connection:
        assert await store.seen_occupied(connection, bays) == {car: at(1)}
        assert await store.seen_empty(connection, bays) == {empty: at(3)}
        assert await store.seen_empty(connection, [car]) == {}


async def test_a_bay_that_is_unknown_is_left_out(running: Occupancy) -> None:
    life = Life(running)
    _, (bay_id,) = await running.lot()
    await life.refresh(bay_id, "nowhere")
    assert await running.rows("select bay_id from bay_state where bay_id = %s", bay_id) == []
