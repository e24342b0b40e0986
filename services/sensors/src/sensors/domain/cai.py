"""The Korean Comprehensive Air-quality Index (CAI, 통합대기환경지수)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from sensors.domain.pollutant import (
    POLLUTANTS,
    SCALES,
    Pollutant,
    divide_half_up,
    millionths,
    round_to,
)

# AirKorea's break points since March 2018.
RULE_VERSION = "cai-2018-03"
MAX_INDEX = 500
HISTORY_HOURS = 12
_RECENT_HOURS = 4
_MIN_HISTORY, _MIN_RECENT = 9, 3


class Grade(StrEnum):
    """좋음, 보통, 나쁨, 매우나쁨."""

    UNKNOWN = "UNKNOWN"
    GOOD = "GOOD"
    MODERATE = "MODERATE"
    BAD = "BAD"
    VERY_BAD = "VERY_BAD"

    __hash__ = str.__hash__  # as a Pollutant's


class _Band(NamedTuple):
    grade: Grade
    index_low: int
    index_high: int
    low: int
    high: int


_BANDS = (
    (Grade.GOOD, 0, 50),
    (Grade.MODERATE, 51, 100),
    (Grade.BAD, 101, 250),
    (Grade.VERY_BAD, 251, MAX_INDEX),
)
_UPPER_ENDS: Mapping[Pollutant, tuple[str, str, str, str]] = {
    Pollutant.PM10: ("30", "80", "150", "600"),
    Pollutant.PM25: ("15", "35", "75", "500"),
    Pollutant.O3: ("0.030", "0.090", "0.150", "0.600"),
    Pollutant.NO2: ("0.030", "0.060", "0.200", "2"),
    Pollutant.CO: ("2", "9", "15", "50"),
    Pollutant.SO2: ("0.020", "0.050", "0.150", "1"),
}


def _table(pollutant: Pollutant) -> tuple[_Band, ...]:
    """A band begins one index_step above the end of the one below."""
    bands, low = [], 0
    for (grade, index_low, index_high), end in zip(_BANDS, _UPPER_ENDS[pollutant], strict=True):
        bands.append(_Band(grade, index_low, index_high, low, millionths(end)))
        low = millionths(end) + SCALES[pollutant].index_step
    return tuple(bands)


TABLES: Mapping[Pollutant, tuple[_Band, ...]] = {
    pollutant: _table(pollutant) for pollutant in Pollutant
}
# From here on an hour is damped in C4.
_DAMPED_FROM: Mapping[Pollutant, int] = {
    Pollutant.PM10: millionths("70"),
    Pollutant.PM25: millionths("30"),
}


@dataclass(frozen=True, slots=True)
class SubIndex:
    """concentration is what the index was computed from, at the resolution of the break points."""

    concentration: int
    index: int
    grade: Grade


def sub_index(pollutant: Pollutant, concentration: int) -> SubIndex:
    """The sub-index of a concentration (millionths), 0 to 500; above the table it stays 500.

    The concentration is first rounded to the table's resolution, so that it lies in one band. The
    index is rounded to one decimal and then to a whole number, halves up: so the published 66.5
    of PM2.5 22 µg/m³ (exactly 66.47) is 67.
    """
    return _of_rounded(pollutant, round_to(concentration, SCALES[pollutant].index_step))


# As many as the pollutants have between nothing and the most that air can hold.
@lru_cache(maxsize=sum(scale.highest // scale.index_step + 1 for scale in SCALES.values()))
def _of_rounded(pollutant: Pollutant, rounded: int) -> SubIndex:
    for band in TABLES[pollutant]:
        if rounded <= band.high:
            break
    else:
        return SubIndex(rounded, MAX_INDEX, Grade.VERY_BAD)
    tenths = 10 * band.index_low + divide_half_up(
        10 * (band.index_high - band.index_low) * (rounded - band.low), band.high - band.low
    )
    return SubIndex(rounded, divide_half_up(tenths, 10), band.grade)


def predicted_day(pollutant: Pollutant, hours: Sequence[int | None]) -> int | None:
    """C24E, the 24-hour prediction of a particulate: (12·C12 + 12·C4) / 24.

    hours: the last twelve hourly means, oldest first, None where there is no valid one. Returns
    None with fewer than nine of them, or fewer than three of the last four.
    """
    if len(hours) != HISTORY_HOURS:
        raise ValueError(f"hours: expected {HISTORY_HOURS}, got {len(hours)}")
    known = [hour for hour in hours if hour is not None]
    recent = [hour for hour in hours[-_RECENT_HOURS:] if hour is not None]
    if len(known) < _MIN_HISTORY or len(recent) < _MIN_RECENT:
        return None
    total, count = sum(known), len(known)
    quarters = sum(_adjusted_quarters(pollutant, hour, total, count) for hour in recent)
    return divide_half_up(4 * len(recent) * total + count * quarters, 8 * count * len(recent))


def _adjusted_quarters(pollutant: Pollutant, hour: int, total: int, count: int) -> int:
    """Four times the adjusted hour: 0.75·C where C ≥ M and 0.9 ≤ C/C12 ≤ 1.7, else C."""
    damped = hour >= _DAMPED_FROM[pollutant] and 9 * total <= 10 * hour * count <= 17 * total
    return 3 * hour if damped else 4 * hour


class PollutantIndex(NamedTuple):
    """One pollutant of an hour; sub_index is None when too few hours are known."""

    pollutant: Pollutant
    hourly_mean: int
    sub_index: SubIndex | None


@dataclass(frozen=True, slots=True)
class Assessment:
    """An hour. index is None when no pollutant could be assessed."""

    index: int | None
    grade: Grade
    dominant: Pollutant | None
    pollutants: tuple[PollutantIndex, ...]


def assess(hours: Sequence[Mapping[Pollutant, int]]) -> Assessment:
    """The index of the last of twelve hours, oldest first; each holds its valid means.

    The overall index is the largest sub-index; of equal ones the pollutant named first rules.
    """
    pollutants = tuple(
        PollutantIndex(pollutant, mean, _assess_one(pollutant, mean, hours))
        for pollutant in POLLUTANTS
        if (mean := hours[-1].get(pollutant)) is not None
    )
    best: tuple[Pollutant, SubIndex] | None = None
    for assessed in pollutants:
        found = assessed.sub_index
        if found is not None and (best is None or found.index > best[1].index):
            best = (assessed.pollutant, found)
    if best is None:
        return Assessment(None, Grade.UNKNOWN, None, pollutants)
    return Assessment(best[1].index, best[1].grade, best[0], pollutants)


def _assess_one(
    pollutant: Pollutant, mean: int, hours: Sequence[Mapping[Pollutant, int]]
) -> SubIndex | None:
    if pollutant not in _DAMPED_FROM:
        return sub_index(pollutant, mean)
    predicted = predicted_day(pollutant, [hour.get(pollutant) for hour in hours])
    return None if predicted is None else sub_index(pollutant, predicted)
