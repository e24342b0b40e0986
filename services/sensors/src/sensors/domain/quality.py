"""Quality checks of a reading: what is refused, left out or flagged, and why."""

import hashlib
import math
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from sensors.domain.pollutant import SCALES, Pollutant, to_value
from sensors.domain.station import MINUTES_PER_HOUR, Station

FUTURE_TOLERANCE = timedelta(minutes=5)
# A device whose clock was never set says 1970 or its firmware's year.
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
# Readings further apart than that do not show that the value stood still in between.
LONGEST_STEP_INTERVALS = 3


class Reason(StrEnum):
    """Names as in the protocol's ProblemReason."""

    UNKNOWN_STATION = "UNKNOWN_STATION"
    RETIRED_STATION = "RETIRED_STATION"
    INVALID_TIME = "INVALID_TIME"
    FUTURE_TIME = "FUTURE_TIME"
    NO_MEASUREMENT = "NO_MEASUREMENT"
    UNKNOWN_POLLUTANT = "UNKNOWN_POLLUTANT"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    UNIT_MIX_UP = "UNIT_MIX_UP"
    STUCK_VALUE = "STUCK_VALUE"
    CONFLICT = "CONFLICT"
    REPEATED_POLLUTANT = "REPEATED_POLLUTANT"


@dataclass(frozen=True, slots=True)
class Problem:
    reason: Reason
    field: str
    message: str


@dataclass(frozen=True, slots=True)
class RawMeasurement:
    """As sent: None is a pollutant nobody knows; the value is in the pollutant's unit."""

    pollutant: Pollutant | None
    value: float


@dataclass(frozen=True, slots=True)
class RawReading:
    """As sent: None is a time that is missing or no time at all."""

    station_id: str
    measured_at: datetime | None
    measurements: tuple[RawMeasurement, ...]

    def digest(self) -> bytes:
        """16 bytes, the same for the same values in any order."""
        content = sorted(
            (str(measurement.pollutant), repr(measurement.value))
            for measurement in self.measurements
        )
        return hashlib.blake2b(repr(content).encode(), digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class Kept:
    """A measurement that passed, with its place in the reading as sent."""

    index: int
    pollutant: Pollutant
    value: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is kept of a reading. Nothing kept: the reading is refused."""

    kept: tuple[Kept, ...]
    problems: tuple[Problem, ...]


def check(reading: RawReading, station: Station | None, now: datetime) -> Verdict:
    """Judge a reading by itself. A bad measurement is left out, the good ones stay."""
    problem = _whole(reading, station, now)
    if problem is not None or station is None:
        return Verdict((), (problem,) if problem else ())
    kept: list[Kept] = []
    problems: list[Problem] = []
    times = Counter(measurement.pollutant for measurement in reading.measurements)
    for index, measurement in enumerate(reading.measurements):
        found = _measurement(index, measurement, station, times[measurement.pollutant])
        if isinstance(found, Problem):
            problems.append(found)
        else:
            kept.append(found)
    return Verdict(tuple(kept), tuple(problems))


def _whole(reading: RawReading, station: Station | None, now: datetime) -> Problem | None:
    if station is None:
        return Problem(
            Reason.UNKNOWN_STATION, "station_id", f"{reading.station_id!r} is not registered"
        )
    if station.retired:
        return Problem(
            Reason.RETIRED_STATION, "station_id", f"{reading.station_id!r} is out of service"
        )
    if reading.measured_at is None or reading.measured_at < EARLIEST:
        return Problem(
            Reason.INVALID_TIME,
            "measured_at",
            f"{reading.measured_at or 'missing'}; expected a time since {EARLIEST.date()}",
        )
    if reading.measured_at > now + FUTURE_TOLERANCE:
        return Problem(
            Reason.FUTURE_TIME,
            "measured_at",
            f"{reading.measured_at.isoformat()} lies ahead of the city's clock"
            f" {now.isoformat(timespec='seconds')}",
        )
    if not reading.measurements:
        return Problem(Reason.NO_MEASUREMENT, "measurements", "none; expected at least one")
    return None


def _measurement(
    index: int, measurement: RawMeasurement, station: Station, times: int
) -> Kept | Problem:
    pollutant, value = measurement.pollutant, measurement.value
    if pollutant is None or pollutant not in station.pollutants:
        return Problem(
            Reason.UNKNOWN_POLLUTANT,
            f"measurements[{index}].pollutant",
            f"{pollutant or 'unknown'}; expected one of {', '.join(station.pollutants)}",
        )
    if times > 1:
        return Problem(
            Reason.REPEATED_POLLUTANT,
            f"measurements[{index}].pollutant",
            f"{pollutant} stands {times} times; which value is right cannot be known",
        )
    scale = SCALES[pollutant]
    if math.isfinite(value) and 0 <= value <= to_value(scale.highest):
        return Kept(index, pollutant, value)
    field = f"measurements[{index}].value"
    highest = to_value(scale.highest)
    if _in_billionths(pollutant, value):
        return Problem(
            Reason.UNIT_MIX_UP,
            field,
            f"{value:g} fits {pollutant} in ppb; expected 0 to {highest:g} {scale.unit}",
        )
    return Problem(Reason.OUT_OF_RANGE, field, f"{value:g}; expected 0 to {highest:g} {scale.unit}")


def _in_billionths(pollutant: Pollutant, value: float) -> bool:
    """Too high in ppm, and plausible as ppb. For particulates no such factor is safe to tell."""
    scale = SCALES[pollutant]
    billionths = (1000 * to_value(scale.smallest), 1000 * to_value(scale.highest))
    return scale.unit == "ppm" and billionths[0] <= value <= billionths[1]


@dataclass(frozen=True, slots=True)
class Unmoved:
    """How often in a row a station reported one value of a pollutant, the last at measured_at."""

    value: float
    run_length: int
    measured_at: datetime


def follow(
    previous: Unmoved | None, value: float, measured_at: datetime, interval_minutes: int
) -> Unmoved:
    """The run after a further reading. One older than the last is no part of it."""
    if previous is None:
        return Unmoved(value, 1, measured_at)
    if measured_at <= previous.measured_at:
        return previous
    step = timedelta(minutes=interval_minutes * LONGEST_STEP_INTERVALS)
    if value == previous.value and measured_at - previous.measured_at <= step:
        return Unmoved(value, previous.run_length + 1, measured_at)
    return Unmoved(value, 1, measured_at)


def is_stuck(run: Unmoved, pollutant: Pollutant, interval_minutes: int) -> bool:
    """Whether the value has not moved for the pollutant's stuck_hours. It still counts in means:

    the rule is an assumption, and a flag must not lose a measurement.
    """
    return run.run_length * interval_minutes >= SCALES[pollutant].stuck_hours * MINUTES_PER_HOUR


def stuck_problem(index: int, run: Unmoved, interval_minutes: int) -> Problem:
    """What is told of a flagged measurement."""
    hours = run.run_length * interval_minutes / MINUTES_PER_HOUR
    return Problem(
        Reason.STUCK_VALUE,
        f"measurements[{index}].value",
        f"{run.value:g} has not moved for {hours:g} hours",
    )
