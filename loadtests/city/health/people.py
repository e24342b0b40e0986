"""People of the zones. Fictional: no mobile number begins with 010-0."""

import random
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

from loadtests.city.health import rates
from loadtests.city.health.kiosks import ZONES
from loadtests.city.health.rates import PEOPLE, Code, Group, Purpose, Spread
from loadtests.city.seeded import draws

# ASSUMPTION: ages are of this day, so that birth dates do not move.
_AGED_ON = date(2026, 1, 1)
_NOTES = (
    *("", "", "", ""),
    *(
        "페니실린 알레르기",
        "아스피린 복용 중",
        "당뇨병 약 복용 중",
        "심장 박동기 있음",
        "청각 장애",
    ),
)
_BETWEEN = {
    Code.OXYGEN_SATURATION: rates.SATURATION,
    Code.BODY_TEMPERATURE: rates.TEMPERATURE,
    Code.HEART_RATE: rates.PULSE,
    Code.BODY_MASS_INDEX: rates.MASS_INDEX,
}


@dataclass(frozen=True, slots=True)
class Body:
    """What somebody has on a usual day; glucose is the fasting one."""

    systolic: float
    diastolic: float
    glucose: float
    others: tuple[tuple[Code, float], ...]


@dataclass(frozen=True, slots=True)
class Person:
    """`purposes` are consented to beside that measurements are kept."""

    number: int
    name: str
    birth_date: date
    contact: str
    medical_note: str
    zone: str
    groups: tuple[Group, ...]
    purposes: tuple[Purpose, ...]
    body: Body


@lru_cache(maxsize=4)
def people(seed: int) -> tuple[Person, ...]:
    """All of them, in order of their numbers, from 0."""
    return tuple(_person(seed, number) for number in range(PEOPLE))


def _person(seed: int, number: int) -> Person:
    draw = draws(seed, "person", number)
    age = draw.triangular(*rates.AGES)
    zone = ZONES[number % len(ZONES)]
    groups = [group for group, share in rates.GROUPS.items() if draw.random() < share]
    if age >= rates.OLD and draw.random() < rates.ALONE_SHARE:
        groups.append(Group.ELDERLY_ALONE)
    return Person(
        number=number,
        name=f"{zone} 주민 {number + 1}",
        birth_date=_AGED_ON - timedelta(days=int(age * 365.25)),
        contact=f"010-0{draw.randrange(1000):03}-{number:04}",
        medical_note=draw.choice(_NOTES),
        zone=zone,
        groups=tuple(groups),
        purposes=tuple(one for one, share in rates.PURPOSES.items() if draw.random() < share),
        body=_body(draw, age, chronic=Group.CHRONIC in groups),
    )


def _body(draw: random.Random, age: float, *, chronic: bool) -> Body:
    # Systolic and diastolic pressures go together.
    both = draw.gauss(0, 1)
    years = max(0.0, age - 40)
    return Body(
        systolic=rates.SYSTOLIC.mean
        + rates.SYSTOLIC.deviation * both
        + rates.SYSTOLIC_PER_YEAR * years
        + rates.CHRONIC_SYSTOLIC * chronic,
        diastolic=rates.DIASTOLIC.mean
        + rates.DIASTOLIC.deviation * (0.6 * both + 0.8 * draw.gauss(0, 1))
        + rates.DIASTOLIC_PER_YEAR * years,
        glucose=_usual(draw, rates.GLUCOSE_FASTING) + rates.CHRONIC_GLUCOSE * chronic,
        others=tuple((code, _usual(draw, spread)) for code, spread in _BETWEEN.items()),
    )


def _usual(draw: random.Random, spread: Spread) -> float:
    return draw.gauss(spread.mean, spread.deviation)
