"""Slow random movement of the air."""

import math
from functools import lru_cache

from loadtests.city.air.rates import CUT_OFF, PERSISTENCE
from loadtests.city.seeded import draws


@lru_cache(maxsize=1 << 16)
def _knot(seed: int, purpose: str, hours: int, number: int) -> float:
    return draws(seed, purpose, hours, number).gauss(0.0, 1.0)


def drift(seed: int, purpose: str, at: int) -> float:
    """A standard normal value at epoch second `at` that moves as slowly as PERSISTENCE says.

    Between knots it is mixed so that the variance stays 1. Cut off at CUT_OFF.
    """
    total = 0.0
    for hours, share in PERSISTENCE:
        number, rest = divmod(at, hours * 3600)
        late = rest / (hours * 3600)
        early = 1.0 - late
        mixed = early * _knot(seed, purpose, hours, number)
        mixed += late * _knot(seed, purpose, hours, number + 1)
        total += math.sqrt(share) * mixed / math.hypot(early, late)
    return max(-CUT_OFF, min(CUT_OFF, total))
