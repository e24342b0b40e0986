"""Readings as they come in, and what is told of bays because of them."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import grpc
import pytest
import pytest_asyncio
from city.parking.v1 import occupancy_pb2 as pb
from city_backbone.database import Connection
from city_backbone.errors import DatabaseUnavailable
from city_backbone.events import event_id
from city_backbone.testing import Mesh
from parking.occupancy import facts, rpc
from parking.occupancy.readings import READINGS_METRIC, Outcome, Sent

from .occupancy_life import Life
from .occupancy_mesh import APART, Occupancy, at, reading, running_occupancy, unique, violations

pytestmark = pytest.mark.asyncio(loop_scope="module")

ACCEPTED, REPEATED, REFUSED = Outcome


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(mesh: Mesh) -> AsyncIterator[Occupancy]:
    async with running_occupancy(mesh) as one:
        yield one


def statuses(told: Sequence[dict[str, Any]]) -> list[str]:
    """In the order of revisions, which have no gap."""
    assert [event["revision"] for event in told] == list(range(1, len(told) + 1))
    return [event["status"] for event in told]


async def test_a_reading_becomes_a_row_and_an_event(running: Occupancy) -> None:
    lot_id, (bay_id,) = await running.lot()
    (sensor_id,) = await running.watch(bay_id)
    now = datetime.now(UTC)
    answer = await running.report([reading(sensor_id, True, now - timedelta(minutes=1))])
    assert (answer.accepted, answer.repeated, answer.refused) == (1, 0, 0)
    (event,) = await running.told(facts.BAY_STATUS_CHANGED, bay_id)
    (row,) = await running.rows("select position from bay where bay_id = %s", bay_id)
    longitude, latitude = (float(one) for one in row["position"].strip("()").split(","))
    assert event == {
        "bay_id": bay_id,
        "lot_id": lot_id,
        "revision": 1,
        "status": "OCCUPIED",
        "latitude": latitude,
        "longitude": longitude,
        "changed_at": event["changed_at"],
        "ce_id": str(event_id(facts.BAY_STATUS_CHANGED, bay_id, 1)),
    }
    assert now - timedelta(seconds=1) <= event["changed_at"] <= datetime.now(UTC)
    (state,) = await running.rows("select * from bay_state where bay_id = %s", bay_id)
    assert (state["status"], state["revision"]) == ("OCCUPIED", 1)
    assert state["changed_at"] == event["changed_at"]
    assert (state["sensor_id"], state["sensor_occupied"]) == (sensor_id, True)
    assert state["sensor_since"] == state["sensor_heard_at"] == now - timedelta(minutes=1)


async def test_each_change_is_told_once_with_the_next_revision(running: Occupancy) -> None:
    life = Life(running)
    _, (bay_id,) = await running.lot()
    (sensor_id,) = await running.watch(bay_id)
    for minutes, occupied in enumerate([False, False, True, True, False, True]):
        assert await life.sense(sensor_id, (minutes, occupied)) == [ACCEPTED]
    told = await running.told(facts.BAY_STATUS_CHANGED, bay_id)
    assert statuses(told) == ["OCCUPIED", "FREE", "OCCUPIED"]
    assert [event["changed_at"] for event in told] == [at(2), at(4), at(5)]
    assert len({event["ce_id"] for event in told}) == 3


async def test_older_and_repeated_readings_change_nothing_but_are_evidence(
    running: Occupancy,
) -> None:
    life = Life(running)
    _, (bay_id,) = await running.lot()
    (sensor_id,) = await running.watch(bay_id)
    said = [(5.0, True), (5.0, True), (4.0, False), (6.0, True)]
    assert await life.sense(sensor_id, *said) == [ACCEPTED, REPEATED, REPEATED, ACCEPTED]
    assert await life.sense(sensor_id, *said, (5.0, False)) == [REPEATED] * 5
    assert statuses(await running.told(facts.BAY_STATUS_CHANGED, bay_id)) == ["OCCUPIED"]
    kept = await running.rows(
        "select observed_at, occupied, sensor_id from occupancy_reading where bay_id = %s"
        " order by observed_at",
        bay_id,
    )
    assert [(row["observed_at"], row["occupied"]) for row in kept] == [
        (at(4), False),
        (at(5), True),
        (at(6), True),
    ]
    (state,) = await running.rows("select * from bay_state where bay_id = %s", bay_id)
    assert (state["sensor_since"], state["sensor_heard_at"]) == (at(5), at(6))
    assert life.metric(READINGS_METRIC) == {("accepted", ""): 2, ("repeated", ""): 7}


async def test_refused_readings_are_named_and_the_others_count(running: Occupancy) -> None:
    _, (bay_id,) = await running.lot()
    (sensor_id,) = await running.watch(bay_id)
    now = datetime.now(UTC)
    timeless = reading(sensor_id, True, now)
    timeless.ClearField("observed_at")
    beyond = reading(sensor_id, True, now)
    beyond.observed_at.seconds = 2**60
    answer = await running.report(
        [reading(sensor_id, True, now), reading("no\0body", True, now)],
        [
            reading(unique("nobody"), True, now),
            reading(sensor_id, False, now + timedelta(seconds=30)),
            timeless,
            beyond,
            reading(sensor_id, False, datetime(1999, 12, 31, tzinfo=UTC)),
            reading(sensor_id, True, now + timedelta(seconds=1)),
        ],
    )
    assert (answer.accepted, answer.repeated, answer.refused) == (2, 0, 6)
    assert [(one.index, one.field) for one in answer.problems] == [
        (1, "sensor_id"),
        (2, "sensor_id"),
        (3, "observed_at"),
        (4, "observed_at"),
        (5, "observed_at"),
        (6, "observed_at"),
    ]
    assert "expected one that watches a bay" in answer.problems[0].message
    assert "expected at most 5 s ahead of" in answer.problems[2].message
    assert "expected a time from 2000 on" in answer.problems[5].message
    (state,) = await running.rows("select * from bay_state where bay_id = %s", bay_id)
    assert state["sensor_heard_at"] == now + timedelta(seconds=1)


async def test_refusals_are_counted_by_field(running: Occupancy) -> None:
    life = Life(running)
    _, (bay_id,) = await running.lot()
    (sensor_id,) = await running.watch(bay_id)
    assert await life.sense("nobody", (0, True)) == [REFUSED]
    life.now = 0
    async with running.service.backbone.database.transaction() as connection:
        results = await life.readings.take(
            connection,
            [
                Sent(sensor_id, True, at(0) + timedelta(seconds=5)),
                Sent(sensor_id, True, at(0) + timedelta(seconds=5.1)),
            ],
        )
    life.readings.count(results)
    assert [one.outcome for one in results] == [ACCEPTED, REFUSED]
    assert life.metric(READINGS_METRIC) == {
        ("refused", "sensor_id"): 1,
        ("accepted", ""): 1,
        ("refused", "observed_at"): 1,
    }


async def test_the_limits_of_a_call(running: Occupancy, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now(UTC)
    full = [reading("nobody", True, now)] * 1000
    answer = await running.report(full, [], full)
    assert (answer.refused, len(answer.problems)) == (2000, 20)
    monkeypatch.setattr(rpc, "MAX_READINGS_PER_CALL", 2000)
    for messages in ([[*full, full[0]]], [full, full, full[:1]]):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await running.report(*messages)
        assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        (problem,) = violations(raised.value)
        assert problem.startswith("readings: expected at most")


async def test_a_call_that_breaks_keeps_the_messages_before(running: Occupancy) -> None:
    _, (bay_id,) = await running.lot()
    (sensor_id,) = await running.watch(bay_id)
    now = datetime.now(UTC)
    first = [reading(sensor_id, True, now)]
    with pytest.raises(grpc.aio.AioRpcError):
        await running.report(first, [reading("nobody", True, now)] * 1001)
    assert statuses(await running.told(facts.BAY_STATUS_CHANGED, bay_id)) == ["OCCUPIED"]
    answer = await running.report(first, [reading(sensor_id, False, now + timedelta(seconds=1))])
    assert (answer.accepted, answer.repeated) == (1, 1)


class Counting:
    """A connection that counts what is asked of it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.statements: list[str] = []

    async def execute(self, query: Any, *arguments: Any) -> Any:
        self.statements.append(query)
        return await self.connection.execute(query, *arguments)


