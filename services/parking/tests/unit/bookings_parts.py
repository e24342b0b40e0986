"""An alley's bay, its rule and its bookings at any minute, for tests that touch no database."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from city_backbone.geo import Point
from parking.bookings.bay import Bay, Sight
from parking.bookings.booking import Booking, hold, keep
from parking.bookings.limits import limits
from parking.bookings.tariff import Tariff
from parking.interval import Interval
from parking.ledger.split import Party, RefundStep, SplitRule
from parking.lots.availability import Availability, WeeklyWindow
from parking.lots.fees import FeeKind, FeeSchedule
from parking.lots.hours import ALWAYS, Hours
from parking.lots.terms import LotKind, Terms
from parking.settings import BookingSettings

OWNER, VEHICLE = UUID(int=1), UUID(int=2)
NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)  # Tuesday, 10:00 in Seoul
RULES = [
    SplitRule(
        scheme="alley",
        valid_from=date(2020, 1, 1),
        owner_percent=50,
        operator_percent=30,
        district_percent=20,
        remainder_to=Party.OWNER,
        refunds=(RefundStep(30, 100), RefundStep(10, 33)),
        overstay_percent=150,
    ),
]
DAILY = Availability(tuple(WeeklyWindow(day, Hours(0, 1380)) for day in range(1, 8)))
BAY = Terms(
    bay_id="alley-1",
    lot_id="alley",
    lot_kind=LotKind.SHARED,
    scheme="alley",
    operator="company",
    district="bucheon",
    owner_id=OWNER,
    position=Point(37.5, 126.8),
    in_service=True,
    hours=ALWAYS,
    fees=FeeSchedule(FeeKind.METERED, 0, 0, 10, 331, day_pass_won=5000),
    availability=DAILY,
)
LIMITS = limits(BookingSettings(hold_seconds=360))
TARIFF = Tariff(BAY, {date(2026, 11, 24): RULES[0]}, LIMITS.grace)
ID, OTHER = UUID(int=7), UUID(int=8)
MOMENT = timedelta(microseconds=1)


def at(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def span(start: float, end: float) -> Interval:
    return Interval(at(start), at(end))


def held(start: float = 60, end: float = 120, booking_id: UUID = ID) -> Booking:
    """At minute 0, until minute 6: of ten minutes 331 won each."""
    interval = span(start, end)
    price_won = BAY.price_won(interval)
    return hold(booking_id, BAY.bay_id, BAY.lot_id, VEHICLE, interval, price_won, NOW, LIMITS)


def paid(start: float = 60, end: float = 120, booking_id: UUID = ID) -> Booking:
    return held(start, end, booking_id).confirm("pg", at(1))


def parked(start: float = 60, end: float = 120, booking_id: UUID = OTHER) -> Booking:
    return paid(start, end, booking_id).check_in(at(start), LIMITS)


def overstayed(start: float = 60, end: float = 120) -> Booking:
    return parked(start, end).pass_on(at(end + 5), LIMITS)


def kept(start: float = 60, end: float = 120, booking_id: UUID = OTHER) -> Booking:
    return keep(booking_id, BAY.bay_id, BAY.lot_id, span(start, end), NOW)


def bay(
    minute: float,
    *claims: Booking,
    empty: float | None = None,
    occupied: float | None = None,
    in_service: bool = True,
) -> Bay:
    sight = Sight(None if empty is None else at(empty), None if occupied is None else at(occupied))
    tariff = replace(TARIFF, terms=replace(BAY, in_service=in_service))
    return Bay(claims, tariff, sight, LIMITS, at(minute))


def claim(known: Bay, start: float, end: float) -> Sequence[Booking]:
    return known.hold(UUID(int=9), VEHICLE, span(start, end))


def block(known: Bay, start: float, end: float, owner_id: UUID = OWNER) -> Sequence[Booking]:
    return known.keep(UUID(int=9), owner_id, span(start, end))


def cancelled(booking: Booking, minute: float, **seen: Any) -> Sequence[Booking]:
    return bay(minute, booking, **seen).cancel(booking)
