"""Random numbers that depend only on what they are for, so that any slice is made alone."""

import random


def draws(seed: int, *purpose: object) -> random.Random:
    """A generator of its own for one purpose; the same on every machine and in every order."""
    return random.Random("/".join(map(str, (seed, *purpose))))
