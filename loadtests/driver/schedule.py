"""When calls are intended: a function of seed and plan alone, whatever the calls do.

The whole is made first and then dealt out by number, so that it does not depend on how many shards
there are.
"""

import heapq
import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from loadtests.city.seeded import draws
from loadtests.driver.plan import Plan, Rate

_MICROS = 1_000_000


class Due(NamedTuple):
    """A call: `micros` after the beginning of the run; `number` counts those of its operation."""

    micros: int
    operation: str
    number: int


class _Stretch(NamedTuple):
    """Seconds of a phase in which the rate goes from `first` to `last` in a line."""

    begin: float
    end: float
    first: float
    last: float

    @property
    def area(self) -> float:
        return (self.end - self.begin) * (self.first + self.last) / 2


def due(plan: Plan, shard: int = 0, shards: int = 1) -> Iterator[Due]:
    """A shard's calls of the whole run, in order of time."""
    began, counted = 0.0, Counter[str]()
    for phase in plan.phases:
        offset = round(began * _MICROS)
        before = counted.copy()

        streams = [
            _numbered(
                operation,
                before[operation],
                offset,
                instants(rate, phase.seconds, plan.seed, phase.name, operation),
                counted,
            )
            for operation, rate in phase.rates.items()
        ]
        yield from (one for one in heapq.merge(*streams) if one.number % shards == shard)
        began += phase.seconds


def planned(plan: Plan) -> dict[str, int]:
    """How many calls of each operation all shards intend."""
    counted = Counter[str]()
    for phase in plan.phases:
        for operation, rate in phase.rates.items():
            counted[operation] += count(rate, phase.seconds, plan.seed, phase.name, operation)
    return dict(counted)


def count(rate: Rate, seconds: float, seed: int, *purpose: object) -> int:
    """How many instants there are."""
    if rate.arrivals == "poisson":
        return sum(1 for _ in instants(rate, seconds, seed, *purpose))
    total = sum(one.area for one in _stretches(rate, seconds))
    return _whole(total, draws(seed, "phase", *purpose).random())


def mean(rate: Rate, seconds: float) -> float:
    """Calls a second over the phase, on the average."""
    return sum(one.area for one in _stretches(rate, seconds)) / seconds


def instants(rate: Rate, seconds: float, seed: int, *purpose: object) -> Iterator[int]:
    """Microseconds from the beginning of the phase, in order, all before its end.

    `purpose` makes two operations of one rate independent of each other.
    """
    end = math.ceil(seconds * _MICROS) - 1
    if rate.arrivals == "minute":
        found = _on_the_minute(rate, seconds, seed, *purpose)
    elif rate.arrivals == "poisson":
        found = _at(_stretches(rate, seconds), _poisson(seed, *purpose))
    else:
        found = _at(_stretches(rate, seconds), _even(seed, *purpose))
    for one in found:
        yield min(int(one * _MICROS), end)


def _numbered(
    operation: str, first: int, offset: int, found: Iterator[int], counted: Counter[str]
) -> Iterator[Due]:
    for number, micros in enumerate(found, start=first):
        counted[operation] += 1
        yield Due(offset + micros, operation, number)


def _even(seed: int, *purpose: object) -> Iterator[float]:
    """Areas under the rate at which calls are due: one apart, the first anywhere in the first."""
    first = draws(seed, "phase", *purpose).random()
    return (first + number for number in itertools.count())


def _poisson(seed: int, *purpose: object) -> Iterator[float]:
    draw = draws(seed, "poisson", *purpose)
    area = 0.0
    while True:
        area += draw.expovariate(1.0)
        yield area


def _whole(area: float, first: float) -> int:
    """How many of `first`, `first` + 1, … are below `area`, rounded as they are."""
    found = max(0, math.ceil(area - first))
    if found and first + (found - 1) >= area:
        return found - 1
    return found + 1 if first + found < area else found


def _at(stretches: Iterator[_Stretch], areas: Iterator[float]) -> Iterator[float]:
    """The seconds at which the area under the rate reaches each of `areas`."""
    before, area = 0.0, next(areas)
    for one in stretches:
        after = before + one.area
        slope = (one.last - one.first) / (one.end - one.begin)
        while area < after:
            left = area - before
            # The root of first·s + slope·s²/2 = left that stays exact for a slope near 0.
            root = math.sqrt(max(0.0, one.first**2 + 2 * slope * left))
            yield min(one.begin + 2 * left / (one.first + root), one.end) if left else one.begin
            area = next(areas)
        before = after


def _on_the_minute(rate: Rate, seconds: float, seed: int, *purpose: object) -> Iterator[float]:
    """A minute's calls stand at its beginning, each where it falls within the spread."""
    first = draws(seed, "phase", *purpose).random()
    done = 0
    whole = list(_stretches(rate, seconds))
    for minute in range(math.ceil(seconds / rate.minute_seconds)):
        begin = minute * rate.minute_seconds
        end = min(begin + rate.minute_seconds, seconds)
        area = sum(_part(one, 0.0, end) for one in whole)
        until = _whole(area, first)
        spread = min(rate.spread_seconds, end - begin)
        draw = draws(seed, "minute", *purpose, minute)
        yield from sorted(begin + draw.uniform(0.0, spread) for _ in range(until - done))
        done = until


def _part(one: _Stretch, begin: float, end: float) -> float:
    """The area of a stretch between two instants."""
    low, high = max(one.begin, begin), min(one.end, end)
    if high <= low:
        return 0.0
    if high == one.end and low == one.begin:
        return one.area
    slope = (one.last - one.first) / (one.end - one.begin)
    middle = one.first + slope * ((low + high) / 2 - one.begin)
    return (high - low) * middle


def _stretches(rate: Rate, seconds: float) -> Iterator[_Stretch]:
    match rate.profile:
        case "constant":
            yield _Stretch(0.0, seconds, rate.rate, rate.rate)
        case "ramp":
            yield _Stretch(0.0, seconds, rate.rate, rate.rate if rate.to is None else rate.to)
        case "diurnal" if rate.factor == 1:
            yield from _day(rate, seconds)
        case "diurnal":
            yield from _bursts(rate, _day(rate, seconds))
        case "burst":
            yield from _bursts(rate, [_Stretch(0.0, seconds, rate.rate, rate.rate)])


def _day(rate: Rate, seconds: float) -> Iterator[_Stretch]:
    hours = len(rate.hours)
    length = rate.day_seconds / hours
    average = sum(rate.hours) / hours
    first = rate.from_hour * hours / 24
    number, begin = int(first), 0.0
    while begin < seconds:
        end = min((number + 1 - first) * length, seconds)
        now = rate.rate * rate.hours[number % hours] / average
        if end > begin:
            yield _Stretch(begin, end, now, now)
        number, begin = number + 1, end


def _bursts(rate: Rate, level: Iterable[_Stretch]) -> Iterator[_Stretch]:
    """Level stretches, cut where bursts begin and end."""
    number = 0
    for whole in level:
        begin = whole.begin
        while begin < whole.end:
            quiet_until = (number + 1) * rate.every_seconds - rate.for_seconds
            burst = begin >= quiet_until
            period = (number + 1) * rate.every_seconds
            end = min(period if burst else quiet_until, whole.end)
            now = whole.first * rate.factor if burst else whole.first
            if end > begin:
                yield _Stretch(begin, end, now, now)
            if burst and end >= period:
                number += 1
            begin = end
