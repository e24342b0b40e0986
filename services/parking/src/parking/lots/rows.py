"""How hours, fees and windows stand in the tables: JSON, as the migration describes it.

Bays of a lot have most of it in common and a search reads hundreds, so each text is read once.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from parking.interval import Interval
from parking.lots.availability import Availability, WeeklyWindow, WindowException
from parking.lots.fees import FeeKind, FeeSchedule
from parking.lots.hours import DayKind, Hours, OperatingHours

_KEPT = 4_096


@lru_cache(_KEPT)
def hours(stored: str) -> OperatingHours:
    read = json.loads(stored)
    return OperatingHours(**{kind: _hours(read[kind]) for kind in DayKind})


def _hours(stored: Sequence[int] | None) -> Hours | None:
    return None if stored is None else Hours(*stored)


def hours_json(given: OperatingHours) -> dict[str, list[int] | None]:
    return {
        kind: None if hours is None else [hours.start_minute, hours.end_minute]
        for kind, hours in ((kind, getattr(given, kind)) for kind in DayKind)
    }


@lru_cache(_KEPT)
def fees(stored: str, unit_fee_won: int | None = None) -> FeeSchedule:
    """`unit_fee_won` is the owner's price, in place of the lot's."""
    read = json.loads(stored)
    if unit_fee_won is not None:
        read["unit_fee_won"] = unit_fee_won
    return FeeSchedule(**{**read, "kind": FeeKind(read["kind"])})


def fees_json(given: FeeSchedule) -> dict[str, Any]:
    return asdict(given)


@lru_cache(_KEPT)
def availability(windows: str, exceptions: str) -> Availability:
    return Availability(
        tuple(
            WeeklyWindow(weekday, Hours(start, end)) for weekday, start, end in json.loads(windows)
        ),
        tuple(
            WindowException(Interval(_moment(starts_at), _moment(ends_at)), offered)
            for starts_at, ends_at, offered in json.loads(exceptions)
        ),
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def windows_json(given: Availability) -> list[list[int]]:
    return [
        [window.iso_weekday, window.hours.start_minute, window.hours.end_minute]
        for window in given.windows
    ]


def exceptions_json(given: Availability) -> list[list[Any]]:
    return [
        [
            exception.interval.starts_at.isoformat(),
            exception.interval.ends_at.isoformat(),
            exception.offered,
        ]
        for exception in given.exceptions
    ]
