"""Who wants to park when, and what they then do: a function of seed, rate and time."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from loadtests.city.cameras.places import SEOUL_SECONDS, Point, moved
from loadtests.city.parking.alley import MIDDLE
from loadtests.city.parking.rates import (
    AHEAD_MINUTES,
    ARRIVALS,
    BAYS,
    BOOKED_MINUTES,
    BY_PRICE_SHARE,
    CANCEL_SECONDS,
    COME_SECONDS,
    DECIDE_SECONDS,
    HABITS,
    LINGER_SECONDS,
    OVERSTAY_SECONDS,
    OWNERS_VISITS,
    SHORTEST_MINUTES,
    STAY_SECONDS,
    STRAYS,
    VEHICLES,
    VISIT_MINUTES,
    WALK_METRES,
    Besides,
    Habit,
)
from loadtests.city.seeded import draws, poisson

_GOAL_METRES = 200.0


@dataclass(frozen=True, slots=True)
class Load:
    """`per_minute` drivers a minute on the day's average."""

    seed: int
    per_minute: float


@dataclass(frozen=True, slots=True)
class Trip:
    """A driver. `ahead` seconds from now the booking begins; the others are seconds of waiting.

    `decide` comes before paying (or before letting go), `come` before checking in (or before
    cancelling); `stay` is from the check-in to leaving, `linger` from check-out to leaving.
    """

    trip_id: str
    vehicle: int
    goal: Point
    walk_metres: float
    by_price: bool
    minutes: int
    habit: Habit
    ahead: float
    decide: float
    come: float
    stay: float
    linger: float


@dataclass(frozen=True, slots=True)
class Stray:
    """A car without a booking: the bay's number, and for how many seconds it stands there."""

    stray_id: str
    bay: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Visit:
    """An owner who claims their own bay for `minutes` and is there for `seconds`."""

    visit_id: str
    bay: int
    minutes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Doings:
    """All that begins in one second."""

    trips: tuple[Trip, ...]
    strays: tuple[Stray, ...]
    visits: tuple[Visit, ...]


@lru_cache(maxsize=64)
def beginning(load: Load, second: int) -> Doings:
    """What begins from epoch second `second` until the next; seconds are made alone."""
    rate = load.per_minute / 60 * ARRIVALS[(second + SEOUL_SECONDS) // 3600 % 24]

    def of(kind: str, share: float) -> Iterator[tuple[str, random.Random]]:
        count = poisson(draws(load.seed, kind, load.per_minute, second), rate * share)
        for number in range(count):
            name = f"{second:x}-{number}"
            yield name, draws(load.seed, kind, load.per_minute, name)

    return Doings(
        trips=tuple(_trip(name, draw) for name, draw in of("trip", 1.0)),
        strays=tuple(
            Stray(name, _bay(draw), _seconds(draw, STRAYS))
            for name, draw in of("stray", STRAYS.share)
        ),
        visits=tuple(
            Visit(name, _bay(draw), draw.randint(*VISIT_MINUTES), _seconds(draw, OWNERS_VISITS))
            for name, draw in of("visit", OWNERS_VISITS.share)
        ),
    )


def _trip(name: str, draw: random.Random) -> Trip:
    habit = draw.choices(list(HABITS), list(HABITS.values()))[0]
    minutes = draw.choices(list(BOOKED_MINUTES), list(BOOKED_MINUTES.values()))[0]
    if habit is Habit.OVERSTAYS:
        minutes = SHORTEST_MINUTES
    # Many leave soon, few stay to the end.
    stay = draw.triangular(*STAY_SECONDS, STAY_SECONDS[0])
    over = draw.uniform(*OVERSTAY_SECONDS)
    come = draw.uniform(*COME_SECONDS)
    cancel = draw.uniform(*CANCEL_SECONDS)
    ahead = draw.uniform(*AHEAD_MINUTES)
    return Trip(
        trip_id=name,
        vehicle=draw.randrange(VEHICLES),
        goal=moved(MIDDLE, _GOAL_METRES * draw.random() ** 0.5, draw.uniform(0, 360)),
        walk_metres=WALK_METRES,
        by_price=draw.random() < BY_PRICE_SHARE,
        minutes=minutes,
        habit=habit,
        ahead=ahead * 60 if habit is Habit.CANCELS else 0.0,
        decide=draw.uniform(*DECIDE_SECONDS),
        come=cancel if habit is Habit.CANCELS else come,
        stay=minutes * 60 + over if habit is Habit.OVERSTAYS else stay,
        linger=draw.uniform(*LINGER_SECONDS) if habit is Habit.LINGERS else 0.0,
    )


def _bay(draw: random.Random) -> int:
    return draw.randint(1, BAYS)


def _seconds(draw: random.Random, besides: Besides) -> float:
    return draw.uniform(*besides.seconds)
