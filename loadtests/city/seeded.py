"""Random numbers that depend only on what they are for, so that any slice is made alone."""

import random


def draws(seed: int, *purpose: object) -> random.Random:
    """A generator of its own for one purpose; the same on every machine and in every order."""
    return random.Random("/".join(map(str, (seed, *purpose))))


def poisson(draw: random.Random, mean: float) -> int:
    """How many arrivals of a Poisson process fall into a unit of time."""
    count, at = 0, 0.0
    while mean > 0 and (at := at + draw.expovariate(mean)) < 1.0:
        count += 1
    return count
