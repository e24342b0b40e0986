"""The city's air as ninety IoT stations report it: pure, and each value a function of the seed."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from functools import lru_cache

from loadtests.city.air import episodes
from loadtests.city.air.noise import drift
from loadtests.city.air.places import DONGS, Dong, moved
from loadtests.city.air.rates import (
    CUT_OFF,
    DONG_SPREAD,
    MALFORMED_SHARE,
    NOISE_SPREAD,
    OUT_OF_RANGE_VALUES,
    PARTICULATES,
    PATTERNS,
    PM_CORRELATION,
    PPB_PER_PPM,
    STATION_SPREAD,
    UNIT_MIX_UP_SHARE,
    Pollutant,
)
from loadtests.city.errors import SliceError
from loadtests.city.seeded import draws

STATIONS_PER_DONG = 10
INTERVAL = timedelta(minutes=10)

_STEP = int(INTERVAL.total_seconds())
_PER_HOUR = 3600 // _STEP
_SEOUL = timezone(timedelta(hours=9))
_RADIUS_METRES = 350.0
_GASES = tuple(p for p in Pollutant if p not in PARTICULATES)


class Fault(StrEnum):
    """What is wrong with a malformed reading."""

    OUT_OF_RANGE = "out of range"
    UNIT_MIX_UP = "unit mix-up"


@dataclass(frozen=True, slots=True)
class Station:
    """An IoT station of all pollutants; degrees north and east."""

    station_id: str
    name: str
    dong: Dong
    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class Reading:
    """What a station sends at `measured_at` (UTC, on a whole ten minutes).

    Values in the pollutant's unit. `fault` is the model's own knowledge, not sent; `faulty` is the
    pollutant that has it.
    """

    station_id: str
    measured_at: datetime
    values: Mapping[Pollutant, float]
    fault: Fault | None = None
    faulty: Pollutant | None = None


@lru_cache(maxsize=8)
def stations(seed: int) -> tuple[Station, ...]:
    """Nine dong with ten stations each, within 350 m of the dong's middle, in order of id."""
    found = []
    for dong in DONGS:
        for number in range(1, STATIONS_PER_DONG + 1):
            draw = draws(seed, "station", dong.slug, number)
            away, towards = _RADIUS_METRES * math.sqrt(draw.random()), draw.uniform(0, math.tau)
            latitude, longitude = moved(dong, away * math.cos(towards), away * math.sin(towards))
            station_id = f"sejong-{dong.slug}-{number:02}"
            found.append(Station(station_id, f"{dong.name} {number}", dong, latitude, longitude))
    return tuple(sorted(found, key=lambda station: station.station_id))


def readings(seed: int, start: datetime, end: datetime) -> Iterator[Reading]:
    """All readings of the half-open [start, end), by time, then station.

    Slices put together are the whole. Raises SliceError, at once, for times without a zone or an
    end before the start.
    """
    if start.tzinfo is None or end.tzinfo is None:
        raise SliceError("start and end: expected times with a zone")
    if end < start:
        raise SliceError(f"end {end.isoformat()}: expected no earlier than {start.isoformat()}")
    first, last = (math.ceil(t.timestamp() / _STEP) for t in (start, end))
    return _readings(seed, first * _STEP, last * _STEP)


def _readings(seed: int, first: int, end: int) -> Iterator[Reading]:
    for at in range(first, end, _STEP):
        air = {dong: _air(seed, dong, at) for dong in DONGS}
        measured_at = datetime.fromtimestamp(at, UTC)
        for station in stations(seed):
            values = _measured(seed, station.station_id, air[station.dong], at)
            reading = Reading(station.station_id, measured_at, values)
            yield _spoilt(seed, reading, at)


def _air(seed: int, dong: Dong, at: int) -> dict[Pollutant, float]:
    """The air of a dong, which its stations share."""
    local = datetime.fromtimestamp(at, _SEOUL)
    air = {}
    for pollutant, pattern in PATTERNS.items():
        usual = pattern.typical * pattern.hour[local.hour]
        usual *= pattern.weekday[local.weekday()] * pattern.month[local.month - 1]
        remainder = pattern.spread * _city_drift(seed, pollutant, at)
        remainder += DONG_SPREAD * drift(seed, f"{dong.slug}/{pollutant}", at)
        air[pollutant] = usual * math.exp(remainder) + episodes.added(seed, pollutant, dong, at)
    return air


def _city_drift(seed: int, pollutant: Pollutant, at: int) -> float:
    own = drift(seed, f"city/{pollutant}", at)
    if pollutant is not Pollutant.PM25:
        return own
    shared = drift(seed, f"city/{Pollutant.PM10}", at)
    return PM_CORRELATION * shared + math.sqrt(1 - PM_CORRELATION**2) * own


def _measured(
    seed: int, station_id: str, air: Mapping[Pollutant, float], at: int
) -> dict[Pollutant, float]:
    biases = _biases(seed, station_id)
    noises = _hour_of_noise(seed, station_id, at // 3600)[at % 3600 // _STEP]
    exact = {p: air[p] * biases[p] * noise for p, noise in zip(PATTERNS, noises, strict=True)}
    # What is smaller than 2.5 µm is smaller than 10 µm too.
    exact[Pollutant.PM25] = min(exact[Pollutant.PM25], exact[Pollutant.PM10])
    return {p: round(value, PATTERNS[p].decimals) for p, value in exact.items()}


@lru_cache(maxsize=1024)
def _biases(seed: int, station_id: str) -> dict[Pollutant, float]:
    draw = draws(seed, "bias", station_id)
    return {p: math.exp(draw.gauss(0.0, STATION_SPREAD)) for p in PATTERNS}


@lru_cache(maxsize=1024)
def _hour_of_noise(seed: int, station_id: str, hour: int) -> tuple[tuple[float, ...], ...]:
    draw = draws(seed, "noise", station_id, hour)

    def factor() -> float:
        return math.exp(NOISE_SPREAD * max(-CUT_OFF, min(CUT_OFF, draw.gauss(0.0, 1.0))))

    return tuple(tuple(factor() for _ in PATTERNS) for _ in range(_PER_HOUR))


def _spoilt(seed: int, reading: Reading, at: int) -> Reading:
    """The reading, malformed at the share that rates.py gives."""
    draw = _hour_of_faults(seed, reading.station_id, at // 3600)[at % 3600 // _STEP]
    if draw is None:
        return reading
    fault, faulty, factor_or_value = draw
    value = factor_or_value
    if fault is Fault.UNIT_MIX_UP:
        value = round(reading.values[faulty] * factor_or_value, PATTERNS[faulty].decimals)
    return replace(reading, values={**reading.values, faulty: value}, fault=fault, faulty=faulty)


@lru_cache(maxsize=1024)
def _hour_of_faults(
    seed: int, station_id: str, hour: int
) -> tuple[tuple[Fault, Pollutant, float] | None, ...]:
    draw = draws(seed, "fault", station_id, hour)

    def fault() -> tuple[Fault, Pollutant, float] | None:
        if draw.random() >= MALFORMED_SHARE:
            return None
        if draw.random() < UNIT_MIX_UP_SHARE:
            return Fault.UNIT_MIX_UP, draw.choice(_GASES), PPB_PER_PPM
        return Fault.OUT_OF_RANGE, draw.choice(list(Pollutant)), draw.choice(OUT_OF_RANGE_VALUES)

    return tuple(fault() for _ in range(_PER_HOUR))
