"""Where sensors and bookings disagree for longer than the grace time: each once, with evidence."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from city_backbone.events import event_id
from city_backbone.testing import Mesh
from parking.occupancy import facts
from parking.occupancy.judging import DISPUTES_METRIC

from .occupancy_life import Life
from .occupancy_mesh import DEADLINE, OWNER, VEHICLE, Occupancy, at, running_occupancy

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECOND = 1 / 60


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(mesh: Mesh) -> AsyncIterator[Occupancy]:
    async with running_occupancy(mesh) as one:
        yield one


@pytest_asyncio.fixture(loop_scope="module")
async def life(running: Occupancy) -> Life:
    return Life(running)


def minutes(moment: Any) -> float:
    return float((moment - at(0)).total_seconds() / 60)


def brief(disputes: list[dict[str, Any]]) -> list[tuple[str, str | None, float, float]]:
    """Kind, booking, minutes of since and of opened_at."""
    return [
        (
            one["kind"],
            one["booking_id"] and str(one["booking_id"]),
            minutes(one["since"]),
            minutes(one["opened_at"]),
        )
        for one in disputes
    ]


def said(dispute: dict[str, Any]) -> list[tuple[float, str, str]]:
    """An event's evidence, in order."""
    return [(minutes(one["at"]), one["source"], one["said"]) for one in dispute["evidence"]]


async def one_sensed_bay(life: Life, **lot: Any) -> tuple[str, str]:
    _, (bay_id,) = await life.running.lot(**lot)
    (sensor_id,) = await life.running.watch(bay_id)
    return bay_id, sensor_id


async def test_a_car_that_nobody_booked(life: Life, running: Occupancy) -> None:
    lot_id, (bay_id,) = await running.lot()
    (sensor_id,) = await running.watch(bay_id)
    await life.sense(sensor_id, (0, False))
    await life.sense(sensor_id, (10, True))
    await life.judge(15 - SECOND)
    assert await life.disputes(bay_id) == []
    await life.judge(15)
    (row,) = await life.disputes(bay_id)
    assert brief([row]) == [("OCCUPIED_WITHOUT_BOOKING", None, 10, 15)]
    (event,) = await running.told(facts.DISPUTE_OPENED, bay_id)
    assert event == {
        "dispute_id": str(row["dispute_id"]),
        "kind": "OCCUPIED_WITHOUT_BOOKING",
        "bay_id": bay_id,
        "lot_id": lot_id,
        "booking_id": None,
        "since": at(10),
        "opened_at": at(15),
        "evidence": [
            {"at": at(0), "source": f"sensor:{sensor_id}", "said": "free"},
            {"at": at(10), "source": f"sensor:{sensor_id}", "said": "occupied"},
        ],
        "ce_id": str(event_id(facts.DISPUTE_OPENED, row["dispute_id"])),
    }
    assert row["evidence"] == [{**one, "at": one["at"].isoformat()} for one in event["evidence"]]
    assert life.metric(DISPUTES_METRIC)[("occupied_without_booking",)] >= 1


async def test_nobody_there_though_checked_in(life: Life, running: Occupancy) -> None:
    bay_id, sensor_id = await one_sensed_bay(life, kind="PUBLIC")
    booking_id = await life.book(bay_id, "OCCUPIED", 0, 60)
    await life.sense(sensor_id, (1, True))
    await life.sense(sensor_id, (20, False))
    await life.judge(25 - SECOND)
    assert await life.disputes(bay_id) == []
    await life.judge(25)
    expected = [("EMPTY_THOUGH_CHECKED_IN", booking_id, 20, 25)]
    assert brief(await life.disputes(bay_id)) == expected
    (event,) = await running.told(facts.DISPUTE_OPENED, bay_id)
    assert said(event) == [
        (-30, f"booking:{booking_id}", "HELD"),
        (-20, f"booking:{booking_id}", "CONFIRMED"),
        (0, f"booking:{booking_id}", "OCCUPIED"),
        (1, f"sensor:{sensor_id}", "occupied"),
        (20, f"sensor:{sensor_id}", "free"),
    ]
    assert event["booking_id"] == booking_id
    assert str(VEHICLE) not in str(event)
    assert str(OWNER) not in str(event)


