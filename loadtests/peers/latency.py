"""Latency at a fixed rate: from an event's intended instant to what it led to being readable."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

from loadtests.driver.recorder import LONGEST, histogram
from loadtests.peers import wire
from loadtests.peers.figures import Ratio
from loadtests.peers.jobs.city import City, Told
from loadtests.peers.jobs.stage import Memory

E = TypeVar("E", bound=Hashable)
MICROS = 1_000_000
LAG_BUDGET_MS = 20.0
"""Of the harness's own sending, p99: above it a run says nothing about its contender."""


@dataclass(frozen=True)
class Paced:
    """One run. Milliseconds; lag: p99 of how late the harness sent; cpu: seconds per event."""

    p50: float
    p99: float
    lag: float
    seen: int
    cpu: float

    @property
    def valid(self) -> bool:
        return self.lag <= LAG_BUDGET_MS


class UnseenError(Exception):
    """What events lead to was not told."""


def causes(
    city: City, memory: Memory[object, object], values: Iterable[bytes]
) -> dict[Hashable, int]:
    """By effect the number of the event that leads to it, whatever batches they come in."""
    found: dict[Hashable, int] = {}
    for number, value in enumerate(values):
        for event in memory.take([value]):
            told = wire.told(wire.headers(event), wire.encoded(event))
            for effect in city.effects(told):
                found.setdefault(effect, number)
    return found


def intended(start: int, rate: float, number: int) -> int:
    """start: microseconds since 1970, of the event with number 0; rate: events a second."""
    return start + round(number * MICROS / rate)


def first_seen(city: City, seen: Iterable[tuple[int, Told]]) -> dict[Hashable, int]:
    """seen: microseconds and event, in their order."""
    found: dict[Hashable, int] = {}
    for at, told in seen:
        for effect in city.effects(told):
            found.setdefault(effect, at)
    return found


def paced(
    caused: Mapping[E, int],
    seen: Mapping[E, int],
    due: Sequence[int],
    sent: Sequence[int],
    warm: int,
    cpu: float,
) -> Paced:
    """due, sent: microseconds, by event. Events before `warm` do not count, but all must have led
    to what they lead to, or UnseenError."""
    missing = caused.keys() - seen.keys()
    if missing:
        raise UnseenError(f"{len(missing)} of {len(caused)} not told, one {next(iter(missing))}")
    response, lag = histogram(), histogram()
    for effect, number in caused.items():
        if number >= warm:
            response.record_value(min(max(seen[effect] - due[number], 0), LONGEST))
    for at, now in zip(due[warm:], sent[warm:], strict=True):
        lag.record_value(min(max(now - at, 0), LONGEST))
    return Paced(
        response.get_value_at_percentile(50) / 1000,
        response.get_value_at_percentile(99) / 1000,
        lag.get_value_at_percentile(99) / 1000,
        response.get_total_count(),
        cpu / len(due),
    )


def table(runs: Mapping[str, Sequence[Paced]], base: str) -> list[str]:
    """Ratios of each round to the base's; a run whose own sending was late is marked."""
    lines = [
        f"{'':<23}{'p50 ms':>9}{'ratio':>22}{'p99 ms':>9}{'ratio':>22}"
        f"{'µs CPU':>8}{'send lag':>10}{'effects':>9}",
    ]
    for name, some in runs.items():
        cells = []
        for figure in ("p50", "p99"):
            values = [getattr(one, figure) for one in some]
            ratio = ""
            if base in runs:
                ratio = str(Ratio.of(values, [getattr(one, figure) for one in runs[base]]))
            cells.append(f"{median(values):>9.1f}{ratio:>22}")
        late = sum(not one.valid for one in some)
        lines.append(
            f"{name:<23}{''.join(cells)}{median(one.cpu for one in some) * 1e6:>8.0f}"
            f"{max(one.lag for one in some):>7.1f} ms{min(one.seen for one in some):>9,}"
            + (f"  INVALID: {late} of {len(some)} sent late" if late else "")
        )
    return lines


def as_json(some: Sequence[Paced], base: Sequence[Paced] | None) -> dict[str, object]:
    found: dict[str, object] = {}
    for figure in ("p50", "p99"):
        values = [getattr(one, figure) for one in some]
        found[f"{figure}_ms"] = [round(one, 2) for one in values]
        if base:
            ratio = Ratio.of(values, [getattr(one, figure) for one in base])
            found[f"ratio_{figure}"] = [
                round(one, 3) for one in (ratio.median, ratio.least, ratio.most)
            ]
    found["lag_p99_ms"] = [round(one.lag, 2) for one in some]
    found["valid"] = all(one.valid for one in some)
    return found
