"""What the city's analytics think they see: a function of seed, rates and time, and nothing of it
an alarm but the false alarms."""

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from loadtests.city.cameras.estate import Camera, Site, estate
from loadtests.city.cameras.kinds import Box, Detection, Fault, Kind, Purpose
from loadtests.city.cameras.places import DONGS
from loadtests.city.cameras.presence import silent
from loadtests.city.cameras.rates import (
    BOXLESS_SHARE,
    BURST_CHANCE,
    BURST_FACTOR,
    BURST_SECONDS,
    BURST_WINDOW_SECONDS,
    DETECTIONS_PER_SECOND,
    FALSE_ALARM_CONFIDENCE,
    FALSE_ALARM_DWELLS,
    FALSE_ALARM_SHARES,
    HABITS,
    INTERVAL_SECONDS,
    KIND_SHARES,
    MALFORMED_SHARE,
    SECOND_WITNESS_SECONDS,
    SECOND_WITNESS_SHARE,
    SHORTEST_DWELL,
    Habit,
)
from loadtests.city.seeded import draws

BLOCK_SECONDS = 10
# The longest track: 1.6 dwells of a minute, and its second witness.
_LONGEST_SECONDS = 100
_SEOUL = timedelta(hours=9)
_MICROS = 1_000_000
_FUTURE_MICROS = 600 * _MICROS
_SAMPLES = 200


@dataclass(frozen=True, slots=True)
class Load:
    """How much is seen: `rate` is the share of the normal rate, false alarms are beside it."""

    seed: int
    rate: float
    alarms_per_hour: float


@dataclass(frozen=True, slots=True)
class Burst:
    """From `start` to `end`, epoch seconds, `dong` sees more, so that the city sees `factor`."""

    start: float
    end: float
    dong: str
    factor: float


def detections(load: Load, second: int) -> tuple[Detection, ...]:
    """Everything seen from epoch second `second` until the next, by time.

    Per camera, kind and track in order; slices of any seconds, made in any order, agree.
    """
    last = second // BLOCK_SECONDS
    first = (second - _LONGEST_SECONDS) // BLOCK_SECONDS
    found = [
        one for number in range(first, last + 1) for one in _block(load, number).get(second, ())
    ]
    return tuple(sorted(found, key=lambda one: (one.micros, one.camera_id, one.track_id)))


def expected_rate(second: int) -> float:
    """Detections a second that the whole city has at the normal rate, without bursts."""
    hour = (datetime.fromtimestamp(second, UTC) + _SEOUL).hour
    return DETECTIONS_PER_SECOND[hour]


@lru_cache(maxsize=64)
def burst_in(seed: int, window: int) -> Burst | None:
    """The burst that begins and ends within the window of that number, if it has one."""
    draw = draws(seed, "burst", window)
    if draw.random() >= BURST_CHANCE:
        return None
    length = draw.uniform(*BURST_SECONDS)
    start = window * BURST_WINDOW_SECONDS + draw.uniform(0, BURST_WINDOW_SECONDS - length)
    return Burst(start, start + length, draw.choice(DONGS).name, draw.uniform(*BURST_FACTOR))


