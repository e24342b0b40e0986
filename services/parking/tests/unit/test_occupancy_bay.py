"""What a sensor says since when, and what a bay is by its sensor and bookings."""

from datetime import datetime
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parking.bookings.booking import Booking, Status
from parking.occupancy.sensor import Reading, Seen, heard
from parking.occupancy.status import BayStatus, status_of

from .occupancy_cases import at, booking, owners, reading, seen

NOW = at(10)
FREE, RESERVED, OCCUPIED, OUT_OF_SERVICE = BayStatus
CAR, NO_CAR = seen(True, 5), seen(False, 5)
ALL = list(Status)


def after(readings: list[Reading]) -> Seen | None:
    known = None
    for one in readings:
        known = heard(known, one)
    return known


def test_since_the_first_of_those_that_say_the_same() -> None:
    said = [reading(0, False), reading(1, True), reading(2, True), reading(3, True)]
    assert after(said) == Seen("sensor-1", True, at(1), at(3))
    assert after([*said, reading(4, False)]) == Seen("sensor-1", False, at(4), at(4))


def test_older_and_repeated_readings_change_nothing() -> None:
    known = seen(True, 5, 7)
    for minutes in (0, 5, 6, 7):
        assert heard(known, reading(minutes, False)) is known
        assert heard(known, reading(minutes, True)) is known


READINGS = st.dictionaries(st.integers(0, 60), st.booleans(), min_size=1, max_size=30)


@given(READINGS, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_in_whatever_order_they_come_the_newest_decides(
    said: dict[int, bool], chance: Random
) -> None:
    twice = [reading(minutes, occupied) for minutes, occupied in said.items()] * 2
    chance.shuffle(twice)
    known = after(twice)
    assert known is not None
    assert (known.heard_at, known.occupied) == (at(max(said)), said[max(said)])
    assert known.since <= known.heard_at


@given(READINGS)
@settings(deadline=None)
def test_in_order_nothing_said_otherwise_since(said: dict[int, bool]) -> None:
    known = after([reading(minutes, occupied) for minutes, occupied in sorted(said.items())])
    assert known is not None
    others = [minutes for minutes, occupied in said.items() if occupied is not known.occupied]
    same = [minutes for minutes in said if minutes > max([-1, *others])]
    assert known.since == at(min(same))


TABLE = [
    # in service, sensor, bookings, status
    (True, None, [], FREE),
    (True, NO_CAR, [], FREE),
    (True, CAR, [], OCCUPIED),
    (False, None, [], OUT_OF_SERVICE),
    (False, CAR, [booking(Status.OCCUPIED, 0, 60)], OUT_OF_SERVICE),
    (True, None, [booking(Status.HELD, 0, 60)], RESERVED),
    (True, None, [booking(Status.CONFIRMED, 0, 60)], RESERVED),
    (True, None, [owners(Status.CONFIRMED, 0, 60)], RESERVED),
    (True, None, [booking(Status.OCCUPIED, 0, 60)], OCCUPIED),
    (True, None, [booking(Status.OVERSTAYED, -60, 0)], OCCUPIED),
    (True, CAR, [booking(Status.CONFIRMED, 0, 60)], OCCUPIED),
    (True, NO_CAR, [booking(Status.CONFIRMED, 0, 60)], RESERVED),
    (True, NO_CAR, [booking(Status.OCCUPIED, 0, 60)], RESERVED),
    (True, NO_CAR, [booking(Status.OVERSTAYED, -60, 0)], FREE),
    (
        True,
        NO_CAR,
        [booking(Status.OVERSTAYED, -60, 0), booking(Status.CONFIRMED, 0, 60, "b")],
        RESERVED,
    ),
    # Half-open: the interval's end is no longer its own.
    (True, None, [booking(Status.CONFIRMED, 0, 10)], FREE),
    (True, None, [booking(Status.CONFIRMED, 10, 20)], RESERVED),
    (True, None, [booking(Status.CONFIRMED, 11, 20)], FREE),
    (True, NO_CAR, [booking(Status.OCCUPIED, 0, 10)], FREE),
    # Checked in early.
    (True, None, [booking(Status.OCCUPIED, 15, 20)], OCCUPIED),
]


@pytest.mark.parametrize(("in_service", "said", "bookings", "expected"), TABLE)
def test_status(
    in_service: bool, said: Seen | None, bookings: list[Booking], expected: BayStatus
) -> None:
    assert status_of(in_service, said, bookings, NOW) is expected


BOOKINGS = st.lists(
    st.builds(
        lambda status, start, length: booking(status, start, start + length),
        st.sampled_from(ALL),
        st.integers(-30, 30),
        st.integers(1, 60),
    ),
    max_size=4,
)


def oracle(in_service: bool, car: bool | None, bookings: list[Booking], now: datetime) -> str:
    """The rule in words, one condition after the other."""
    checked_in = {"OCCUPIED", "OVERSTAYED"}
    if not in_service:
        return "OUT_OF_SERVICE"
    if car is True:
        return "OCCUPIED"
    if car is None and checked_in & {one.status.value for one in bookings}:
        return "OCCUPIED"
    for one in bookings:
        begun = one.interval.starts_at <= now
        over = one.interval.ends_at <= now
        if begun and not over and one.status.value in ("HELD", "CONFIRMED", "OCCUPIED"):
            return "RESERVED"
    return "FREE"


@given(st.booleans(), st.sampled_from([None, True, False]), BOOKINGS, st.integers(-30, 90))
@settings(deadline=None)
def test_status_is_as_the_rule_says(
    in_service: bool, car: bool | None, bookings: list[Booking], minutes: int
) -> None:
    said = None if car is None else seen(car, 0)
    now = at(minutes)
    assert status_of(in_service, said, bookings, now) == oracle(in_service, car, bookings, now)
