"""From a run's folder to its figures and the series that are drawn; writes merged.hlog."""

import gzip
import json
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from hdrh.histogram import HdrHistogram

from loadtests.driver.result import (
    FRESHNESS,
    HISTORY,
    INTERVALS,
    MERGED,
    SHARDS,
    Figures,
    FreshnessFigures,
    OperationFigures,
    ResultError,
    Run,
)
from loadtests.report import histograms

KINDS = ("response", "service", "lag")
STATUSES = ("ok", "failed", "unknown")
_MICRO = 1_000_000


@dataclass(slots=True)
class Calls:
    """One operation's calls by second of the run: when they were intended, when they were done."""

    intended: Counter[int] = field(default_factory=Counter)
    done: dict[str, Counter[int]] = field(
        default_factory=lambda: {status: Counter() for status in STATUSES}
    )

    def count(self, status: str) -> int:
        return self.done[status].total()


@dataclass(slots=True)
class Measured:
    """`totals` are whole histograms by tag; `seconds` are counts of values by tag and second of the
    run, for what is drawn over time: response and freshness."""

    figures: Figures
    totals: dict[str, HdrHistogram]
    seconds: dict[str, dict[int, list[tuple[int, int]]]]
    calls: dict[str, Calls]


def measure(folder: Path, run: Run | None = None) -> Measured:
    """Raises ResultError for a file that cannot be read; a missing shard is only counted."""
    run = run or Run.read(folder)
    zero = int(run.began.timestamp())
    shards = sorted(one for one in (folder / SHARDS).glob("*") if (one / INTERVALS).exists())
    totals: dict[str, HdrHistogram] = {}
    seconds: dict[str, dict[int, list[tuple[int, int]]]] = defaultdict(dict)
    effects = set()
    with histograms.writing(folder / MERGED, run.began.timestamp()) as merged:
        for interval in histograms.merge([histograms.read(one / INTERVALS) for one in shards]):
            merged.write(interval)
            histograms.add(totals, interval.tag, interval.histogram)
            if interval.tag.endswith("|response"):
                drawn = histograms.counts(interval.histogram)
                seconds[interval.tag][interval.second - zero] = drawn
    if (folder / FRESHNESS).exists():
        for interval in histograms.merge([histograms.read(folder / FRESHNESS)]):
            effects.add(interval.tag)
            histograms.add(totals, interval.tag, interval.histogram)
            seconds[interval.tag][interval.second - zero] = histograms.counts(interval.histogram)
    calls = _calls(shards, zero)
    long = _seconds(run)
    names = {tag.rpartition("|")[0] for tag in totals if tag not in effects}
    figures = Figures(
        seconds=long,
        shards=len(shards),
        operations=tuple(
            _operation(name, run, long, totals, calls.get(name, Calls()))
            for name in sorted(names | set(calls) | set(run.planned))
        ),
        freshness=tuple(
            FreshnessFigures(
                effect=tag.rpartition("|")[0],
                priority=tag.rpartition("|")[2],
                freshness=histograms.percentiles(totals[tag]),
            )
            for tag in sorted(effects)
        ),
    )
    return Measured(figures, totals, dict(seconds), calls)


def _operation(
    name: str, run: Run, long: float, totals: dict[str, HdrHistogram], calls: Calls
) -> OperationFigures:
    intended = run.planned.get(name, calls.intended.total())
    response, service, lag = (
        histograms.percentiles(totals.get(f"{name}|{kind}")) for kind in KINDS
    )
    counted = {status: calls.count(status) for status in STATUSES}
    return OperationFigures(
        name=name,
        intended=intended,
        sent=sum(counted.values()),
        ok=counted["ok"],
        failed=counted["failed"],
        unknown=counted["unknown"],
        intended_rate=intended / long,
        achieved_rate=counted["ok"] / long,
        response=response,
        service=service,
        lag=lag,
    )


def _seconds(run: Run) -> float:
    began: datetime = run.phases[0].began if run.phases else run.began
    ended: datetime = run.phases[-1].ended if run.phases else run.ended
    return max(0.001, (ended - began).total_seconds())


def _calls(shards: list[Path], zero: int) -> dict[str, Calls]:
    calls: dict[str, Calls] = defaultdict(Calls)
    for shard in shards:
        for line in _history(shard / HISTORY):
            one = calls[line["op"]]
            one.intended[line["intended"] // _MICRO - zero] += 1
            ended = line["done"] or line["sent"]  # nobody knows when an unknown call was done
            one.done[line["status"]][ended // _MICRO - zero] += 1
    return dict(calls)


def _history(path: Path) -> Iterator[dict[str, Any]]:
    if not path.exists():
        return
    number = 0
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):  # noqa: B007
                one = json.loads(line)
                if one["status"] not in STATUSES:
                    raise ValueError(f"status {one['status']}")
                yield one
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise ResultError(f"{path}, after line {number}: {error!r}") from error
