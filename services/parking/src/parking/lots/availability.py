"""When an owner lends the bay."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from parking.clock import seoul_day
from parking.interval import Interval
from parking.lots.hours import Hours, minute_of


@dataclass(frozen=True, slots=True)
class WeeklyWindow:
    """Each week; iso_weekday: 1 is Monday."""

    iso_weekday: int
    hours: Hours


@dataclass(frozen=True, slots=True)
class WindowException:
    """Once: lent, or not lent, whatever the week says."""

    interval: Interval
    offered: bool


@dataclass(frozen=True, slots=True)
class Availability:
    """The week, and the exceptions to it: of two, the later in the list is stronger."""

    windows: Sequence[WeeklyWindow] = ()
    exceptions: Sequence[WindowException] = ()

    def offered(self, interval: Interval) -> bool:
        """Whether the bay is lent at every moment of the interval.

        Windows that touch join, also over midnight.
        """
        open_parts = [interval]
        for exception in reversed(self.exceptions):
            if not exception.offered and any(exception.interval.overlaps(p) for p in open_parts):
                return False
            open_parts = [
                rest for part in open_parts for rest in _without(part, exception.interval)
            ]
        return all(self._in_windows(part) for part in open_parts)

    def _in_windows(self, part: Interval) -> bool:
        reached = part.starts_at
        for window in self._windows_around(part):
            if window.starts_at > reached:
                return False
            reached = max(reached, window.ends_at)
            if reached >= part.ends_at:
                return True
        return False

    def _windows_around(self, part: Interval) -> Iterator[Interval]:
        """Those that end after its start, in order, as long as it goes on."""
        ordered = sorted(self.windows, key=lambda one: one.hours.start_minute)
        for day in _days(part):
            for window in ordered:
                if window.iso_weekday == day.isoweekday():
                    found = _on(day, window.hours)
                    if found.ends_at > part.starts_at:
                        yield found


def _on(day: date, hours: Hours) -> Interval:
    return Interval(minute_of(day, hours.start_minute), minute_of(day, hours.end_minute))


def _days(part: Interval) -> Iterable[date]:
    """The calendar days in Seoul that it touches."""
    day = seoul_day(part.starts_at)
    while minute_of(day, 0) < part.ends_at:
        yield day
        day += timedelta(days=1)


def _without(part: Interval, taken: Interval) -> Iterator[Interval]:
    """What is left of it, in at most two pieces."""
    if not part.overlaps(taken):
        yield part
        return
    if part.starts_at < taken.starts_at:
        yield Interval(part.starts_at, taken.starts_at)
    if taken.ends_at < part.ends_at:
        yield Interval(taken.ends_at, part.ends_at)
