"""A disagreement that lasted: what was known of it, and what a person decided."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from parking.bookings.booking import Booking, Status
from parking.occupancy.disagreement import Kind
from parking.occupancy.sensor import Reading


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was known when; source is sensor:<id> or booking:<id>."""

    at: datetime
    source: str
    said: str


def evidence(readings: Sequence[Reading], bookings: Sequence[Booking]) -> tuple[Evidence, ...]:
    """In order of time. Nothing of vehicles and owners."""
    said = [
        Evidence(
            reading.observed_at,
            f"sensor:{reading.sensor_id}",
            "occupied" if reading.occupied else "free",
        )
        for reading in readings
    ]
    said += [
        Evidence(at, f"booking:{booking.booking_id}", status)
        for booking in bookings
        for status, at in _steps(booking)
    ]
    return tuple(sorted(said, key=lambda one: one.at))


def _steps(booking: Booking) -> list[tuple[Status, datetime]]:
    """The states it went through, as far as it remembers them."""
    steps = [
        (Status.HELD, None if booking.owners else booking.held_at),
        (Status.CONFIRMED, booking.confirmed_at),
        (Status.OCCUPIED, booking.checked_in_at),
    ]
    known = [(status, at) for status, at in steps if at is not None]
    if booking.status not in (status for status, _ in known):
        known.append((booking.status, booking.changed_at))
    return known


@dataclass(frozen=True, slots=True)
class Dispute:
    """A disagreement that lasted, and what a person decided; resolved_at None: it is open."""

    dispute_id: UUID
    kind: Kind
    bay_id: str
    lot_id: str
    booking_id: UUID | None
    since: datetime
    opened_at: datetime
    evidence: tuple[Evidence, ...]
    resolved_at: datetime | None = None
    resolved_by: str = ""
    resolution: str = ""