async def test_a_message_costs_the_same_number_of_statements_however_long(
    running: Occupancy,
) -> None:
    life = Life(running)
    _, bays = await running.lot(500)
    sensors = await running.watch(*bays)
    counts = []
    for some in (sensors[:1], sensors[1:]):
        async with running.service.backbone.database.transaction() as connection:
            counting: Any = Counting(connection)
            sent = [Sent(one, True, at(minutes)) for one in some for minutes in (-1, 0)]
            results = await life.readings.take(counting, sent)
        assert {result.outcome for result in results} == {ACCEPTED}
        counts.append(len(counting.statements))
        assert sum("insert into outbox" in one for one in counting.statements) == 1
    assert counts[0] == counts[1]
    told = await running.told(facts.BAY_STATUS_CHANGED, *bays)
    assert {event["revision"] for event in told} == {1}
    assert len(told) == 500


async def test_a_message_locks_its_bays_at_once(running: Occupancy) -> None:
    life = Life(running)
    _, bays = await running.lot(3)
    sensors = await running.watch(*bays)
    database = running.service.backbone.database
    async with database.transaction() as first:
        sent = [Sent(one, True, at(0)) for one in sensors]
        await life.readings.take(first, sent)
        for bay_id in bays:
            with pytest.raises(DatabaseUnavailable, match="LockNotAvailable"):
                await running.rows("select from bay where bay_id = %s for update nowait", bay_id)


