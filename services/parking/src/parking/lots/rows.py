"""How hours, fees and windows stand in the tables: JSON, as the migration describes it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from parking.interval import Interval
from parking.lots.availability import Availability, WeeklyWindow, WindowException
from parking.lots.fees import FeeKind, FeeSchedule
from parking.lots.hours import DayKind, Hours, OperatingHours


def hours(stored: Mapping[str, Sequence[int] | None]) -> OperatingHours:
    return OperatingHours(**{kind: _hours(stored[kind]) for kind in DayKind})


def _hours(stored: Sequence[int] | None) -> Hours | None:
    return None if stored is None else Hours(*stored)


def hours_json(given: OperatingHours) -> dict[str, list[int] | None]:
    return {
        kind: None if hours is None else [hours.start_minute, hours.end_minute]
        for kind, hours in ((kind, getattr(given, kind)) for kind in DayKind)
    }


def fees(stored: Mapping[str, Any]) -> FeeSchedule:
    return FeeSchedule(**{**stored, "kind": FeeKind(stored["kind"])})


def fees_json(given: FeeSchedule) -> dict[str, Any]:
    return asdict(given)


def availability(
    windows: Sequence[Sequence[int]], exceptions: Sequence[Sequence[Any]]
) -> Availability:
    return Availability(
        tuple(WeeklyWindow(weekday, Hours(start, end)) for weekday, start, end in windows),
        tuple(
            WindowException(Interval(_moment(starts_at), _moment(ends_at)), offered)
            for starts_at, ends_at, offered in exceptions
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
