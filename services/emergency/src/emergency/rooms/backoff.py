"""How long to wait before the next attempt."""

import random


def full_jitter(attempts: int, base: float, cap: float) -> float:
    """Seconds, evenly from 0 to the doubled base, `cap` at most; `attempts` made so far, from 0."""
    return random.uniform(0, min(cap, base * 2 ** min(attempts, 32)))


def half_jitter(attempts: int, base: float, cap: float) -> float:
    """Seconds, as above, but never less than half: where attempts are few."""
    longest = min(cap, base * 2 ** min(attempts, 32))
    return random.uniform(longest / 2, longest)
