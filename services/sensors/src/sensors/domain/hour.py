"""A station's hour: what was read in it, when it closes, and its means."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple

from sensors.domain.pollutant import POLLUTANTS, SCALES, Pollutant, divide_half_up

HOUR = timedelta(hours=1)
_NEVER = datetime.min.replace(tzinfo=UTC)
# Korea's rule for a valid mean: three quarters of what was to be measured.
VALID_NUMERATOR, VALID_DENOMINATOR = 3, 4
_STEPS = tuple((pollutant, SCALES[pollutant].mean_step) for pollutant in POLLUTANTS)


def hour_end(measured_at: datetime) -> datetime:
    """The end of the hour of an instant: (end - 1 h, end]. Exactly on the hour ends that hour,

    as a mean stamped 24:00 is of the hour that ended then.
    """
    utc = measured_at.astimezone(UTC)
    start = utc.replace(minute=0, second=0, microsecond=0)
    return start if start == utc else start + HOUR


def hour_ends(instants: Iterable[datetime]) -> Iterator[datetime]:
    """hour_end of each; the next one of the same hour costs a comparison."""
    start = end = _NEVER
    for instant in instants:
        if not start < instant <= end:
            end = hour_end(instant)
            start = end - HOUR
        yield end


def hour_number(end: datetime) -> int:
    """Hours from 1970 to an hour's end."""
    return int(end.timestamp()) // 3600


class Reading(NamedTuple):
    """What an hour takes of a reading; `expected` is how many a full hour has at its interval."""

    concentrations: Mapping[Pollutant, int]
    expected: int
    received_at: datetime


class Sum(NamedTuple):
    """Of one pollutant: the sum of its concentrations, and of how many."""

    total: int
    readings: int


class Mean(NamedTuple):
    """Of one pollutant: concentration rounded to its mean_step, of how many, and whether it may

    be used for indexes and alerts.
    """

    concentration: int
    readings: int
    valid: bool


_NOTHING: Mapping[Pollutant, Sum] = MappingProxyType({})
_NONE = Sum(0, 0)


class HourWindow(NamedTuple):
    """Readings of the hour up to hour_end, in any order.

    expected: readings a full hour has. revision: 0 while open, else that of the means last told.
    untold: holds readings no told mean contains.
    """

    station_id: str
    hour_end: datetime
    expected: int
    readings: int = 0
    sums: Mapping[Pollutant, Sum] = _NOTHING
    last_received_at: datetime = _NEVER
    revision: int = 0
    untold: bool = False

    def add(self, readings: Sequence[Reading]) -> "HourWindow":
        """With more readings. The caller makes sure that none is added twice."""
        if not readings:
            return self
        values: dict[Pollutant, list[int]] = {}
        for reading in readings:
            for pollutant, concentration in reading.concentrations.items():
                if pollutant in values:
                    values[pollutant].append(concentration)
                else:
                    values[pollutant] = [concentration]
        sums = dict(self.sums)
        for pollutant, more in values.items():
            total, count = sums.get(pollutant, _NONE)
            sums[pollutant] = Sum(total + sum(more), count + len(more))
        return HourWindow(
            self.station_id,
            self.hour_end,
            max(self.expected, *[reading.expected for reading in readings]),
            self.readings + len(readings),
            sums,
            max(self.last_received_at, *[reading.received_at for reading in readings]),
            self.revision,
            untold=True,
        )

    def due(self, newest: datetime | None, now: datetime, lateness: timedelta) -> bool:
        """Whether its means are to be told now.

        An open hour closes when it is complete, when the station has measured `lateness` past its
        end, or when that long has passed on the clock without a further reading of it. A closed
        one is told again when a late reading came. newest: the station's newest measured_at.
        """
        if self.revision:
            return self.untold
        if self.readings >= self.expected:
            return True
        if newest is not None and newest - lateness >= self.hour_end:
            return True
        return now - lateness > max(self.hour_end, self.last_received_at)

    def told(self) -> "HourWindow":
        """Closed, with the next revision."""
        return self._replace(revision=self.revision + 1, untold=False)

    @property
    def completeness(self) -> float:
        """readings / expected, 0 to 1."""
        return min(1.0, self.readings / self.expected)

    def means(self) -> dict[Pollutant, Mean]:
        """By pollutant, in the pollutants' own order."""
        enough = self.expected * VALID_NUMERATOR
        means = {}
        for pollutant, step in _STEPS:
            if pollutant in self.sums:
                total, readings = self.sums[pollutant]
                concentration = divide_half_up(total, readings * step) * step
                means[pollutant] = Mean(
                    concentration, readings, readings * VALID_DENOMINATOR >= enough
                )
        return means


def valid_only(means: Mapping[Pollutant, Mean]) -> dict[Pollutant, int]:
    """The concentrations that may be used for indexes and alerts."""
    return {pollutant: mean.concentration for pollutant, mean in means.items() if mean.valid}