async def test_still_there_after_the_check_out(life: Life, running: Occupancy) -> None:
    bay_id, sensor_id = await one_sensed_bay(life, kind="PUBLIC")
    booking_id = await life.book(bay_id, "OCCUPIED", 0, 60)
    await life.sense(sensor_id, (1, True))
    await life.judge(50)
    await life.move(booking_id, "SETTLED", checked_out_at=at(50))
    await life.judge(55 - SECOND)
    assert await life.disputes(bay_id) == []
    await life.judge(55)
    expected = [("OCCUPIED_AFTER_CHECK_OUT", booking_id, 50, 55)]
    assert brief(await life.disputes(bay_id)) == expected
    (event,) = await running.told(facts.DISPUTE_OPENED, bay_id)
    assert said(event) == [
        (-30, f"booking:{booking_id}", "HELD"),
        (-20, f"booking:{booking_id}", "CONFIRMED"),
        (0, f"booking:{booking_id}", "OCCUPIED"),
        (1, f"sensor:{sensor_id}", "occupied"),
        (50, f"booking:{booking_id}", "SETTLED"),
    ]


async def test_who_leaves_within_the_grace_is_not_disputed(life: Life) -> None:
    bay_id, sensor_id = await one_sensed_bay(life)
    booking_id = await life.book(bay_id, "OCCUPIED", 0, 60)
    await life.sense(sensor_id, (1, True))
    life.now = 50
    await life.move(booking_id, "SETTLED", checked_out_at=at(50))
    await life.judge(54)
    await life.sense(sensor_id, (54.5, False))
    await life.judge(120)
    assert await life.disputes(bay_id) == []


async def test_a_check_out_by_a_clock_that_is_ahead(life: Life) -> None:
    bay_id, sensor_id = await one_sensed_bay(life)
    booking_id = await life.book(bay_id, "OCCUPIED", 0, 60)
    await life.sense(sensor_id, (1, True))
    life.now = 50
    await life.move(booking_id, "SETTLED", checked_out_at=at(50.5), changed_at=at(50.5))
    await life.judge(50)
    assert await life.disputes(bay_id) == []


async def test_the_next_cannot_park_for_an_overstay(life: Life, running: Occupancy) -> None:
    bay_id, sensor_id = await one_sensed_bay(life)
    first = await life.book(bay_id, "OCCUPIED", 0, 60)
    await life.sense(sensor_id, (1, True))
    after = await life.book(bay_id, "CONFIRMED", 70, 130)
    life.now = 65
    await life.move(first, "OVERSTAYED")
    await life.judge(70)
    await life.refresh(bay_id)
    await life.judge(75 - SECOND)
    assert await life.disputes(bay_id) == []
    await life.judge(75)
    assert brief(await life.disputes(bay_id)) == [("BLOCKED_BY_OVERSTAY", after, 70, 75)]
    (event,) = await running.told(facts.DISPUTE_OPENED, bay_id)
    assert said(event) == [
        (-30, f"booking:{first}", "HELD"),
        (-20, f"booking:{first}", "CONFIRMED"),
        (0, f"booking:{first}", "OCCUPIED"),
        (1, f"sensor:{sensor_id}", "occupied"),
        (40, f"booking:{after}", "HELD"),
        (50, f"booking:{after}", "CONFIRMED"),
        (65, f"booking:{first}", "OVERSTAYED"),
    ]


async def test_an_overstay_on_a_bay_without_a_sensor(life: Life, running: Occupancy) -> None:
    _, (bay_id,) = await running.lot(kind="PUBLIC")
    first = await life.book(bay_id, "OVERSTAYED", 0, 60)
    after = await life.book(bay_id, "CONFIRMED", 60, 130)
    life.now = 60
    await life.refresh(bay_id)
    await life.judge(65)
    assert brief(await life.disputes(bay_id)) == [("BLOCKED_BY_OVERSTAY", after, 60, 65)]
    (event,) = await running.told(facts.DISPUTE_OPENED, bay_id)
    assert {source for _, source, _ in said(event)} == {f"booking:{first}", f"booking:{after}"}


