"""What a bay is to those who look for one."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from city_backbone.geo import Point

from parking.bookings.booking import LIVE, STAYING, Booking
from parking.occupancy.sensor import Seen


class BayStatus(StrEnum):
    """As in parking.bay-status-changed.v1."""

    FREE = "FREE"
    RESERVED = "RESERVED"
    OCCUPIED = "OCCUPIED"
    OUT_OF_SERVICE = "OUT_OF_SERVICE"


def status_of(
    in_service: bool, seen: Seen | None, bookings: Iterable[Booking], now: datetime
) -> BayStatus:
    """The sensor decides whether a car stands there; without one, who is checked in.

    `bookings`: as bookings.store.current gives them. A car that is away while checked in leaves
    its bay reserved until its interval ends.
    """
    if not in_service:
        return BayStatus.OUT_OF_SERVICE
    known = list(bookings)
    if seen.occupied if seen else any(booking.status in STAYING for booking in known):
        return BayStatus.OCCUPIED
    if any(booking.status in LIVE and booking.interval.holds(now) for booking in known):
        return BayStatus.RESERVED
    return BayStatus.FREE


@dataclass(frozen=True, slots=True)
class BayState:
    """A bay as it was last told of; revision 0: nothing was told yet."""

    bay_id: str
    lot_id: str
    position: Point
    in_service: bool
    status: BayStatus
    revision: int
    changed_at: datetime | None
    judge_at: datetime | None
    seen: Seen | None
