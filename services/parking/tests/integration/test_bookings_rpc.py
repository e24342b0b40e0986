"""BookingService through gRPC: whole lives with their rows, money, events and bay; refusals."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import grpc.aio
import pytest
import pytest_asyncio
from city.parking.v1 import booking_pb2 as pb
from city_backbone.events import event_id
from city_backbone.testing import Mesh, eventually
from parking.messages import interval_message, timestamp

from .bookings_world import DEADLINE, DISTRICT, OPERATOR, MovedWorld, opened, reason

pytestmark = pytest.mark.asyncio(loop_scope="module")

PRICE = 6 * 331  # of an hour in an alley's bay


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(mesh: Mesh) -> AsyncIterator[MovedWorld]:
    async with opened(mesh) as world:
        yield world


async def refused(call: Awaitable[Any]) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    return reason(raised.value)


async def test_a_stay_from_the_hold_to_the_settlement(world: MovedWorld) -> None:
    owner_id, vehicle_id = uuid4(), await world.vehicle()
    bay_id = await world.shared_bay(owner_id)
    held_at = world.clock.now
    request = world.holding(bay_id, vehicle_id, 60, 120)
    held = (await world.stub.HoldBay(request, timeout=DEADLINE)).booking
    booking_id = event_id("booking", "operator", request.idempotency_key)
    assert held == pb.Booking(
        booking_id=str(booking_id),
        bay_id=bay_id,
        lot_id=world.lots[-1],
        vehicle_id=str(vehicle_id),
        interval=interval_message(world.span(60, 120)),
        status=pb.BOOKING_STATUS_HELD,
        revision=1,
        price_won=PRICE,
        held_at=timestamp(held_at),
        hold_expires_at=timestamp(world.span(5, 6).starts_at),
    )
    assert await world.balances(booking_id) == {}
    world.clock.move(minutes=4)
    confirmed = await world.confirm(held.booking_id)
    assert confirmed.status == pb.BOOKING_STATUS_CONFIRMED
    assert confirmed.confirmed_at == timestamp(world.clock.now)
    assert await world.balances(booking_id) == {"payments": PRICE, "prepaid": -PRICE}
    assert await world.status(bay_id) == "FREE"
    world.clock.move(minutes=56)
    arrived = await world.check_in(held.booking_id)
    assert arrived.status == pb.BOOKING_STATUS_OCCUPIED
    assert await world.status(bay_id) == "OCCUPIED"
    world.clock.move(minutes=81)
    left = await world.check_out(held.booking_id)
    fee = 3 * 331 * 150 // 100
    assert (left.status, left.reason) == (pb.BOOKING_STATUS_SETTLED, "CHECKED_OUT")
    assert (left.revision, left.overstay_won) == (4, fee)
    assert await world.get(held.booking_id) == left
    gross = PRICE + fee
    operator, district = gross * 30 // 100, gross * 20 // 100
    assert await world.balances(booking_id) == {
        "payments": gross,
        f"owner:{owner_id}": -(gross - operator - district),
        f"operator:{OPERATOR}": -operator,
        f"district:{DISTRICT}": -district,
    }
    assert await world.status(bay_id) == "FREE"
    events = await world.told(held.booking_id, 4)
    assert [(event["revision"], event["status"]) for event in events] == [
        (1, "HELD"),
        (2, "CONFIRMED"),
        (3, "OCCUPIED"),
        (4, "SETTLED"),
    ]
    assert [event["ce_id"] for event in events] == [
        str(event_id("booking-changed", booking_id, revision)) for revision in range(1, 5)
    ]
    last = events[-1]
    assert (last["bay_id"], last["lot_id"], last["owners"]) == (bay_id, world.lots[-1], False)
    assert (last["price_won"], last["overstay_won"], last["refund_won"]) == (PRICE, fee, 0)
    assert (last["reason"], last["changed_at"]) == ("CHECKED_OUT", world.clock.now)
    assert "vehicle_id" not in last


async def test_what_comes_back_and_what_is_kept(world: MovedWorld) -> None:
    bay_id, vehicle_id = await world.shared_bay(uuid4()), await world.vehicle()
    held = await world.hold(bay_id, vehicle_id, 60, 120)
    await world.confirm(held.booking_id)
    world.clock.move(minutes=31)
    cancelled = await world.cancel(held.booking_id)
    refund = PRICE * 33 // 100
    assert (cancelled.status, cancelled.reason) == (pb.BOOKING_STATUS_REFUNDED, "CANCELLED")
    assert cancelled.refund_won == refund
    balances = await world.balances(held.booking_id)
    assert balances["payments"] == PRICE - refund
    assert "prepaid" not in balances
    assert sum(balances.values()) == 0
    # The bay is free again for the same time.
    assert (await world.hold(bay_id, vehicle_id, 29, 89)).status == pb.BOOKING_STATUS_HELD


async def test_early_check_out_frees_the_bay_at_once(world: MovedWorld) -> None:
    bay_id, vehicle_id = await world.public_bay(), await world.vehicle()
    parked = await world.parked(bay_id, vehicle_id, 10, 70)
    world.clock.move(minutes=20)
    left = await world.check_out(parked.booking_id)
    assert (left.price_won, left.overstay_won) == (600, 0)
    assert (await world.hold(bay_id, vehicle_id, 0, 40)).status == pb.BOOKING_STATUS_HELD


async def test_the_car_before_has_not_left(world: MovedWorld) -> None:
    """Without a sensor: who waits gets all back, who is let in shows that the bay is empty."""
    bay_id, vehicle_id = await world.shared_bay(uuid4()), await world.vehicle()
    first = await world.parked(bay_id, vehicle_id, 0, 60)
    second = await world.hold(bay_id, vehicle_id, 60, 120)
    await world.confirm(second.booking_id)
    third = await world.hold(bay_id, vehicle_id, 120, 180)
    await world.confirm(third.booking_id)
    world.clock.move(minutes=66)
    await world.pass_time()
    assert (await world.get(first.booking_id)).status == pb.BOOKING_STATUS_OVERSTAYED
    cancelled = await world.cancel(second.booking_id)
    assert (cancelled.refund_won, cancelled.reason) == (PRICE, "BAY_OCCUPIED")
    assert await world.balances(second.booking_id) == {}
    told = await refused(world.hold(bay_id, vehicle_id, 10, 50))
    assert told == "FAILED_PRECONDITION:BAY_OCCUPIED"
    world.clock.move(minutes=54)
    assert (await world.check_in(third.booking_id)).status == pb.BOOKING_STATUS_OCCUPIED
    gone = await world.get(first.booking_id)
    assert (gone.status, gone.reason) == (pb.BOOKING_STATUS_SETTLED, "LEFT_WITHOUT_CHECK_OUT")
    assert gone.checked_out_at == timestamp(world.clock.now)
    assert gone.overstay_won == PRICE * 150 // 100
    await world.check_out(third.booking_id)


async def test_the_sensor_sees_that_the_car_before_has_not_left(world: MovedWorld) -> None:
    bay_id, vehicle_id = await world.shared_bay(uuid4()), await world.vehicle()
    first = await world.parked(bay_id, vehicle_id, 0, 60)
    second = await world.hold(bay_id, vehicle_id, 60, 120)
    await world.confirm(second.booking_id)
    await world.sense(bay_id, True)
    world.clock.move(minutes=61)
    told = await refused(world.check_in(second.booking_id))
    assert told == "FAILED_PRECONDITION:BAY_OCCUPIED"
    await world.sense(bay_id, False)
    arrived = await world.check_in(second.booking_id)
    assert arrived.status == pb.BOOKING_STATUS_OCCUPIED
    gone = await world.get(first.booking_id)
    assert (gone.status, gone.overstay_won) == (pb.BOOKING_STATUS_SETTLED, 0)
    await world.check_out(second.booking_id)


async def test_the_owner_comes_first(world: MovedWorld) -> None:
    owner_id, vehicle_id = uuid4(), await world.vehicle()
    bay_id = await world.shared_bay(owner_id)
    held = [await world.hold(bay_id, vehicle_id, start, start + 60) for start in (60, 120)]
    kept = await world.block(bay_id, owner_id, 90, 150)
    assert (kept.status, kept.owners) == (pb.BOOKING_STATUS_CONFIRMED, True)
    assert (kept.price_won, kept.vehicle_id) == (0, "")
    for booking in held:
        gone = await world.get(booking.booking_id)
        assert (gone.status, gone.reason) == (pb.BOOKING_STATUS_RELEASED, "OWNER_PRIORITY")
        assert (await world.told(booking.booking_id, 2))[-1]["reason"] == "OWNER_PRIORITY"
        told = await refused(world.confirm(booking.booking_id))
        assert told == "FAILED_PRECONDITION:LIFE_CYCLE"
    assert await refused(world.hold(bay_id, vehicle_id, 149, 200)) == "ABORTED:BAY_TAKEN"
    assert await refused(world.check_in(kept.booking_id)) == "FAILED_PRECONDITION:LIFE_CYCLE"
    world.clock.move(minutes=100)
    await world.pass_time()
    assert await world.status(bay_id) == "RESERVED"
    back = await world.cancel(kept.booking_id)
    assert (back.status, back.reason) == (pb.BOOKING_STATUS_RELEASED, "CANCELLED")
    assert await world.status(bay_id) == "FREE"
    assert await world.balances(kept.booking_id) == {}
    paid = await world.hold(bay_id, vehicle_id, 0, 50)
    await world.confirm(paid.booking_id)
    assert await refused(world.block(bay_id, owner_id, 49, 80)) == "ABORTED:BAY_TAKEN"
    assert (await world.block(bay_id, owner_id, 50, 80)).owners
    told = await refused(world.block(bay_id, uuid4(), 100, 150))
    assert told == "PERMISSION_DENIED:NOT_THE_OWNER"
    public = await world.public_bay()
    told = await refused(world.block(public, owner_id, 100, 150))
    assert told == "PERMISSION_DENIED:NOT_THE_OWNER"


async def test_asked_again_it_happens_once(world: MovedWorld) -> None:
    owner_id, vehicle_id = uuid4(), await world.vehicle()
    bay_id = await world.shared_bay(owner_id)
    holding = world.holding(bay_id, vehicle_id, 10, 70)
    held = await world.stub.HoldBay(holding, timeout=DEADLINE)
    steps: list[tuple[Callable[..., Any], Any]] = [
        (
            world.stub.ConfirmBooking,
            pb.ConfirmBookingRequest(
                idempotency_key=str(uuid4()),
                booking_id=held.booking.booking_id,
                payment_reference="pg",
            ),
        ),
        (
            world.stub.CheckIn,
            pb.CheckInRequest(idempotency_key=str(uuid4()), booking_id=held.booking.booking_id),
        ),
        (
            world.stub.CheckOut,
            pb.CheckOutRequest(idempotency_key=str(uuid4()), booking_id=held.booking.booking_id),
        ),
    ]
    answers = []
    for method, request in steps:
        answers.append(await method(request, timeout=DEADLINE))
        world.clock.move(minutes=4)
        assert await method(request, timeout=DEADLINE) == answers[-1]
    # Long after, when nothing of it would be allowed any more.
    world.clock.move(minutes=600)
    assert await world.stub.HoldBay(holding, timeout=DEADLINE) == held
    for (method, request), answer in zip(steps, answers, strict=True):
        assert await method(request, timeout=DEADLINE) == answer
    assert (await world.get(held.booking.booking_id)).revision == 4
    other = world.holding(bay_id, vehicle_id, 10, 70)
    other.idempotency_key = holding.idempotency_key
    told = await refused(world.stub.HoldBay(other, timeout=DEADLINE))
    assert told == "ALREADY_EXISTS:IDEMPOTENCY_KEY_REUSED"
    # Also when what is kept of keys was forgotten.
    await world.execute("delete from idempotency where key = %s", holding.idempotency_key)
    told = await refused(world.stub.HoldBay(other, timeout=DEADLINE))
    assert told == "ALREADY_EXISTS:IDEMPOTENCY_KEY_REUSED"
    events = await world.told(held.booking.booking_id, 4)
    assert [event["revision"] for event in events] == [1, 2, 3, 4]


async def test_asked_five_times_at_once_it_happens_once(world: MovedWorld) -> None:
    bay_id, vehicle_id = await world.public_bay(), await world.vehicle()
    holding = world.holding(bay_id, vehicle_id, 10, 70)
    calls = [world.stub.HoldBay(holding, timeout=DEADLINE) for _ in range(5)]
    answers = [await call for call in calls]
    assert all(answer == answers[0] for answer in answers)
    assert len(await world.rows("select from booking where bay_id = %s", bay_id)) == 1


async def test_who_claims_a_bay_comes_after_who_holds_it(world: MovedWorld) -> None:
    bay_id, vehicle_id = await world.public_bay(), await world.vehicle()

    async def waits() -> bool:
        return bool(
            await world.rows(
                "select from pg_stat_activity where wait_event_type = 'Lock'"
                " and datname = current_database()"
            )
        )

    async with world.database.transaction() as connection:
        await connection.execute("select from bay where bay_id = %s for update", (bay_id,))
        asked = asyncio.create_task(refused(world.hold(bay_id, vehicle_id, 60, 120)))
        await eventually(waits)
        await connection.execute("update bay set in_service = false where bay_id = %s", (bay_id,))
    assert await asked == "FAILED_PRECONDITION:OUT_OF_SERVICE"


async def test_a_refusal_is_not_remembered(world: MovedWorld) -> None:
    """Nothing is left of it: with the same key it is judged anew."""
    bay_id, vehicle_id = await world.public_bay(), await world.vehicle()
    held = await world.hold(bay_id, vehicle_id, 60, 120)
    wanted = world.holding(bay_id, vehicle_id, 60, 120)
    assert await refused(world.stub.HoldBay(wanted, timeout=DEADLINE)) == "ABORTED:BAY_TAKEN"
    keys = "select from idempotency where key = %s"
    assert await world.rows(keys, wanted.idempotency_key) == []
    await world.cancel(held.booking_id)
    answer = await world.stub.HoldBay(wanted, timeout=DEADLINE)
    assert answer.booking.status == pb.BOOKING_STATUS_HELD


async def test_an_expired_hold_gives_way_at_once(world: MovedWorld) -> None:
    """Nobody had to write down first that it has ended."""
    bay_id, vehicle_id = await world.public_bay(), await world.vehicle()
    held = await world.hold(bay_id, vehicle_id, 60, 120)
    world.clock.move(minutes=5)
    assert (await world.get(held.booking_id)).status == pb.BOOKING_STATUS_EXPIRED
    told = await refused(world.confirm(held.booking_id))
    assert told == "FAILED_PRECONDITION:HOLD_EXPIRED"
    other = await world.hold(bay_id, vehicle_id, 60, 120)
    assert other.status == pb.BOOKING_STATUS_HELD
    events = await world.told(held.booking_id, 2)
    assert [(event["status"], event["reason"]) for event in events] == [
        ("HELD", ""),
        ("EXPIRED", "HOLD_EXPIRED"),
    ]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"idempotency_key": "x"}, "INVALID_ARGUMENT:idempotency_key"),
    ({"bay_id": "No Bay"}, "INVALID_ARGUMENT:bay_id"),
    ({"bay_id": "no-such-bay"}, "NOT_FOUND:NOT_FOUND"),
    ({"vehicle_id": "x"}, "INVALID_ARGUMENT:vehicle_id"),
    ({"vehicle_id": str(UUID(int=77))}, "NOT_FOUND:NOT_FOUND"),
    ({"start": -2}, "INVALID_ARGUMENT:interval.starts_at"),
    ({"start": 61 * 24 * 60, "end": 61 * 24 * 60 + 30}, "INVALID_ARGUMENT:interval.starts_at"),
    ({"end": 69}, "INVALID_ARGUMENT:interval.ends_at"),
    ({"end": 60 + 73 * 60}, "INVALID_ARGUMENT:interval.ends_at"),
    ({"start": 3e9, "end": 3e9 + 60}, "INVALID_ARGUMENT:interval.starts_at"),
]


@pytest.mark.parametrize(("changes", "told"), WRONG)
async def test_a_wrong_field_is_named(
    world: MovedWorld, changes: dict[str, Any], told: str
) -> None:
    given: dict[str, Any] = {
        "bay_id": await world.public_bay(),
        "vehicle_id": str(await world.vehicle()),
        "start": 60.0,
        "end": 120.0,
        **changes,
    }
    key = given.pop("idempotency_key", str(uuid4()))
    request = world.holding(**given)
    request.idempotency_key = key
    assert await refused(world.stub.HoldBay(request, timeout=DEADLINE)) == told


async def test_intervals_that_are_none(world: MovedWorld) -> None:
    request = world.holding(await world.public_bay(), await world.vehicle(), 60, 120)
    request.interval.ends_at.CopyFrom(request.interval.starts_at)
    told = await refused(world.stub.HoldBay(request, timeout=DEADLINE))
    assert told == "INVALID_ARGUMENT:interval.ends_at"
    request.interval.ClearField("starts_at")
    told = await refused(world.stub.HoldBay(request, timeout=DEADLINE))
    assert told == "INVALID_ARGUMENT:interval.starts_at"


async def test_bays_that_cannot_be_booked(world: MovedWorld) -> None:
    vehicle_id = await world.vehicle()
    contract = await world.bay(await world.lot(fees={"kind": "CONTRACT"}))
    told = await refused(world.hold(contract, vehicle_id, 60, 120))
    assert told == "FAILED_PRECONDITION:CONTRACT_ONLY"
    away = await world.public_bay()
    await world.execute("update bay set in_service = false where bay_id = %s", away)
    told = await refused(world.hold(away, vehicle_id, 60, 120))
    assert told == "FAILED_PRECONDITION:OUT_OF_SERVICE"
    night = await world.shared_bay(uuid4(), until_minute=1)
    told = await refused(world.hold(night, vehicle_id, 60, 120))
    assert told == "FAILED_PRECONDITION:NOT_OFFERED"
    nowhere = await world.bay(await world.lot(scheme="no-such-scheme"))
    told = await refused(world.hold(nowhere, vehicle_id, 60, 120))
    assert told == "FAILED_PRECONDITION:NO_SPLIT_RULE"
    free = await world.bay(await world.lot(fees={"kind": "FREE"}, scheme="no-such-scheme"))
    held = await world.hold(free, vehicle_id, 60, 120)
    assert (await world.confirm(held.booking_id, "")).price_won == 0


async def test_steps_on_what_is_not_there(world: MovedWorld) -> None:
    nobody = str(uuid4())
    for step in (world.confirm, world.check_in, world.check_out, world.cancel, world.get):
        assert await refused(step(nobody)) == "NOT_FOUND:NOT_FOUND"
        assert await refused(step("x")) == "INVALID_ARGUMENT:booking_id"


async def test_payment_references(world: MovedWorld) -> None:
    held = await world.hold(await world.public_bay(), await world.vehicle(), 60, 120)
    for text in ("", " ", "a\nb", "x" * 101):
        told = await refused(world.confirm(held.booking_id, text))
        assert told == "INVALID_ARGUMENT:payment_reference"
    await world.confirm(held.booking_id, " pg-17 ")
    rows = await world.rows(
        "select payment_reference from booking where booking_id = %s", held.booking_id
    )
    assert rows == [{"payment_reference": "pg-17"}]


async def test_lists_newest_first(world: MovedWorld) -> None:
    bay_id, vehicle_id = await world.public_bay(), await world.vehicle()
    lot_id = world.lots[-1]
    other = await world.bay(lot_id)
    made = []
    for number in range(5):
        made.append(await world.hold(bay_id, vehicle_id, 60 + 20 * number, 80 + 20 * number))
        world.clock.move(seconds=1)
    elsewhere = await world.hold(other, vehicle_id, 60, 90)
    expected = [booking.booking_id for booking in reversed(made)]

    async def listed(**filters: Any) -> list[str]:
        """All pages of two."""
        found: list[str] = []
        token = ""
        while True:
            page = await world.stub.ListBookings(
                pb.ListBookingsRequest(page_size=2, page_token=token, **filters), timeout=DEADLINE
            )
            found.extend(booking.booking_id for booking in page.bookings)
            token = page.next_page_token
            if not token:
                return found

    assert await listed(bay_id=bay_id) == expected
    assert await listed(lot_id=lot_id) == [elsewhere.booking_id, *expected]
    assert await listed(vehicle_id=str(vehicle_id), bay_id=other) == [elsewhere.booking_id]
    await world.confirm(made[2].booking_id)
    confirmed = [pb.BOOKING_STATUS_CONFIRMED]
    assert await listed(bay_id=bay_id, statuses=confirmed) == [made[2].booking_id]
    world.clock.move(minutes=10)  # the holds have expired, and nobody wrote it down
    assert await listed(bay_id=bay_id, statuses=[pb.BOOKING_STATUS_HELD]) == []
    expired = await listed(bay_id=bay_id, statuses=[pb.BOOKING_STATUS_EXPIRED])
    assert expired == [booking_id for booking_id in expected if booking_id != made[2].booking_id]


@pytest.mark.parametrize(
    ("filters", "told"),
    [
        ({"page_size": 1001}, "page_size"),
        ({"page_token": "?"}, "page_token"),
        ({"page_token": "WzEsIDJd"}, "page_token"),
        ({"bay_id": "No Bay"}, "bay_id"),
        ({"lot_id": "No Lot"}, "lot_id"),
        ({"vehicle_id": "x"}, "vehicle_id"),
        ({"statuses": [0]}, "statuses"),
        ({"statuses": [99]}, "statuses"),
    ],
)
async def test_a_wrong_filter_is_named(
    world: MovedWorld, filters: dict[str, Any], told: str
) -> None:
    request = pb.ListBookingsRequest(**filters)
    assert (
        await refused(world.stub.ListBookings(request, timeout=DEADLINE))
        == f"INVALID_ARGUMENT:{told}"
    )