async def test_a_walk_in_where_somebody_has_booked(life: Life) -> None:
    bay_id, sensor_id = await one_sensed_bay(life, kind="PUBLIC")
    await life.sense(sensor_id, (0, True))
    await life.judge(20)
    booking_id = await life.book(bay_id, "CONFIRMED", 30, 90)
    await life.judge(30)
    # As the sweep of bookings does when an interval begins.
    await life.refresh(bay_id)
    await life.judge(35 - SECOND)
    assert await life.disputes(bay_id) == []
    await life.judge(35)
    expected = [("OCCUPIED_WITHOUT_BOOKING", booking_id, 30, 35)]
    assert brief(await life.disputes(bay_id)) == expected


async def test_the_owners_own_time_is_no_dispute(life: Life) -> None:
    bay_id, sensor_id = await one_sensed_bay(life, windows=[])
    await life.sense(sensor_id, (0, True))
    await life.judge(60)
    kept, kept_sensor = await one_sensed_bay(life)
    own = await life.book(kept, "CONFIRMED", 0, 90, owners=True, vehicle_id=None)
    await life.sense(kept_sensor, (life.now, True))
    await life.judge(89)
    assert await life.disputes(bay_id, kept) == []
    # Given back early, with the owner's car still there.
    await life.move(own, "RELEASED")
    await life.judge(94 - SECOND)
    assert await life.disputes(kept) == []
    await life.judge(94)
    assert brief(await life.disputes(kept)) == [("OCCUPIED_WITHOUT_BOOKING", None, 89, 94)]


async def test_an_owners_car_that_is_in_the_way_when_the_window_begins(life: Life) -> None:
    """Found though neither the sensor nor a booking changes. 2026-11-01 is a Sunday."""
    seoul_nine = 9 * 60  # START is 09:00 in Seoul
    bay_id, sensor_id = await one_sensed_bay(life, windows=[[7, seoul_nine + 30, 1440]])
    await life.sense(sensor_id, (0, True))
    for minute in range(35):
        await life.judge(minute)
    assert await life.disputes(bay_id) == []
    await life.judge(35)
    assert brief(await life.disputes(bay_id)) == [("OCCUPIED_WITHOUT_BOOKING", None, 30, 35)]


async def test_never_twice(life: Life, running: Occupancy) -> None:
    """Not in later turns, not after readings, bookings and restarts, and not by two at once."""
    bay_id, sensor_id = await one_sensed_bay(life)
    await life.sense(sensor_id, (0, True))
    lives = [life, *(Life(running) for _ in range(3))]
    await asyncio.gather(*(one.judge(5) for one in lives))
    for minute in range(6, 60):
        await life.sense(sensor_id, (minute, True))
        await life.refresh(bay_id)
        await Life(running, minute).judge()
    assert brief(await life.disputes(bay_id)) == [("OCCUPIED_WITHOUT_BOOKING", None, 0, 5)]
    assert len(await running.told(facts.DISPUTE_OPENED, bay_id)) == 1


async def test_many_at_once_by_replicas_at_once(life: Life, running: Occupancy) -> None:
    _, bays = await running.lot(120)
    sensors = await running.watch(*bays)
    for sensor_id in sensors:
        await life.sense(sensor_id, (0, True))
    lives = [Life(running) for _ in range(4)]
    await asyncio.gather(*(one.judge(5) for one in lives))
    await life.judge(5)
    told = await running.told(facts.DISPUTE_OPENED, *bays)
    assert sorted(event["bay_id"] for event in told) == sorted(bays)
    assert len(await life.disputes(*bays)) == 120


async def test_a_resolved_dispute_is_not_opened_again(life: Life, running: Occupancy) -> None:
    bay_id, sensor_id = await one_sensed_bay(life)
    await life.sense(sensor_id, (0, True))
    await life.judge(5)
    await running.rows("update dispute set resolved_at = now() where bay_id = %s", bay_id)
    await life.judge(30)
    assert len(await life.disputes(bay_id)) == 1


