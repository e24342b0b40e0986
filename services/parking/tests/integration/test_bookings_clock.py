"""What the clock does to bookings, and what the database itself refuses."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import psycopg
import pytest
import pytest_asyncio
from city.parking.v1 import booking_pb2 as pb
from city_backbone.errors import Aborted
from city_backbone.testing import Mesh, eventually
from parking.bookings import store
from parking.bookings.booking import Booking, Status, hold
from parking.bookings.limits import limits
from parking.bookings.wiring import parts
from parking.interval import Interval
from parking.lots.store import terms
from parking.messages import interval, timestamp
from parking.settings import BookingSettings

from .bookings_world import MovedWorld, opened, running

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(mesh: Mesh) -> AsyncIterator[MovedWorld]:
    async with opened(mesh) as world:
        yield world


async def became(world: MovedWorld, booking_id: str) -> tuple[str, str, int]:
    """Its stored status, reason and revision."""
    (row,) = await world.rows(
        "select status, reason, revision from booking where booking_id = %s", booking_id
    )
    return row["status"], row["reason"], row["revision"]


async def test_a_bay_is_reserved_from_the_start_to_the_end(world: MovedWorld) -> None:
    bay_id, vehicle_id = await world.public_bay(), await world.vehicle()
    booking_id = (await world.hold(bay_id, vehicle_id, 30, 60)).booking_id
    await world.confirm(booking_id)
    for minutes, status, revision in ((29, "FREE", 2), (1, "RESERVED", 2), (29, "RESERVED", 2)):
        world.clock.move(minutes=minutes)
        await world.pass_time()
        assert await world.status(bay_id) == status
        assert (await became(world, booking_id))[2] == revision
    world.clock.move(minutes=1)
    await world.pass_time()
    assert await world.status(bay_id) == "FREE"
    assert await became(world, booking_id) == ("SETTLED", "NO_SHOW", 3)
    balances = await world.balances(booking_id)
    assert balances["payments"] == 300
    assert "prepaid" not in balances


async def test_holds_expire_and_the_bay_is_told_free(world: MovedWorld) -> None:
    bay_id, vehicle_id = await world.public_bay(), await world.vehicle()
    booking_id = (await world.hold(bay_id, vehicle_id, 0, 60)).booking_id
    assert await world.status(bay_id) == "RESERVED"
    world.clock.move(minutes=5)
    await world.pass_time()
    assert await became(world, booking_id) == ("EXPIRED", "HOLD_EXPIRED", 2)
    assert await world.status(bay_id) == "FREE"
    assert (await world.told(booking_id, 2))[-1]["status"] == "EXPIRED"


async def test_overstayed_up_to_the_limit(world: MovedWorld) -> None:
    bay_id, vehicle_id = await world.public_bay(), await world.vehicle()
    booking_id = (await world.parked(bay_id, vehicle_id, 0, 30)).booking_id
    world.clock.move(minutes=34)
    await world.pass_time()
    assert (await became(world, booking_id))[0] == "OCCUPIED"
    world.clock.move(minutes=1)
    await world.pass_time()
    assert await became(world, booking_id) == ("OVERSTAYED", "", 4)
    assert await world.status(bay_id) == "OCCUPIED"
    world.clock.move(hours=24, minutes=-6)
    await world.pass_time()
    assert (await became(world, booking_id))[0] == "OVERSTAYED"
    world.clock.move(days=3)  # nobody was there to see it at once: the fee is the same
    await world.pass_time()
    given_up = await world.get(booking_id)
    assert await became(world, booking_id) == ("SETTLED", "OVERSTAY_LIMIT", 5)
    async with world.database.transaction() as connection:
        known = (await terms(connection, [bay_id]))[bay_id]
    booked = interval("interval", given_up.interval)
    fee_won = known.fee_won_after(booked, booked.ends_at + timedelta(hours=24))
    assert given_up.overstay_won == fee_won > 1000
    assert not given_up.HasField("checked_out_at")


async def test_what_passed_while_nobody_ran_is_done_by_the_next(world: MovedWorld) -> None:
    """Holds, no-shows and overstays of several days, in one turn after the other."""
    vehicle_id = await world.vehicle()
    held, missed, stayed = [await world.public_bay() for _ in range(3)]
    one = await world.hold(held, vehicle_id, 30, 60)
    two = await world.hold(missed, vehicle_id, 30, 60)
    await world.confirm(two.booking_id)
    three = await world.parked(stayed, vehicle_id, 0, 60)
    world.clock.move(days=5)
    await world.pass_time()
    assert (await became(world, one.booking_id))[1] == "HOLD_EXPIRED"
    assert (await became(world, two.booking_id))[1] == "NO_SHOW"
    assert (await became(world, three.booking_id))[1:] == ("OVERSTAY_LIMIT", 5)
    assert [await world.status(bay_id) for bay_id in (held, missed, stayed)] == ["FREE"] * 3
    assert (
        await world.rows(
            "select from booking where due_at is not null and bay_id = any(%s)",
            [held, missed, stayed],
        )
        == []
    )


async def test_the_sensor_saw_it_leave(world: MovedWorld) -> None:
    bay_id, vehicle_id = await world.public_bay(), await world.vehicle()
    booking_id = (await world.parked(bay_id, vehicle_id, 0, 30)).booking_id
    await world.sense(bay_id, True)
    world.clock.move(minutes=40)
    await world.sense(bay_id, False)
    left_at = world.clock.now
    world.clock.move(seconds=119)
    await world.pass_time()
    assert (await became(world, booking_id))[0] == "OVERSTAYED"
    world.clock.move(seconds=1)
    await world.pass_time()
    left = await world.get(booking_id)
    assert (left.status, left.reason) == (pb.BOOKING_STATUS_SETTLED, "LEFT_WITHOUT_CHECK_OUT")
    assert (left.checked_out_at, left.overstay_won) == (timestamp(left_at), 100)
    assert await world.status(bay_id) == "FREE"


async def test_departures_are_looked_for_page_by_page(
    world: MovedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parking.bookings.sweep._AT_ONCE", 2)
    lot_id, vehicle_id = await world.lot(), await world.vehicle()
    bays = sorted([await world.bay(lot_id) for _ in range(5)])
    booked = [await world.parked(bay_id, vehicle_id, 0, 30) for bay_id in bays]
    world.clock.move(minutes=30)
    await world.sense(bays[-1], False)
    world.clock.move(minutes=2)
    await world.pass_time()
    statuses = [(await became(world, booking.booking_id))[0] for booking in booked]
    assert statuses == ["OCCUPIED"] * 4 + ["SETTLED"]
    world.clock.move(minutes=3)
    await world.pass_time()
    statuses = [(await became(world, booking.booking_id))[0] for booking in booked]
    assert statuses == ["OVERSTAYED"] * 4 + ["SETTLED"]


async def test_money_that_nobody_can_split_holds_up_no_other(world: MovedWorld) -> None:
    """Its rule is missing for a while: it waits, and is settled when there is one."""
    vehicle_id = await world.vehicle()
    scheme = f"late-{uuid4()}"
    rule = "insert into split_rule values (%s, %s, 0, 100, 0, 'OPERATOR', '[]', 100)"
    await world.execute(rule, scheme, "2020-01-01")
    poor = await world.bay(await world.lot(scheme=scheme))
    waiting = await world.hold(poor, vehicle_id, 0, 30)
    await world.confirm(waiting.booking_id)
    fine = await world.hold(await world.public_bay(), vehicle_id, 0, 30)
    await world.confirm(fine.booking_id)
    await world.execute("delete from split_rule where scheme = %s", scheme)
    world.clock.move(minutes=30)
    await world.pass_time()
    assert (await became(world, waiting.booking_id))[0] == "CONFIRMED"
    assert (await became(world, fine.booking_id))[1] == "NO_SHOW"
    await world.execute(rule, scheme, "2020-01-01")
    world.clock.move(minutes=1)
    await world.pass_time()
    assert (await became(world, waiting.booking_id))[1] == "NO_SHOW"
    assert (await world.balances(waiting.booking_id))["payments"] == 300


async def test_a_bay_that_somebody_holds_waits_for_the_next_turn(world: MovedWorld) -> None:
    vehicle_id = await world.vehicle()
    busy, idle = await world.public_bay(), await world.public_bay()
    one, two = [await world.hold(bay_id, vehicle_id, 30, 60) for bay_id in (busy, idle)]
    world.clock.move(minutes=5)
    database = world.database
    async with database.transaction() as connection:
        await connection.execute("select from bay where bay_id = %s for update", (busy,))
        async with asyncio.timeout(5), database.transaction() as other:
            await world.sweep.pass_on(other)
        assert (await became(world, two.booking_id))[0] == "EXPIRED"
        assert (await became(world, one.booking_id))[0] == "HELD"
    await world.pass_time()
    assert (await became(world, one.booking_id))[0] == "EXPIRED"


async def test_two_replicas_pass_on_each_booking_once(world: MovedWorld) -> None:
    lot_id, vehicle_id = await world.lot(), await world.vehicle()
    made = [await world.hold(await world.bay(lot_id), vehicle_id, 30, 60) for _ in range(12)]
    for booking in made:
        await world.confirm(booking.booking_id)
    world.clock.move(minutes=60)
    backbone = world.service.backbone
    sweeps = [parts(backbone, world.clock).sweep for _ in range(3)]

    async def turn(number: int) -> None:
        async with backbone.database.transaction() as connection:
            await sweeps[number].pass_on(connection)

    await asyncio.gather(*(turn(number) for number in range(3)))
    await world.pass_time()
    for booking in made:
        assert await became(world, booking.booking_id) == ("SETTLED", "NO_SHOW", 3)
    balances = await world.balances(*(booking.booking_id for booking in made))
    assert balances["payments"] == 12 * 300
    for booking in made:
        events = await world.told(booking.booking_id, 3)
        assert [event["revision"] for event in events] == [1, 2, 3]


async def test_the_service_does_it_by_itself(mesh: Mesh, world: MovedWorld) -> None:
    bay_id, vehicle_id = await world.public_bay(), await world.vehicle()
    held = await world.hold(bay_id, vehicle_id, 30, 60)
    other = await world.public_bay()
    parked = await world.parked(other, vehicle_id, 0, 30)
    await world.sense(other, False)
    world.clock.move(minutes=33)
    quick = {"PARKING_BOOKINGS__SWEEP_EVERY_SECONDS": "0.05", "PARKING_INSTANCE": "parking-1"}
    async with running(mesh, world.clock, quick):

        async def done() -> bool:
            return (await became(world, held.booking_id))[0] == "EXPIRED" and (
                await became(world, parked.booking_id)
            )[1] == "LEFT_WITHOUT_CHECK_OUT"

        await eventually(done)


async def test_the_database_refuses_two_live_claims(world: MovedWorld) -> None:
    """Whoever goes around the service, and whatever the service forgets."""
    bay_id, vehicle_id = await world.public_bay(), await world.vehicle()
    lot_id, now = world.lots[-1], world.clock.now
    bounds = limits(BookingSettings())

    def claim(start: int, end: int, status: Status = Status.HELD) -> Booking:
        during = Interval(now + timedelta(minutes=start), now + timedelta(minutes=end))
        made = hold(uuid4(), bay_id, lot_id, vehicle_id, during, 0, now, bounds)
        return replace(made, status=status)

    async def add(booking: Booking) -> None:
        async with world.database.transaction() as connection:
            assert await store.add(connection, booking, None)

    await add(claim(60, 120))
    await add(claim(120, 180, Status.CONFIRMED))  # they touch
    await add(claim(0, 60, Status.OCCUPIED))
    await add(claim(0, 180, Status.OVERSTAYED))  # no claim any more
    for start, end in ((60, 61), (119, 130), (179, 200), (0, 300), (59, 60)):
        with pytest.raises(Aborted) as raised:
            await add(claim(start, end))
        assert raised.value.reason == "BAY_TAKEN"
    with pytest.raises(psycopg.errors.ExclusionViolation):
        await world.execute(
            "insert into booking (booking_id, bay_id, lot_id, owners, during, status, revision,"
            " price_won, held_at, hold_expires_at, changed_at)"
            " select gen_random_uuid(), bay_id, lot_id, owners, during, status, 1, 0, held_at,"
            " hold_expires_at, changed_at from booking where bay_id = %s and status = 'OCCUPIED'",
            bay_id,
        )
    with pytest.raises(psycopg.errors.ExclusionViolation):
        await world.execute(
            "update booking set status = 'HELD' where bay_id = %s and status = 'OVERSTAYED'", bay_id
        )
    with pytest.raises(psycopg.errors.CheckViolation):
        await world.execute(
            "update booking set during = tstzrange(lower(during), upper(during), '[]')"
            " where bay_id = %s",
            bay_id,
        )


async def test_what_is_due_is_found_by_its_index(world: MovedWorld) -> None:
    async with world.database.transaction() as connection:
        await connection.execute("set local enable_seqscan = off")
        plan = await connection.execute(
            "explain select bay_id from booking where due_at <= now() order by due_at limit 100"
        )
        lines = " ".join(row["QUERY PLAN"] for row in await plan.fetchall())
    assert "booking_due" in lines


async def test_what_others_read_of_a_bay(world: MovedWorld) -> None:
    """`current` and `last_ended`, which occupancy goes by."""
    bay_id, vehicle_id = await world.public_bay(), await world.vehicle()
    database = world.database

    async def current() -> list[str]:
        async with database.transaction() as connection:
            found = await store.current(connection, [bay_id, "other"], world.clock.now)
        return [str(booking.booking_id) for booking in found.get(bay_id, [])]

    async def last() -> str | None:
        async with database.transaction() as connection:
            found = await store.last_ended(connection, bay_id, world.clock.now)
        return None if found is None else str(found.booking_id)

    held = (await world.hold(bay_id, vehicle_id, 1, 60)).booking_id
    assert await current() == []
    world.clock.move(minutes=1)
    assert await current() == [held]
    world.clock.move(minutes=4)  # expired, though nobody wrote it down
    assert await current() == []
    parked = (await world.parked(bay_id, vehicle_id, 5, 35)).booking_id
    world.clock.move(minutes=60)
    assert await current() == [parked]
    await world.pass_time()
    assert await current() == [parked]
    assert await last() is None
    await world.check_out(parked)
    assert await current() == []
    assert await last() == parked
