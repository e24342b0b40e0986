"""What a bay's sensor says, and since when."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Reading:
    """Whether a car stood there at observed_at, aware UTC."""

    sensor_id: str
    occupied: bool
    observed_at: datetime


@dataclass(frozen=True, slots=True)
class Seen:
    """By the readings' own times: heard_at is the newest, since the first that said the same."""

    sensor_id: str
    occupied: bool
    since: datetime
    heard_at: datetime


def heard(before: Seen | None, reading: Reading) -> Seen:
    """After one more reading; `before` itself when the reading is not newer."""
    at = reading.observed_at
    if before is None:
        return Seen(reading.sensor_id, reading.occupied, at, at)
    if at <= before.heard_at:
        return before
    since = before.since if before.occupied is reading.occupied else at
    return Seen(reading.sensor_id, reading.occupied, since, at)
