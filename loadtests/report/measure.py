"""From a run's folder to its figures and the series that are drawn; writes merged.hlog."""

import gzip
import json
import math
import zlib
from array import array
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
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
    EventSample,
    Figures,
    FreshnessFigures,
    LagSample,
    OperationFigures,
    PhaseFigures,
    Recovery,
    ResourceSample,
    ResultError,
    Run,
    read_samples,
)
from loadtests.report import handled, histograms, recovery
from loadtests.report.slopes import slopes

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
    not_ok: Counter[int] = field(default_factory=Counter)
    """By second of their intended instant."""
    took: "dict[int, array[int]]" = field(default_factory=dict)
    """Response times in microseconds by second of their intended instant; only of a run with
    faults."""

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
    phases = _Phases(run)
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
            phases.add(interval)
    calls = _calls(shards, zero, keep=bool(run.faults))
    long = _seconds(run)
    names = {tag.rpartition("|")[0] for tag in totals if tag not in effects}
    figures = Figures(
        seconds=long,
        shards=len(shards),
        operations=tuple(
            _operation(name, run, long, totals, calls.get(name, Calls()))
            for name in sorted(names | set(calls) | set(run.planned))
        ),
        freshness=_freshness({tag: totals[tag] for tag in effects}),
        phases=phases.figures(),
        events=handled.events(read_samples(EventSample, folder), run.began.timestamp()),
        time_lags=handled.time_lags(read_samples(LagSample, folder), run.began.timestamp()),
        recoveries=_recoveries(folder, run, calls, seconds),
        slopes=slopes(read_samples(ResourceSample, folder)),
    )
    return Measured(figures, totals, dict(seconds), calls)


class _Phases:
    """Effects by the phase in which the middle of their second is, since of a second no more is
    known; of those in which the phases begin and end, by the first and the last."""

    def __init__(self, run: Run) -> None:
        self._names = [one.name for one in run.phases]
        self._begins = [one.began.timestamp() for one in run.phases]
        self._ended = run.phases[-1].ended.timestamp() if run.phases else 0.0
        self._totals: dict[str, dict[str, HdrHistogram]] = {name: {} for name in self._names}

    def add(self, interval: histograms.Interval) -> None:
        if self._begins and math.floor(self._begins[0]) <= interval.second < self._ended:
            begun = bisect_right(self._begins, interval.second + 0.5)
            name = self._names[max(0, begun - 1)]
            histograms.add(self._totals[name], interval.tag, interval.histogram)

    def figures(self) -> tuple[PhaseFigures, ...]:
        return tuple(
            PhaseFigures(name=name, freshness=_freshness(totals))
            for name, totals in self._totals.items()
        )


def _freshness(totals: Mapping[str, HdrHistogram]) -> tuple[FreshnessFigures, ...]:
    return tuple(
        FreshnessFigures(
            effect=tag.rpartition("|")[0],
            priority=tag.rpartition("|")[2],
            freshness=histograms.percentiles(totals[tag]),
        )
        for tag in sorted(totals)
    )


def _recoveries(
    folder: Path,
    run: Run,
    calls: Mapping[str, Calls],
    seconds: Mapping[str, Mapping[int, list[tuple[int, int]]]],
) -> tuple[Recovery, ...] | None:
    zero = run.began.timestamp()
    course = recovery.Course(
        seconds=int(_seconds(run)),
        lags={
            f"time lag of {service} {topic}": line
            for (service, topic), line in recovery.lags(
                read_samples(LagSample, folder), int(zero)
            ).items()
        },
    )
    for name, one in calls.items():
        course.not_ok.update(one.not_ok)
        course.took[f"response of {name}"] = {
            second: _p99([(value, 1) for value in sorted(values)])
            for second, values in one.took.items()
        }
    for tag, by_second in seconds.items():
        effect, _, priority = tag.rpartition("|")
        if priority == "urgent":
            course.took[f"freshness of {effect}"] = {
                second: _p99(values) for second, values in by_second.items()
            }
    return recovery.recoveries(course, run.faults, int(zero))


def _p99(values: Sequence[tuple[int, int]]) -> float:
    """Of values in microseconds and how often each was, in order: the nearest rank, seconds."""
    left = math.ceil(0.99 * sum(count for _, count in values))
    for value, count in values:
        left -= count
        if left <= 0:
            return value / _MICRO
    return 0.0


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


def _calls(shards: list[Path], zero: int, *, keep: bool) -> dict[str, Calls]:
    calls: dict[str, Calls] = defaultdict(Calls)
    for shard in shards:
        for line in _history(shard / HISTORY):
            one = calls[line["op"]]
            second = line["intended"] // _MICRO - zero
            one.intended[second] += 1
            ended = line["done"] or line["sent"]  # nobody knows when an unknown call was done
            if line["status"] != "ok":
                one.not_ok[second] += 1
            if keep:
                one.took.setdefault(second, array("q")).append(ended - line["intended"])
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
