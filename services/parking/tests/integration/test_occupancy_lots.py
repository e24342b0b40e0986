"""How full lots are, counted once per change, however many replicas count."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

import grpc
import pytest
import pytest_asyncio
from city.parking.v1 import occupancy_pb2 as pb
from city_backbone.database import Connection
from city_backbone.events import event_id
from city_backbone.testing import Mesh, join_by_nested_loops
from parking.occupancy import facts, store, store_lots
from parking.occupancy.forgetting import Forgetting

from .occupancy_life import Life
from .occupancy_mesh import APART, DEADLINE, Occupancy, at, running_occupancy, violations

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECOND = 1 / 60


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(mesh: Mesh) -> AsyncIterator[Occupancy]:
    async with running_occupancy(mesh) as one:
        yield one


async def occupancy_of(running: Occupancy, lot_id: str) -> pb.GetLotOccupancyResponse:
    request = pb.GetLotOccupancyRequest(lot_id=lot_id)
    return await running.stub.GetLotOccupancy(request, timeout=DEADLINE)


async def counts(running: Occupancy, lot_id: str) -> list[tuple[int, int, int, int]]:
    """Told so far: bays, occupied, reserved, free."""
    told = await running.told(facts.LOT_OCCUPANCY_CHANGED, lot_id)
    assert [event["revision"] for event in told] == list(range(1, len(told) + 1))
    return [(one["bays"], one["occupied"], one["reserved"], one["free"]) for one in told]


async def test_what_is_told_of_a_lot(running: Occupancy) -> None:
    life = Life(running)
    lot_id, bays = await running.lot(3)
    sensors = await running.watch(*bays)
    await life.book(bays[1], "CONFIRMED", 0, 60)
    await life.sense(sensors[0], (1, True))
    await life.count(2)
    (event,) = await running.told(facts.LOT_OCCUPANCY_CHANGED, lot_id)
    (row,) = await running.rows("select position from lot where lot_id = %s", lot_id)
    longitude, latitude = (float(one) for one in row["position"].strip("()").split(","))
    assert event == {
        "lot_id": lot_id,
        "name": "삼정동 1길",
        "kind": "SHARED",
        "revision": 1,
        "bays": 3,
        "occupied": 1,
        "reserved": 1,
        "free": 1,
        "latitude": latitude,
        "longitude": longitude,
        "changed_at": at(2),
        "ce_id": str(event_id(facts.LOT_OCCUPANCY_CHANGED, lot_id, 1)),
    }
    answer = await occupancy_of(running, lot_id)
    assert (answer.bays, answer.occupied, answer.reserved, answer.free) == (3, 1, 1, 1)
    assert answer.changed_at.ToDatetime(at(0).tzinfo) == at(2)


async def test_a_lot_that_was_never_told_of_is_counted_when_asked(running: Occupancy) -> None:
    lot_id, bays = await running.lot(4, kind="PUBLIC")
    await running.rows("update bay set in_service = false where bay_id = %s", bays[0])
    answer = await occupancy_of(running, lot_id)
    assert (answer.bays, answer.occupied, answer.reserved, answer.free) == (3, 0, 0, 3)
    assert not answer.HasField("changed_at")


async def test_an_unknown_lot(running: Occupancy) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await occupancy_of(running, "nowhere")
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await occupancy_of(running, "No where")
    assert violations(raised.value)[0].startswith("lot_id: expected")


async def test_only_what_changed_is_told(running: Occupancy) -> None:
    life = Life(running)
    lot_id, bays = await running.lot(2)
    one, other = await running.watch(*bays)
    await life.sense(one, (0, True))
    await life.count(1)
    # A car leaves and another comes elsewhere in the lot: its numbers are as before.
    await life.sense(one, (2, False))
    await life.sense(other, (2, True))
    await life.count(3)
    async with running.service.backbone.database.transaction() as connection:
        await store.mark_lots(connection, [lot_id, lot_id], at(3))
    await life.count(4)
    assert await counts(running, lot_id) == [(2, 1, 0, 1)]
    assert await running.rows("select lot_id from lot_to_count where lot_id = %s", lot_id) == []


async def test_a_lot_marked_without_bays_in_it_that_changed(running: Occupancy) -> None:
    """As importing it does: how many bays it has is news."""
    life = Life(running)
    lot_id, _ = await running.lot(5, kind="PUBLIC")
    async with running.service.backbone.database.transaction() as connection:
        await store.mark_lots(connection, [lot_id], at(0))
    await life.count(0)
    assert await counts(running, lot_id) == [(5, 0, 0, 5)]


async def test_many_changes_within_a_second_are_one_event(running: Occupancy) -> None:
    life = Life(running)
    lot_id, bays = await running.lot(20)
    sensors = await running.watch(*bays)
    await life.sense(sensors[0], (0, True))
    await life.count(0)
    for number, sensor_id in enumerate(sensors[1:], 1):
        await life.sense(sensor_id, (number * SECOND / 20, True))
        await life.count(number * SECOND / 20)
    assert await counts(running, lot_id) == [(20, 1, 0, 19)]
    await life.count(SECOND)
    assert await counts(running, lot_id) == [(20, 1, 0, 19), (20, 20, 0, 0)]
    told = await running.told(facts.LOT_OCCUPANCY_CHANGED, lot_id)
    assert told[1]["changed_at"] - told[0]["changed_at"] == APART


async def test_a_lot_that_was_just_told_of_takes_nobodys_turn(
    running: Occupancy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parking.occupancy.counting._PER_RUN", 1)
    life = Life(running)
    lots = sorted([await running.lot() for _ in range(2)])
    sensors = await running.watch(*[bay_id for _, (bay_id,) in lots])
    await life.sense(sensors[0], (0, True))
    await life.count(0)
    await life.sense(sensors[0], (SECOND / 2, False))
    await life.sense(sensors[1], (SECOND / 2, True))
    await life.count(SECOND / 2)
    assert await counts(running, lots[0][0]) == [(1, 1, 0, 0)]
    assert await counts(running, lots[1][0]) == [(1, 1, 0, 0)]


async def test_a_lot_that_another_replica_told_of_before_it_was_locked(
    running: Occupancy, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = Life(running)
    lot_id, (bay_id,) = await running.lot()
    (sensor_id,) = await running.watch(bay_id)
    await life.sense(sensor_id, (0, True))
    await life.count(0)
    await life.sense(sensor_id, (SECOND / 2, False))

    async def stale(*_: object) -> list[str]:
        return [lot_id]

    with monkeypatch.context() as patch:
        patch.setattr(store_lots, "lock_marked", stale)
        await life.count(SECOND / 2)
    assert await counts(running, lot_id) == [(1, 1, 0, 0)]
    await life.count(SECOND)
    assert await counts(running, lot_id) == [(1, 1, 0, 0), (1, 0, 0, 1)]


async def test_a_change_that_commits_while_another_counts_is_not_lost(running: Occupancy) -> None:
    life = Life(running)
    lot_id, bays = await running.lot(2)
    one, other = await running.watch(*bays)
    await life.sense(one, (0, True))
    async with running.service.backbone.database.transaction() as slow:
        await slow.execute("select from bay where bay_id = %s for update", (bays[1],))
        await slow.execute(
            "insert into bay_state (bay_id, status, revision, changed_at, sensor_id,"
            " sensor_occupied, sensor_since, sensor_heard_at)"
            " values (%s, 'FREE', 0, %s, %s, true, %s, %s)",
            (bays[1], at(0), other, at(0), at(0)),
        )
        await life.states.refresh(slow, [bays[1]], at(0))
        async with asyncio.timeout(DEADLINE):
            await life.count(1)
    assert await counts(running, lot_id) == [(2, 1, 0, 1)]
    await life.count(2)
    assert await counts(running, lot_id) == [(2, 1, 0, 1), (2, 2, 0, 0)]


async def test_a_change_that_commits_after_the_count_is_not_lost(
    running: Occupancy, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = Life(running)
    lot_id, bays = await running.lot(2)
    one, other = await running.watch(*bays)
    await life.sense(one, (0, True))
    real = store_lots.count

    async def count_and_then_change(connection: Connection, lot_ids: Any) -> Any:
        counted = await real(connection, lot_ids)
        await life.sense(other, (0.5, True))
        return counted

    with monkeypatch.context() as patch:
        patch.setattr(store_lots, "count", count_and_then_change)
        await life.count(1)
    await life.count(2)
    assert await counts(running, lot_id) == [(2, 1, 0, 1), (2, 2, 0, 0)]


async def test_a_lot_that_another_replica_counts_is_left_to_it(running: Occupancy) -> None:
    life, other = Life(running), Life(running)
    lot_id, (bay_id,) = await running.lot()
    (sensor_id,) = await running.watch(bay_id)
    await life.sense(sensor_id, (0, True))
    life.now = other.now = 1
    async with running.service.backbone.database.transaction() as connection:
        await life.counting.count(connection)
        async with asyncio.timeout(DEADLINE):
            await other.count()
    await other.count()
    assert await counts(running, lot_id) == [(1, 1, 0, 0)]


async def test_replicas_that_count_at_once_tell_each_change_once(running: Occupancy) -> None:
    lives = [Life(running) for _ in range(4)]
    lots = [await running.lot(3) for _ in range(10)]
    sensors = await running.watch(*[bay_id for _, bays in lots for bay_id in bays])
    for round_number in range(1, 9):
        occupied = round_number % 2 == 1
        for life in lives:
            life.now = round_number
        await asyncio.gather(
            *(lives[0].sense(one, (round_number - 0.5, occupied)) for one in sensors[:10]),
            *(life.count(round_number) for life in lives),
        )
    for life in lives:
        await life.count(20)
    for lot_id, bays in lots:
        told = await counts(running, lot_id)
        expected = await running.rows(
            "select count(*) as occupied from bay_state where bay_id = any(%s)"
            " and status = 'OCCUPIED'",
            bays,
        )
        assert not told or told[-1][1] == expected[0]["occupied"]
        assert all(before != after for before, after in pairwise(told))


async def test_a_lot_somebody_changes_is_counted_in_the_next_turn(running: Occupancy) -> None:
    life = Life(running)
    lot_id, (bay_id,) = await running.lot()
    (sensor_id,) = await running.watch(bay_id)
    await life.sense(sensor_id, (0, True))
    async with running.service.backbone.database.transaction() as importing:
        await importing.execute("update lot set name = '새 이름' where lot_id = %s", (lot_id,))
        async with asyncio.timeout(DEADLINE):
            await life.count(1)
    await life.count(2)
    (event,) = await running.told(facts.LOT_OCCUPANCY_CHANGED, lot_id)
    assert (event["name"], event["changed_at"]) == ("새 이름", at(2))


async def test_bays_out_of_service_do_not_count(running: Occupancy) -> None:
    life = Life(running)
    lot_id, (one, other) = await running.lot(2)
    sensors = await running.watch(one, other)
    await life.sense(sensors[0], (0, True))
    await life.count(1)
    await running.rows("update bay set in_service = false where bay_id = %s", one)
    await life.refresh(one)
    await life.count(2)
    assert await counts(running, lot_id) == [(2, 1, 0, 1), (1, 0, 0, 1)]


async def test_old_readings_are_deleted_in_batches(
    running: Occupancy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parking.occupancy.forgetting._PER_RUN", 8)
    await running.rows("delete from occupancy_reading")
    life = Life(running)
    _, bays = await running.lot(5)
    sensors = await running.watch(*bays)
    days = [0, 1, 2, 28, 29, 30, 31]
    for sensor_id in sensors:
        await life.sense(sensor_id, *((day * 1440.0, True) for day in days))
    forgetting = Forgetting(timedelta(days=30), lambda: at(life.now + 1))
    turns = []
    more = True
    while more:
        async with running.service.backbone.database.transaction() as connection:
            await join_by_nested_loops(connection)
            more = await forgetting.forget(connection)
        turns.append(more)
    kept: list[dict[str, Any]] = await running.rows(
        "select distinct observed_at from occupancy_reading where bay_id = any(%s)"
        " order by observed_at",
        bays,
    )
    assert [row["observed_at"] for row in kept] == [at(day * 1440) for day in days[2:]]
    # Ten were older.
    assert turns == [True, False]
