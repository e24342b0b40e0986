"""Who comes to which kiosk when, and what is measured: a function of seed, rates and time."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from loadtests.city.cameras.places import SEOUL_SECONDS
from loadtests.city.health import rates
from loadtests.city.health.kiosks import KIOSKS, Kiosk
from loadtests.city.health.people import Person, people
from loadtests.city.health.rates import ARRIVALS, MEASURE_SECONDS, USED, Code
from loadtests.city.health.values import Value, acute, value
from loadtests.city.seeded import draws, poisson


@dataclass(frozen=True, slots=True)
class Load:
    """`per_minute` sessions a minute on the day's average, and acute ones beside them."""

    seed: int
    per_minute: float
    acute_per_hour: float


@dataclass(frozen=True, slots=True)
class Reading:
    """What a device shows `seconds` after the reading before, or after the begin."""

    value: Value
    device_id: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Visit:
    """`person` is a number, `kiosk` an index into KIOSKS.

    `cut_after`: the stream breaks once so many readings are sent. `again`: had the kiosk no
    network, it delivers the session twice. `looks`: at the trend, afterwards.
    """

    visit_id: str
    person: int
    kiosk: int
    readings: tuple[Reading, ...]
    acute: bool
    cut_after: int | None
    again: bool
    looks: bool
    withdraws: bool


@lru_cache(maxsize=64)
def beginning(load: Load, second: int) -> tuple[Visit, ...]:
    """What begins from epoch second `second` until the next; seconds are made alone."""
    by_hour = ARRIVALS[(second + SEOUL_SECONDS) // 3600 % 24]

    def of(kind: str, rate: float) -> Iterator[Visit]:
        purpose = (kind, load.per_minute, load.acute_per_hour)
        count = poisson(draws(load.seed, *purpose, second), rate)
        for number in range(count):
            name = f"{kind}-{second:x}-{number}"
            draw = draws(load.seed, *purpose, name)
            yield _visit(load.seed, name, draw, bad=kind == "acute")

    return (
        *of("visit", load.per_minute / 60 * by_hour),
        *of("acute", load.acute_per_hour / 3600),
    )


def _visit(seed: int, name: str, draw: random.Random, *, bad: bool) -> Visit:
    person = draw.choice(people(seed))
    near = [index for index, kiosk in enumerate(KIOSKS) if kiosk.zone == person.zone]
    index = draw.choice(near)
    readings = tuple(_readings(draw, person, KIOSKS[index], bad=bad))
    cut = draw.randint(1, len(readings)) if draw.random() < rates.CUT_SHARE else None
    withdraws = draw.random() < rates.WITHDRAWS_SHARE
    return Visit(
        visit_id=name,
        person=person.number,
        kiosk=index,
        readings=readings,
        acute=bad,
        cut_after=cut,
        again=draw.random() < rates.AGAIN_SHARE,
        looks=draw.random() < rates.LOOKS_SHARE,
        # Who is taken away by an ambulance has other things to do.
        withdraws=withdraws and not bad,
    )


def _readings(draw: random.Random, person: Person, kiosk: Kiosk, *, bad: bool) -> Iterator[Reading]:
    """In the order devices are used; at least a blood pressure, or what is acute."""
    why = draw.choices(list(rates.ACUTE), list(rates.ACUTE.values()))[0]
    wrong: dict[Code, Value] = {one.code: one for one in acute(draw, why)} if bad else {}
    for code, share in USED.items():
        device = kiosk.device(code)
        used = draw.random() < share
        if device is None or not (used or code in wrong):
            continue
        shown = wrong.get(code) or value(draw, person.body, code)
        yield Reading(shown, device.device_id, draw.uniform(*MEASURE_SECONDS))