async def test_another_car_is_another_dispute(life: Life) -> None:
    bay_id, sensor_id = await one_sensed_bay(life)
    await life.sense(sensor_id, (0, True))
    await life.judge(5)
    await life.sense(sensor_id, (10, False))
    await life.sense(sensor_id, (12, True))
    await life.judge(16)
    await life.judge(17)
    assert brief(await life.disputes(bay_id)) == [
        ("OCCUPIED_WITHOUT_BOOKING", None, 0, 5),
        ("OCCUPIED_WITHOUT_BOOKING", None, 12, 17),
    ]


async def test_a_bay_somebody_works_on_is_judged_in_the_next_turn(
    life: Life, running: Occupancy
) -> None:
    bay_id, sensor_id = await one_sensed_bay(life)
    await life.sense(sensor_id, (0, True))
    async with running.service.backbone.database.transaction() as claiming:
        await claiming.execute("select from bay where bay_id = %s for update", (bay_id,))
        async with asyncio.timeout(DEADLINE):
            await life.judge(5)
    assert await life.disputes(bay_id) == []
    await life.judge(6)
    assert brief(await life.disputes(bay_id)) == [("OCCUPIED_WITHOUT_BOOKING", None, 0, 6)]


async def test_dispute_and_event_are_one(life: Life, running: Occupancy) -> None:
    bay_id, sensor_id = await one_sensed_bay(life)
    await life.sense(sensor_id, (0, True))
    life.now = 5

    async def fail() -> None:
        async with running.service.backbone.database.transaction() as connection:
            await life.judging.judge(connection)
            raise RuntimeError("the power is cut")

    with pytest.raises(RuntimeError, match="the power is cut"):
        await fail()
    assert await life.disputes(bay_id) == []
    assert await running.told(facts.DISPUTE_OPENED, bay_id) == []
    await life.judge(6)
    assert len(await running.told(facts.DISPUTE_OPENED, bay_id)) == 1


async def test_the_evidence_is_bounded_and_holds_when_it_began(
    life: Life, running: Occupancy
) -> None:
    bay_id, sensor_id = await one_sensed_bay(life)
    await life.sense(sensor_id, (-2, False), (-1, False))
    await life.sense(sensor_id, *((second * 5 * SECOND, True) for second in range(60)))
    await life.judge(5)
    (event,) = await running.told(facts.DISPUTE_OPENED, bay_id)
    found = said(event)
    assert len(found) == 20
    assert [(at_, word) for at_, _, word in found[:2]] == [(-1, "free"), (0, "occupied")]
    assert found[-1][0] == pytest.approx(59 * 5 / 60)
    assert found == sorted(found)


async def test_only_bays_that_can_be_in_dispute_are_looked_at(
    life: Life, running: Occupancy
) -> None:
    _, walk_ins = await running.lot(50, kind="PUBLIC")
    _, empty = await running.lot(50)
    sensors = await running.watch(*walk_ins, *empty)
    for some, occupied in ((sensors[:50], True), (sensors[50:], False)):
        for sensor_id in some:
            await life.sense(sensor_id, (0, occupied))
    due = (
        "select bay_id from bay_state where bay_id = any(%s) and judge_at is not null"
        " order by bay_id"
    )
    found = await running.rows(due, [*walk_ins, *empty])
    assert [row["bay_id"] for row in found] == sorted(walk_ins)
    await life.judge(1)
    assert await running.rows(due, [*walk_ins, *empty]) == []


async def test_due_bays_are_found_by_the_index(running: Occupancy) -> None:
    await running.rows("analyze bay_state")
    async with running.service.backbone.database.transaction() as connection:
        await connection.execute("set local enable_seqscan = off")
        plan = await connection.execute(
            "explain select bay_id from bay_state where judge_at <= %s order by judge_at limit 50",
            (at(0),),
        )
        assert "bay_state_judge" in str(await plan.fetchall())
