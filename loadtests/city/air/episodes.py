"""Dust and haze episodes: at most one a day (UTC) of the model, over one dong and what is near."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from loadtests.city.air.places import DONGS, Dong, metres_between
from loadtests.city.air.rates import (
    DUST_PEAK,
    DUST_SHARE,
    EPISODE_CHANCE_PER_DAY,
    EPISODE_FALL,
    EPISODE_HOLD,
    EPISODE_REACH,
    EPISODE_RISE,
    HAZE_PEAK,
    Pollutant,
)
from loadtests.city.seeded import draws

_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Episode:
    """One episode; `start`, `rise`, `hold`, `fall` in seconds, peaks in µg/m³ above the usual."""

    kind: Literal["dust", "haze"]
    centre: Dong
    start: int
    rise: float
    hold: float
    fall: float
    peak: dict[Pollutant, float]

    def added(self, pollutant: Pollutant, dong: Dong, at: int) -> float:
        """µg/m³ on top of the usual course in `dong` at epoch second `at`."""
        passed = at - self.start
        left = self.rise + self.hold + self.fall - passed
        share = max(0.0, min(passed / self.rise, 1.0, left / self.fall))
        nearness = math.exp(-((metres_between(self.centre, dong) / EPISODE_REACH) ** 2))
        return self.peak.get(pollutant, 0.0) * share * nearness


@lru_cache(maxsize=1024)
def of_day(seed: int, day: int) -> Episode | None:
    """The episode that begins and ends within the UTC day number `day`, if it has one."""
    draw = draws(seed, "episode", day)
    if draw.random() >= EPISODE_CHANCE_PER_DAY:
        return None
    dust = draw.random() < DUST_SHARE
    rise, hold, fall = (
        draw.uniform(*hours) * 3600 for hours in (EPISODE_RISE, EPISODE_HOLD, EPISODE_FALL)
    )
    return Episode(
        kind="dust" if dust else "haze",
        centre=draw.choice(DONGS),
        start=day * _DAY + int(draw.uniform(0, _DAY - rise - hold - fall)),
        rise=rise,
        hold=hold,
        fall=fall,
        peak={p: draw.uniform(*peak) for p, peak in (DUST_PEAK if dust else HAZE_PEAK).items()},
    )


def added(seed: int, pollutant: Pollutant, dong: Dong, at: int) -> float:
    """µg/m³ that an episode adds at epoch second `at`; 0 without one."""
    episode = of_day(seed, at // _DAY)
    return 0.0 if episode is None else episode.added(pollutant, dong, at)
