"""Every figure the model uses, and where it is from.

MEASURED: computed from the real hourly Seoul means of 2018 to 2021
(seoul-air-hourly-2018-2021.csv) on the logarithm, as geometric mean and factors of it.
ASSUMPTION: chosen, for the reason given.
"""

from dataclasses import dataclass
from enum import StrEnum


class Pollutant(StrEnum):
    """What a station measures."""

    PM10 = "PM10"
    PM25 = "PM25"
    O3 = "O3"
    NO2 = "NO2"
    CO = "CO"
    SO2 = "SO2"

    @property
    def unit(self) -> str:
        """µg/m³ for particulates, ppm for gases."""
        return "µg/m³" if self in PARTICULATES else "ppm"


PARTICULATES = frozenset({Pollutant.PM10, Pollutant.PM25})


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pollutant's usual course.

    `typical` is the geometric mean in the pollutant's unit. The factors of Seoul time's hour (the
    hour that begins then), weekday (Monday first) and month are MEASURED, as is `typical`.
    `spread` is the standard deviation of the logarithm of what remains: MEASURED for NO2, CO, SO2;
    ASSUMPTION for particulates (measured 0.6 to 0.7, but that holds the dust episodes, which come
    on top here) and O3 (measured 0.56 in the afternoon, nearly all of it downward).
    `decimals` is the sensor's resolution, ASSUMPTION.
    """

    typical: float
    hour: tuple[float, ...]
    weekday: tuple[float, ...]
    month: tuple[float, ...]
    spread: float
    decimals: int


# fmt: off
PATTERNS = {
    Pollutant.PM10: Pattern(
        typical=29.0,
        hour=(
            0.97, 0.92, 0.94, 0.9, 0.92, 0.89, 0.93, 0.93, 1.01, 1.02, 1.09, 1.07,
            1.08, 1.05, 1.08, 1.05, 1.07, 1.02, 1.04, 1.04, 1.05, 0.99, 1.01, 0.96,
        ),
        weekday=(0.99, 1.01, 1.01, 1.03, 1.03, 1.01, 0.92),
        month=(1.39, 1.42, 1.52, 1.15, 1.09, 0.92, 0.66, 0.68, 0.51, 0.83, 1.24, 1.26),
        spread=0.45,
        decimals=1,
    ),
    Pollutant.PM25: Pattern(
        typical=16.5,
        hour=(
            0.99, 0.95, 0.98, 0.94, 0.97, 0.93, 0.96, 0.92, 0.97, 0.95, 1.05, 1.02,
            1.06, 1.04, 1.06, 1.0, 1.03, 1.0, 1.05, 1.06, 1.08, 1.01, 1.03, 0.98,
        ),
        weekday=(0.99, 1.0, 0.98, 1.02, 1.03, 1.01, 0.99),
        month=(1.41, 1.49, 1.52, 1.01, 0.96, 1.02, 0.77, 0.76, 0.46, 0.76, 1.19, 1.33),
        spread=0.45,
        decimals=1,
    ),
    Pollutant.O3: Pattern(
        typical=0.0172,
        hour=(
            0.73, 0.75, 0.76, 0.76, 0.73, 0.63, 0.51, 0.51, 0.66, 0.88, 1.13, 1.4,
            1.68, 1.88, 1.98, 1.98, 1.86, 1.6, 1.33, 1.12, 1.0, 0.9, 0.8, 0.73,
        ),
        weekday=(0.98, 0.93, 0.95, 0.96, 0.98, 1.06, 1.17),
        month=(0.52, 0.77, 1.18, 1.6, 1.73, 1.88, 1.31, 1.21, 1.26, 0.82, 0.52, 0.47),
        spread=0.30,
        decimals=5,
    ),
    Pollutant.NO2: Pattern(
        typical=0.0234,
        hour=(
            1.03, 0.92, 0.84, 0.81, 0.81, 0.93, 1.12, 1.22, 1.21, 1.14, 1.06, 0.97,
            0.88, 0.84, 0.83, 0.85, 0.91, 0.99, 1.1, 1.17, 1.16, 1.14, 1.14, 1.12,
        ),
        weekday=(1.02, 1.07, 1.04, 1.05, 1.06, 0.96, 0.81),
        month=(1.31, 1.22, 1.21, 1.0, 0.96, 0.87, 0.76, 0.73, 0.73, 0.97, 1.31, 1.22),
        spread=0.46,
        decimals=5,
    ),
    Pollutant.CO: Pattern(
        typical=0.468,
        hour=(
            1.03, 1.02, 1.0, 0.99, 0.98, 1.0, 1.04, 1.09, 1.12, 1.12, 1.07, 1.01,
            0.96, 0.92, 0.9, 0.89, 0.9, 0.92, 0.97, 1.01, 1.02, 1.02, 1.03, 1.03,
        ),
        weekday=(1.02, 1.02, 1.0, 1.0, 1.02, 0.99, 0.96),
        month=(1.3, 1.23, 1.16, 0.94, 0.94, 0.9, 0.77, 0.76, 0.81, 0.96, 1.21, 1.24),
        spread=0.27,
        decimals=3,
    ),
    Pollutant.SO2: Pattern(
        typical=0.0033,
        hour=(
            0.96, 0.95, 0.94, 0.94, 0.93, 0.93, 0.94, 0.97, 1.01, 1.04, 1.06, 1.06,
            1.06, 1.05, 1.05, 1.05, 1.05, 1.04, 1.03, 1.01, 1.01, 0.99, 0.98, 0.97,
        ),
        weekday=(0.98, 1.02, 1.01, 1.01, 1.01, 1.01, 0.97),
        month=(1.22, 1.15, 1.08, 1.0, 1.02, 0.95, 0.88, 0.88, 0.85, 0.94, 1.06, 1.06),
        spread=0.27,
        decimals=5,
    ),
}
# fmt: on

# MEASURED: correlation of the logarithms of PM10 and PM2.5.
PM_CORRELATION = 0.91

# Share of the variance by how long it lasts, hours. ASSUMPTION that gives about the MEASURED
# autocorrelation of particulates: 0.97 after 1 h, 0.77 after 6 h, 0.37 after 24 h.
PERSISTENCE = ((48, 0.45), (12, 0.40), (3, 0.15))

# ASSUMPTION, standard deviations of the logarithm: one dong against the city; one station against
# its dong, for good (low-cost sensors of one make differ by some per cent); one reading against
# the air around it.
DONG_SPREAD = 0.12
STATION_SPREAD = 0.05
NOISE_SPREAD = 0.03

# ASSUMPTION: a remainder beyond this many standard deviations is cut off.
CUT_OFF = 2.5

# ASSUMPTION, so that somebody who watches sees alerts every couple of modelled days; real Seoul
# had 29 runs of PM10 of 150 and more, and 71 of PM2.5 of 75 and more, in four years.
EPISODE_CHANCE_PER_DAY = 0.6
# ASSUMPTION: two in five are yellow dust (coarse), the others haze (fine).
DUST_SHARE = 0.4
# Peaks in µg/m³ on top of the usual course, lowest and highest. ASSUMPTION within what the
# MEASURED episodes reached (PM10 up to 962): dust crosses PM10 150 and often 300, haze PM2.5 75.
DUST_PEAK = {Pollutant.PM10: (180.0, 480.0), Pollutant.PM25: (20.0, 45.0)}
HAZE_PEAK = {Pollutant.PM10: (90.0, 160.0), Pollutant.PM25: (85.0, 190.0)}
# Hours of rise, of the peak and of fall. ASSUMPTION around the MEASURED median of 3 h over the
# limit, up to 36 h.
EPISODE_RISE = (1.0, 3.0)
EPISODE_HOLD = (3.0, 9.0)
EPISODE_FALL = (2.0, 5.0)
# ASSUMPTION: metres at which an episode has fallen to 1/e of its peak; one to four dong see it.
EPISODE_REACH = 2_000.0

# ASSUMPTION: one reading in a thousand is malformed, half of them out of range (the sensor's
# negative or all-ones word), half a gas in ppb where ppm is due.
MALFORMED_SHARE = 0.001
UNIT_MIX_UP_SHARE = 0.5
PPB_PER_PPM = 1000.0
OUT_OF_RANGE_VALUES = (-1.0, 65535.0)