async def test_calls_at_once_about_the_same_bays_all_count(running: Occupancy) -> None:
    """Each message names all bays, each in another order: nobody waits for one who waits."""
    _, bays = await running.lot(40)
    sensors = await running.watch(*bays)
    chance = random.Random(1)
    now = datetime.now(UTC).replace(microsecond=0)

    def message(second: int) -> list[Any]:
        shuffled = chance.sample(sensors, len(sensors))
        moment = now - timedelta(seconds=60 - second)
        return [reading(one, second % 2 == 0, moment) for one in shuffled]

    answers = await asyncio.gather(*(running.report(message(one)) for one in range(12)))
    assert sum(answer.accepted + answer.repeated for answer in answers) == 12 * 40
    rows = await running.rows(
        "select distinct status, sensor_heard_at from bay_state where bay_id = any(%s)", bays
    )
    assert rows == [{"status": "FREE", "sensor_heard_at": now - timedelta(seconds=49)}]
    for bay_id in bays[:5]:
        changes = statuses(await running.told(facts.BAY_STATUS_CHANGED, bay_id))
        assert changes == ["OCCUPIED", "FREE"] * (len(changes) // 2)


async def test_after_a_storm_sent_twice_and_shuffled_the_counts_are_right(
    running: Occupancy,
) -> None:
    chance = random.Random(280)
    life = Life(running)
    lots = [await running.lot(chance.randint(5, 40)) for _ in range(6)]
    bays = [bay_id for _, some in lots for bay_id in some]
    sensors = dict(zip(bays, await running.watch(*bays), strict=True))
    for bay_id in chance.sample(bays, 20):
        status = chance.choice(["HELD", "CONFIRMED", "OCCUPIED"])
        await life.book(bay_id, status, -60, 10_000, hold_expires_at=at(10_000))
    claimed = {
        row["bay_id"]
        for row in await running.rows("select bay_id from booking where bay_id = any(%s)", bays)
    }
    silent = set(chance.sample(bays, 10)) - claimed
    storm = [
        (sensors[bay_id], minutes, chance.random() < 0.5)
        for bay_id in bays
        if bay_id not in silent
        for minutes in chance.sample(range(1000), chance.randint(1, 30))
    ]
    newest: dict[str, tuple[int, bool]] = {}
    for sensor_id, minutes, occupied in storm:
        newest[sensor_id] = max(newest.get(sensor_id, (-1, False)), (minutes, occupied))
    twice = [*storm, *storm]
    chance.shuffle(twice)
    life.now = 1000
    messages = [twice[start : start + 200] for start in range(0, len(twice), 200)]

    async def send(message: list[tuple[str, int, bool]]) -> list[Outcome]:
        async with running.service.backbone.database.transaction() as connection:
            sent = [Sent(one, occupied, at(minutes)) for one, minutes, occupied in message]
            return [one.outcome for one in await life.readings.take(connection, sent)]

    for start in range(0, len(messages), 4):
        results = await asyncio.gather(*(send(one) for one in messages[start : start + 4]))
        assert REFUSED not in {one for some in results for one in some}
        await life.count(life.now + 1)
    await life.count(life.now + 1)

    kept = await running.rows(
        "select count(*) as readings from occupancy_reading where bay_id = any(%s)", bays
    )
    assert kept[0]["readings"] == len(storm)
    for lot_id, some in lots:
        cars = {bay_id for bay_id in some if newest.get(sensors[bay_id], (0, False))[1]}
        reserved = {bay_id for bay_id in some if bay_id in claimed} - cars
        expected = (len(some), len(cars), len(reserved), len(some) - len(cars) - len(reserved))
        answer = await running.stub.GetLotOccupancy(pb.GetLotOccupancyRequest(lot_id=lot_id))
        assert (answer.bays, answer.occupied, answer.reserved, answer.free) == expected
        told = await running.told(facts.LOT_OCCUPANCY_CHANGED, lot_id)
        assert [event["revision"] for event in told] == list(range(1, len(told) + 1))
        last = told[-1]
        assert (last["bays"], last["occupied"], last["reserved"], last["free"]) == expected
        assert all(
            after["changed_at"] - one["changed_at"] >= APART for one, after in pairwise(told)
        )
    for bay_id in bays:
        (row,) = await running.rows(
            "select coalesce((select status from bay_state where bay_id = %s), 'FREE') as status",
            bay_id,
        )
        told = await running.told(facts.BAY_STATUS_CHANGED, bay_id) if bay_id in bays[:10] else []
        assert not told or statuses(told)[-1] == row["status"]
