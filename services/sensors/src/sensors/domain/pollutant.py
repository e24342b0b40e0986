"""Pollutants, and exact concentrations.

A concentration is an int in millionths of the pollutant's unit (µg/m³ or ppm), so that sums are
exact and do not depend on the order of what is summed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

MILLION = 1_000_000


class Pollutant(StrEnum):
    """Names as in the events' schemas."""

    PM10 = "PM10"
    PM25 = "PM25"
    O3 = "O3"
    NO2 = "NO2"
    CO = "CO"
    SO2 = "SO2"

    # Enum's own hash runs in Python, and these are keys of every dict on the way of a reading.
    __hash__ = str.__hash__


POLLUTANTS = tuple(Pollutant)
"""In their own order."""


def millionths(value: str) -> int:
    """A decimal literal of a table as a concentration."""
    return int(Decimal(value) * MILLION)


def from_value(value: float) -> int:
    """A measured value, in the pollutant's unit, as a concentration."""
    return round(value * MILLION)


def to_value(concentration: int) -> float:
    """A concentration in the pollutant's unit: the double nearest to it."""
    return concentration / MILLION


def divide_half_up(numerator: int, denominator: int) -> int:
    """numerator / denominator rounded to the nearest int, halves up; denominator > 0."""
    return (2 * numerator + denominator) // (2 * denominator)


def round_to(concentration: int, step: int) -> int:
    """To the nearest multiple of `step`, halves up."""
    return divide_half_up(concentration, step) * step


@dataclass(frozen=True, slots=True)
class Scale:
    """How a pollutant is written; all in millionths of its unit.

    highest: what air can hold. mean_step: what an hourly mean is rounded to. index_step: the
    resolution of the index's break points. smallest: the least a reference instrument reports.
    stuck_hours: no air stays exactly the same for that long.
    """

    unit: str
    highest: int
    mean_step: int
    index_step: int
    smallest: int
    stuck_hours: int


# highest: gases, the index's table ends there. PM10: the table ends at 600, but dust storms went
# past 2,000 in Seoul (2002); PM2.5: twice the table. Assumptions.
# stuck_hours: assumption, checked on Seoul's hourly means of 2018-2021, whose longest runs of one
# value are PM10 11 h, PM2.5 11 h, O3 19 h, NO2 6 h, CO 88 h, SO2 87 h: none is flagged.
SCALES: Mapping[Pollutant, Scale] = {
    Pollutant.PM10: Scale(
        "µg/m³", millionths("3000"), millionths("0.1"), millionths("1"), millionths("1"), 24
    ),
    Pollutant.PM25: Scale(
        "µg/m³", millionths("1000"), millionths("0.1"), millionths("1"), millionths("1"), 24
    ),
    Pollutant.O3: Scale(
        "ppm", millionths("0.6"), millionths("0.0001"), millionths("0.001"), millionths("0.001"), 24
    ),
    Pollutant.NO2: Scale(
        "ppm", millionths("2"), millionths("0.0001"), millionths("0.001"), millionths("0.001"), 24
    ),
    Pollutant.CO: Scale(
        "ppm", millionths("50"), millionths("0.0001"), millionths("0.01"), millionths("0.1"), 96
    ),
    Pollutant.SO2: Scale(
        "ppm", millionths("1"), millionths("0.0001"), millionths("0.001"), millionths("0.001"), 96
    ),
}
