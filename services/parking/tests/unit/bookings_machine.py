"""Stories of bookings as hypothesis makes them up, and what must hold after every step.

The same stories are told to the model alone and, with fewer examples, to the model and the service
at once: `World` is what they have in common.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID, uuid4

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from parking.bookings.booking import LIVE, STAYING, Booking, Status
from parking.interval import Interval
from parking.ledger.posting import PREPAID

from .bookings_model import Answer, Call, prepaid_of

_GRID = timedelta(minutes=5)
# What each act may be refused with, beside NOT_FOUND; anything else is a fault.
REFUSALS = {
    "hold": {
        "INVALID_ARGUMENT:interval.starts_at",
        "FAILED_PRECONDITION:OUT_OF_SERVICE",
        "FAILED_PRECONDITION:NOT_OFFERED",
        "FAILED_PRECONDITION:BAY_OCCUPIED",
        "ABORTED:BAY_TAKEN",
    },
    "keep": {
        "INVALID_ARGUMENT:interval.starts_at",
        "PERMISSION_DENIED:NOT_THE_OWNER",
        "ABORTED:BAY_TAKEN",
    },
    "confirm": {
        "FAILED_PRECONDITION:HOLD_EXPIRED",
        "FAILED_PRECONDITION:LIFE_CYCLE",
        "FAILED_PRECONDITION:OUT_OF_SERVICE",
    },
    "check_in": {
        "FAILED_PRECONDITION:HOLD_EXPIRED",
        "FAILED_PRECONDITION:LIFE_CYCLE",
        "FAILED_PRECONDITION:TOO_EARLY",
        "FAILED_PRECONDITION:TOO_LATE",
        "FAILED_PRECONDITION:BAY_OCCUPIED",
        "ABORTED:BAY_TAKEN",
    },
    "check_out": {"FAILED_PRECONDITION:HOLD_EXPIRED", "FAILED_PRECONDITION:LIFE_CYCLE"},
    "cancel": {
        "FAILED_PRECONDITION:HOLD_EXPIRED",
        "FAILED_PRECONDITION:LIFE_CYCLE",
        "FAILED_PRECONDITION:TOO_LATE",
    },
}


FITTING = {
    "confirm": {Status.HELD},
    "check_in": {Status.CONFIRMED},
    "check_out": STAYING,
    "cancel": {Status.HELD, Status.CONFIRMED},
}


class World(Protocol):
    """Some bays, their owner, a vehicle, and a clock."""

    @property
    def now(self) -> datetime: ...
    @property
    def bay_ids(self) -> Sequence[str]: ...
    @property
    def owner_id(self) -> UUID: ...
    @property
    def vehicle_id(self) -> UUID: ...

    def ask(self, call: Call) -> Answer: ...
    def move(self, by: timedelta) -> None: ...
    def sense(self, bay_id: str, occupied: bool) -> None: ...
    def put_in_service(self, bay_id: str, in_service: bool) -> None: ...
    def sweep(self) -> None: ...
    def rows(self) -> list[Booking]: ...
    def balances(self) -> Mapping[str, int]: ...
    def end(self) -> None: ...


class Story(RuleBasedStateMachine):
    """`begin` makes a new world for each story."""

    begin: Callable[[], World]

    def __init__(self) -> None:
        super().__init__()
        self.world = type(self).begin()
        self.calls: list[Call] = []
        self.revisions: dict[UUID, int] = {}
        self.seen: list[Booking] = []

    def ask(self, call: Call) -> Answer:
        before = self.world.rows()
        answer = self.world.ask(call)
        if isinstance(answer, str):
            assert answer in REFUSALS[call.act], (call, answer)
            assert _is_true(answer, call, before, self.world.now), (call, answer, before)
            assert self.world.rows() == before, "a refusal leaves everything as it was"
        self.calls.append(call)
        return answer

    def _interval(self, starts: int, length: int, odd: int) -> Interval:
        """On a grid of five minutes, so that intervals often touch; some just beside it."""
        since_hour = timedelta(minutes=self.world.now.minute % 5, seconds=self.world.now.second)
        starts_at = self.world.now - since_hour + starts * _GRID + timedelta(microseconds=odd)
        return Interval(starts_at, starts_at + (length + 2) * _GRID)

    def _known(self) -> list[Booking]:
        """Newest last."""
        return sorted(self.world.rows(), key=lambda booking: (booking.held_at, booking.booking_id))

    @rule(
        bay=st.integers(0, 1),
        starts=st.integers(-1, 12),
        length=st.integers(0, 10),
        odd=st.sampled_from([0, 0, 0, -1, 1]),
        act=st.sampled_from(["hold", "hold", "hold", "hold", "keep", "keep", "rob"]),
    )
    def claim(self, bay: int, starts: int, length: int, odd: int, act: str) -> None:
        bay_id = self.world.bay_ids[bay]
        who = {"hold": self.world.vehicle_id, "keep": self.world.owner_id, "rob": UUID(int=9)}[act]
        interval = self._interval(starts, length, odd)
        asked = "keep" if act == "rob" else act
        answer = self.ask(Call(uuid4(), asked, bay_id=bay_id, interval=interval, who=who))
        assert act != "rob" or isinstance(answer, str)

    @rule(which=st.integers(0, 3), act=st.sampled_from(sorted(FITTING)))
    def step(self, which: int, act: str) -> None:
        """On a booking that it may be meant for, if there is one."""
        fitting = [row for row in self._known() if row.status in FITTING[act]]
        if fitting:
            self.ask(Call(uuid4(), act, booking_id=fitting[-1 - which % len(fitting)].booking_id))

    @rule(which=st.integers(0, 20), act=st.sampled_from(sorted(FITTING)))
    def stray(self, which: int, act: str) -> None:
        """On any booking."""
        known = self._known()
        if known:
            self.ask(Call(uuid4(), act, booking_id=known[-1 - which % len(known)].booking_id))

    @rule(bay=st.integers(0, 1), starts=st.integers(0, 4))
    def take(self, bay: int, starts: int) -> None:
        """A stay from the hold to the check-in in time, as far as it is let."""
        interval, bay_id = self._interval(starts, 2, 0), self.world.bay_ids[bay]
        held = self.ask(
            Call(uuid4(), "hold", bay_id=bay_id, interval=interval, who=self.world.vehicle_id)
        )
        if isinstance(held, str):
            return
        self.ask(Call(uuid4(), "confirm", booking_id=held.booking_id))
        self.world.move(max(interval.starts_at - self.world.now, timedelta(0)))
        self.ask(Call(uuid4(), "check_in", booking_id=held.booking_id))

    @rule(
        which=st.integers(0, 1),
        minutes=st.sampled_from([-1, 0, 1, 4, 5, 30]),
        seen=st.sampled_from(["nothing", "leaves", "leaves", "stays", "another"]),
        swept=st.booleans(),
    )
    def linger(self, which: int, minutes: int, seen: str, swept: bool) -> None:
        """A car that is checked in, around its end, with or without a sensor."""
        staying = [row for row in self._known() if row.status in STAYING]
        if not staying:
            return
        car = staying[-1 - which % len(staying)]
        if seen == "stays":
            self.world.sense(car.bay_id, True)
        until = car.interval.ends_at + timedelta(minutes=minutes)
        self.world.move(max(until - self.world.now, timedelta(0)))
        if seen in ("leaves", "another"):
            self.world.sense(car.bay_id, seen == "another")
        if swept:
            self.world.sweep()

    @precondition(lambda self: self.calls)
    @rule(which=st.integers(0, 10))
    def again(self, which: int) -> None:
        """A client that has not heard the answer."""
        call = self.calls[-1 - which % len(self.calls)]
        first, rows = self.world.ask(call), self.world.rows()
        if not isinstance(first, str):
            assert self.world.ask(call) == first
            assert self.world.rows() == rows

    @rule(minutes=st.sampled_from([1, 3, 5, 6, 6, 10, 10, 15, 20, 60, 1500]), swept=st.booleans())
    def wait(self, minutes: int, swept: bool) -> None:
        self.world.move(timedelta(minutes=minutes))
        if swept:
            self.world.sweep()

    @rule(bay=st.integers(0, 1), occupied=st.booleans())
    def sense(self, bay: int, occupied: bool) -> None:
        self.world.sense(self.world.bay_ids[bay], occupied)

    @rule(bay=st.integers(0, 1), in_service=st.sampled_from([True, True, True, False]))
    def serve(self, bay: int, in_service: bool) -> None:
        self.world.put_in_service(self.world.bay_ids[bay], in_service)

    @invariant()
    def holds(self) -> None:
        rows = self.world.rows()
        no_two_claims(rows)
        one_car(rows)
        for booking in rows:
            known = self.revisions.get(booking.booking_id, 0)
            assert known <= booking.revision
            self.revisions[booking.booking_id] = booking.revision
        balances = self.world.balances()
        assert sum(balances.values()) == 0
        assert -balances.get(PREPAID, 0) == prepaid_of(rows)

    def teardown(self) -> None:
        self.world.end()


def no_two_claims(bookings: Iterable[Booking]) -> None:
    """By its own arithmetic, not the department's."""
    by_bay: dict[str, list[tuple[float, float]]] = {}
    for booking in bookings:
        if str(booking.status) in ("HELD", "CONFIRMED", "OCCUPIED"):
            span = (booking.interval.starts_at.timestamp(), booking.interval.ends_at.timestamp())
            by_bay.setdefault(booking.bay_id, []).append(span)
    for spans in by_bay.values():
        for (_, end), (start, _) in itertools.pairwise(sorted(spans)):
            assert end <= start, "two live claims on one bay"


