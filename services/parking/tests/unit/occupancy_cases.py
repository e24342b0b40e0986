"""Bays, bookings and moments that the tests of occupancy speak of."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from city_backbone.geo import Point
from parking.bookings.booking import Booking, Status
from parking.interval import Interval
from parking.lots.availability import Availability, WindowException
from parking.lots.fees import FeeKind, FeeSchedule
from parking.lots.hours import ALWAYS
from parking.lots.terms import LotKind, Terms
from parking.occupancy.sensor import Reading, Seen

START = datetime(2026, 11, 22, tzinfo=UTC)
NAMESPACE = UUID(int=1)
VEHICLE = UUID(int=2)
OWNER = UUID(int=3)


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def span(start: float, end: float) -> Interval:
    return Interval(at(start), at(end))


def reading(minutes: float, occupied: bool) -> Reading:
    return Reading("sensor-1", occupied, at(minutes))


def seen(occupied: bool, since: float, heard_at: float | None = None) -> Seen:
    return Seen("sensor-1", occupied, at(since), at(since if heard_at is None else heard_at))


def terms(kind: LotKind = LotKind.SHARED, *offered: Interval, in_service: bool = True) -> Terms:
    """Of an alley's bay offered within these, or of a public one."""
    return Terms(
        bay_id="bay-1",
        lot_id="lot-1",
        lot_kind=kind,
        scheme="bucheon",
        operator="마을주차협동조합",
        district="부천시",
        owner_id=OWNER if kind is LotKind.SHARED else None,
        position=Point(37.5239, 126.7877),
        in_service=in_service,
        hours=ALWAYS,
        fees=FeeSchedule(FeeKind.METERED, 0, 0, 10, 200),
        availability=Availability(exceptions=[WindowException(part, True) for part in offered]),
    )


def name(label: str) -> UUID:
    """The id of the booking that a test calls so."""
    return uuid5(NAMESPACE, label)


def booking(status: Status, start: float, end: float, label: str = "a", **changes: Any) -> Booking:
    """Of a guest; the moments that its status implies are at its start."""
    paid = status not in (Status.HELD, Status.EXPIRED)
    came = status in (Status.OCCUPIED, Status.OVERSTAYED, Status.SETTLED)
    fields: dict[str, Any] = {
        "booking_id": name(label),
        "bay_id": "bay-1",
        "lot_id": "lot-1",
        "vehicle_id": VEHICLE,
        "owners": False,
        "interval": span(start, end),
        "status": status,
        "price_won": 1200,
        "held_at": at(start - 30),
        "hold_expires_at": at(start - 25),
        "confirmed_at": at(start - 28) if paid else None,
        "checked_in_at": at(start) if came else None,
        "checked_out_at": at(end) if status is Status.SETTLED else None,
        "changed_at": at(end if status is Status.SETTLED else start),
    }
    return Booking(**{**fields, **changes})


def owners(status: Status, start: float, end: float, label: str = "own") -> Booking:
    """The owner's own claim."""
    return booking(
        status,
        start,
        end,
        label,
        owners=True,
        vehicle_id=None,
        checked_in_at=None,
        held_at=at(start - 28),
    )
