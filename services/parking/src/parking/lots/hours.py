"""On which days, and when, a lot is operated: fees run only then."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum, auto
from functools import lru_cache

import holidays
import holidays.countries.south_korea  # else it is looked for, 0.1 s, in the first call that asks

from parking.clock import SEOUL
from parking.interval import Interval

MINUTES_OF_DAY = 1_440


class DayKind(StrEnum):
    """The data set's three kinds of day: 평일, 토요일, 공휴일."""

    WEEKDAY = auto()
    SATURDAY = auto()
    HOLIDAY = auto()


@dataclass(frozen=True, slots=True)
class Hours:
    """Minutes after midnight in Seoul, 0 to 1,440, start before end; else raises ValueError."""

    start_minute: int
    end_minute: int

    def __post_init__(self) -> None:
        if not 0 <= self.start_minute < self.end_minute <= MINUTES_OF_DAY:
            raise ValueError("expected 0 to 1,440 minutes, the start before the end")


@dataclass(frozen=True, slots=True)
class OperatingHours:
    """None: not operated on such days."""

    weekday: Hours | None
    saturday: Hours | None
    holiday: Hours | None

    def on(self, day: date) -> Hours | None:
        match day_kind(day):
            case DayKind.WEEKDAY:
                return self.weekday
            case DayKind.SATURDAY:
                return self.saturday
            case DayKind.HOLIDAY:
                return self.holiday

    def charged(self, day: date, stay: Interval) -> timedelta:
        """How much of the stay lies in the hours of `day`, a calendar day in Seoul."""
        hours = self.on(day)
        if hours is None:
            return timedelta(0)
        starts_at = max(stay.starts_at, minute_of(day, hours.start_minute))
        ends_at = min(stay.ends_at, minute_of(day, hours.end_minute))
        return max(ends_at - starts_at, timedelta(0))


ALWAYS = OperatingHours(*(Hours(0, MINUTES_OF_DAY),) * 3)


def day_kind(day: date) -> DayKind:
    """Sundays and public holidays (관공서의 공휴일에 관한 규정, with substitutes) are holidays."""
    if day.isoweekday() == 7 or day in _public_holidays(day.year):
        return DayKind.HOLIDAY
    return DayKind.SATURDAY if day.isoweekday() == 6 else DayKind.WEEKDAY


@lru_cache(maxsize=16)
def _public_holidays(year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays("KR", years=year, categories=("public",)))


@lru_cache(maxsize=4_096)
def minute_of(day: date, minute: int) -> datetime:
    """So many minutes after midnight of `day` in Seoul; 1,440 is the next midnight."""
    return datetime.combine(day, time.min, SEOUL).astimezone(UTC) + timedelta(minutes=minute)