def one_car(bookings: Iterable[Booking]) -> None:
    """No bay has two cars checked in."""
    cars = Counter(booking.bay_id for booking in bookings if booking.status in STAYING)
    assert all(count == 1 for count in cars.values()), cars


def without_gap(history: Iterable[Booking]) -> None:
    """Every revision of every booking from 1 on, each once, in order."""
    revisions: dict[UUID, list[int]] = {}
    for booking in history:
        revisions.setdefault(booking.booking_id, []).append(booking.revision)
    for numbers in revisions.values():
        assert numbers == list(range(1, len(numbers) + 1))


def _is_true(answer: str, call: Call, rows: Sequence[Booking], now: datetime) -> bool:
    """Whether the reason is what one sees in the rows."""
    subject = next((row for row in rows if row.booking_id == call.booking_id), None)
    word = answer.partition(":")[2]
    if word == "BAY_TAKEN":
        bay_id = subject.bay_id if subject else call.bay_id
        wanted = Interval(now, subject.interval.starts_at) if subject else call.interval
        assert wanted is not None
        return any(
            row.bay_id == bay_id
            and row.booking_id != call.booking_id
            and row.status in LIVE
            and not (row.status is Status.HELD and row.hold_expires_at <= now)
            and (
                _overlap(row.interval, wanted)
                or (row.status is Status.OCCUPIED and now < row.interval.starts_at)
            )
            for row in rows
        )
    if word == "BAY_OCCUPIED":
        bay_id = subject.bay_id if subject else call.bay_id
        return any(
            row.bay_id == bay_id and row.status in STAYING and row.interval.ends_at <= now
            for row in rows
        )
    if word == "HOLD_EXPIRED":
        assert subject is not None
        return subject.hold_expires_at <= now
    if word == "LIFE_CYCLE":
        assert subject is not None
        return subject.owners or subject.status not in FITTING[call.act]
    return True


def _overlap(one: Interval, other: Interval) -> bool:
    """Half-open: touching is not overlapping."""
    later = max(one.starts_at, other.starts_at)
    return later < min(one.ends_at, other.ends_at)