@lru_cache(maxsize=64)
def _block(load: Load, number: int) -> Mapping[int, Sequence[Detection]]:
    """Detections of the tracks that begin in the block, by second."""
    draw = draws(load.seed, "block", load.rate, load.alarms_per_hour, number)
    start = number * BLOCK_SECONDS
    seen: defaultdict[int, list[Detection]] = defaultdict(list)
    tracks = [*_usual(draw, load, start), *_false_alarms(draw, load, start)]
    for index, track in enumerate(tracks):
        for one in track.detections(draw, f"{number:x}-{index}"):
            if not silent(load.seed, one.camera_id, one.micros // _MICROS):
                seen[one.micros // _MICROS].append(_spoilt(draw, one))
    return dict(seen)


@dataclass(frozen=True, slots=True)
class _Track:
    camera: Camera
    kind: Kind
    start: float
    seconds: float
    confidence: tuple[float, float]

    def detections(self, draw: random.Random, track_id: str) -> Iterator[Detection]:
        interval = INTERVAL_SECONDS[self.kind]
        box = _box(draw)
        for number in range(int(self.seconds / interval) + 1):
            yield Detection(
                camera_id=self.camera.camera_id,
                kind=self.kind,
                track_id=track_id,
                confidence=round(draw.uniform(*self.confidence), 3),
                box=box,
                micros=round((self.start + number * interval) * 1000) * 1000,
            )


def _usual(draw: random.Random, load: Load, start: int) -> Iterator[_Track]:
    found = estate(load.seed)
    kinds, kind_shares = tuple(KIND_SHARES), tuple(KIND_SHARES.values())
    habit_shares = [habit.share for habit in HABITS]
    tracks_per_second = load.rate * expected_rate(start) / _mean_detections()
    burst = burst_in(load.seed, start // BURST_WINDOW_SECONDS)
    for sites, rate, begin, end in _sources(found.background, tracks_per_second, burst, start):
        for at in _moments(draw, rate, begin, end):
            site = draw.choice(sites)
            habit = draw.choices(HABITS, habit_shares)[0]
            kind = draw.choices(kinds, kind_shares)[0]
            seconds = draw.uniform(*_seconds(habit, kind))
            yield _Track(draw.choice(site.cameras), kind, at, seconds, habit.confidence)


def _sources(
    sites: tuple[Site, ...], rate: float, burst: Burst | None, start: int
) -> Iterator[tuple[tuple[Site, ...], float, float, float]]:
    """Sites, tracks a second, begin and end: the whole city, and what a burst adds."""
    end = start + BLOCK_SECONDS
    yield sites, rate, start, end
    if burst is not None and burst.start < end and burst.end > start:
        there = tuple(site for site in sites if site.dong == burst.dong)
        yield there, rate * (burst.factor - 1), max(start, burst.start), min(end, burst.end)


def _false_alarms(draw: random.Random, load: Load, start: int) -> Iterator[_Track]:
    kinds, shares = tuple(FALSE_ALARM_SHARES), tuple(FALSE_ALARM_SHARES.values())
    rate = load.alarms_per_hour / 3600
    # In parks an intrusion is none by day; false alarms keep out of parks.
    sites = [s for s in estate(load.seed).background if s.purpose is not Purpose.PARK]
    for at in _moments(draw, rate, start, start + BLOCK_SECONDS):
        site, kind = draw.choice(sites), draw.choices(kinds, shares)[0]
        seconds = SHORTEST_DWELL[kind] * draw.uniform(*FALSE_ALARM_DWELLS)
        witnesses = draw.sample(site.cameras, len(site.cameras))
        yield _Track(witnesses[0], kind, at, seconds, FALSE_ALARM_CONFIDENCE)
        if len(witnesses) > 1 and draw.random() < SECOND_WITNESS_SHARE:
            later = at + draw.uniform(*SECOND_WITNESS_SECONDS)
            yield _Track(witnesses[1], kind, later, seconds, FALSE_ALARM_CONFIDENCE)


def _moments(draw: random.Random, rate: float, begin: float, end: float) -> Iterator[float]:
    """A Poisson process of `rate` a second."""
    at = begin
    while rate > 0 and (at := at + draw.expovariate(rate)) < end:
        yield at


def _seconds(habit: Habit, kind: Kind) -> tuple[float, float]:
    if habit.seconds is not None:
        return habit.seconds
    low, high = habit.dwells or (0.0, 0.0)
    return low * SHORTEST_DWELL[kind], high * SHORTEST_DWELL[kind]


@lru_cache(maxsize=1)
def _mean_detections() -> float:
    """Detections that a track of the usual kinds and habits has on average."""
    total = 0.0
    for habit in HABITS:
        for kind, share in KIND_SHARES.items():
            low, high = _seconds(habit, kind)
            counts = (
                int((low + (high - low) * (n + 0.5) / _SAMPLES) / INTERVAL_SECONDS[kind]) + 1
                for n in range(_SAMPLES)
            )
            total += habit.share * share * sum(counts) / _SAMPLES
    return total / (sum(h.share for h in HABITS) * sum(KIND_SHARES.values()))


def _box(draw: random.Random) -> Box | None:
    if draw.random() < BOXLESS_SHARE:
        return None
    width, height = round(draw.uniform(0.03, 0.2), 3), round(draw.uniform(0.05, 0.4), 3)
    x, y = round(draw.uniform(0, 1 - width), 3), round(draw.uniform(0, 1 - height), 3)
    return Box(x, y, width, height)


def _spoilt(draw: random.Random, one: Detection) -> Detection:
    """The detection, malformed at the share that rates.py gives."""
    return one if draw.random() >= MALFORMED_SHARE else spoilt(one, draw.choice(list(Fault)))


def spoilt(one: Detection, fault: Fault) -> Detection:
    """The detection with `fault`."""
    match fault:
        case Fault.UNKNOWN_CAMERA:
            return replace(one, camera_id=f"gone-{one.camera_id}", fault=fault)
        case Fault.OUT_OF_RANGE:
            return replace(one, confidence=1.0 + one.confidence, fault=fault)
        case Fault.NO_TRACK:
            return replace(one, track_id="", fault=fault)
        case Fault.FUTURE:
            return replace(one, micros=one.micros + _FUTURE_MICROS, fault=fault)
