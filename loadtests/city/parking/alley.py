"""The alley: 280 bays, each with a resident who lends it while their own car is away."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from loadtests.city.cameras.places import SEOUL_SECONDS, Point, moved
from loadtests.city.parking.rates import (
    AT_HOME_SHARE,
    AWAY_SHARE,
    BAY_METRES,
    BAYS,
    BAYS_PER_LANE,
    EXCEPTION_WEEKS,
    HOUSEHOLDS,
    LANE_BEARING,
    LEAVE_BY_DAY,
    LEAVE_BY_NIGHT,
    MAX_UNIT_FEE_WON,
    METRES_BETWEEN_LANES,
    MIN_UNIT_FEE_WON,
    RETURN_BY_DAY,
    RETURN_BY_NIGHT,
    UNIT_FEE_STEP_WON,
    WINDOW_STEP_MINUTES,
    Household,
)
from loadtests.city.seeded import draws

LOT_ID = "samjeong"
NAME = "삼정동 골목 공유주차"
ADDRESS = "경기도 부천시 삼정동"
OPERATOR = "삼정동 마을기업"
DISTRICT = "경기도 부천시"
SCHEME = "samjeong"
# Samjeong-dong (삼정동), read off a map to about 100 m.
MIDDLE: Point = (37.5270, 126.7690)

_DAY_MINUTES = 1_440
_DAY_SECONDS = 86_400
_WEEK_SECONDS = 7 * _DAY_SECONDS
# Monday 1970-01-05 in Seoul, seconds since 1970 UTC.
_FIRST_MONDAY = 4 * _DAY_SECONDS - SEOUL_SECONDS
_WORKDAYS = range(1, 6)
_WEEKEND = range(6, 8)
_WEEK = range(1, 8)


@dataclass(frozen=True, slots=True)
class Owner:
    """A resident. Fictional: no mobile number begins with 010-0."""

    name: str
    contact: str


@dataclass(frozen=True, slots=True)
class Window:
    """Each week: ISO weekday, minutes after midnight in Seoul."""

    weekday: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Special:
    """Once, seconds since 1970 UTC: lent, or not, whatever the week says."""

    start: int
    end: int
    offered: bool


@dataclass(frozen=True, slots=True)
class Bay:
    """A bay with its owner and its sensor; the price is of each begun unit, won."""

    number: int
    point: Point
    owner: Owner
    household: Household
    windows: tuple[Window, ...]
    unit_fee_won: int

    @property
    def bay_id(self) -> str:
        return f"{LOT_ID}-{self.number:03}"

    @property
    def sensor_id(self) -> str:
        return f"{self.bay_id}-s"


@lru_cache(maxsize=4)
def alley(seed: int) -> tuple[Bay, ...]:
    """All bays, in order of their numbers, from 1."""
    return tuple(_bay(seed, number) for number in range(1, BAYS + 1))


def specials(seed: int, bay: Bay, now: float) -> tuple[Special, ...]:
    """Exceptions of the week of `now` and those after it; each week's follow from the seed."""
    first = (int(now) - _FIRST_MONDAY) // _WEEK_SECONDS
    weeks = range(first, first + EXCEPTION_WEEKS)
    return tuple(one for week in weeks for one in _specials_in(seed, bay, week))


def _bay(seed: int, number: int) -> Bay:
    draw = draws(seed, "bay", number)
    household = draw.choices(list(HOUSEHOLDS), list(HOUSEHOLDS.values()))[0]
    steps = (MAX_UNIT_FEE_WON - MIN_UNIT_FEE_WON) // UNIT_FEE_STEP_WON
    return Bay(
        number=number,
        point=_place(number),
        owner=Owner(f"삼정동 주민 {number}", f"010-0{draw.randrange(1000):03}-{number:04}"),
        household=household,
        windows=tuple(_windows(draw, household)),
        unit_fee_won=MIN_UNIT_FEE_WON + UNIT_FEE_STEP_WON * draw.randint(0, steps),
    )


def _place(number: int) -> Point:
    lane, along = divmod(number - 1, BAYS_PER_LANE)
    lanes = BAYS // BAYS_PER_LANE
    across = moved(MIDDLE, METRES_BETWEEN_LANES * (lane - (lanes - 1) / 2), LANE_BEARING + 90)
    return moved(across, BAY_METRES * (along - (BAYS_PER_LANE - 1) / 2), LANE_BEARING)


def _windows(draw: random.Random, household: Household) -> Iterator[Window]:
    match household:
        case Household.DAY_WORKER:
            leave, back = _minute(draw, LEAVE_BY_DAY), _minute(draw, RETURN_BY_DAY)
            yield from (Window(day, leave, back) for day in _WORKDAYS)
        case Household.NIGHT_WORKER:
            leave, back = _minute(draw, LEAVE_BY_NIGHT), _minute(draw, RETURN_BY_NIGHT)
            for day in _WORKDAYS:
                yield Window(day, leave, _DAY_MINUTES)
                yield Window(day + 1, 0, back)
        case Household.WEEKENDER:
            yield from (Window(day, 0, _DAY_MINUTES) for day in _WEEKEND)
        case Household.NO_CAR:
            yield from (Window(day, 0, _DAY_MINUTES) for day in _WEEK)


def _minute(draw: random.Random, bounds: tuple[int, int]) -> int:
    return draw.randrange(bounds[0], bounds[1] + 1, WINDOW_STEP_MINUTES)


def _specials_in(seed: int, bay: Bay, week: int) -> Iterator[Special]:
    draw = draws(seed, "special", bay.number, week)
    monday = _FIRST_MONDAY + week * _WEEK_SECONDS
    if draw.random() < AT_HOME_SHARE:
        day = monday + draw.randrange(7) * _DAY_SECONDS
        yield Special(day, day + _DAY_SECONDS, offered=False)
    if draw.random() < AWAY_SHARE:
        friday, monday_after = monday + 4 * _DAY_SECONDS, monday + _WEEK_SECONDS
        yield Special(friday + 20 * 3_600, monday_after, offered=True)
