"""From what was measured to what the page draws: small lists of numbers, ready for JSON."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from loadtests.driver.resources import OTHERS
from loadtests.driver.result import LagSample, ResourceSample, Run, read_samples
from loadtests.report import histograms
from loadtests.report.measure import STATUSES, Calls, Measured

Numbers = list[float | None]

_MICRO_PER_MILLI = 1000
_ROWS_PER_DECADE = 10
_COLUMNS = 300
_POINTS = 600


def drawn(folder: Path, run: Run, measured: Measured) -> dict[str, Any]:
    """Times are seconds since the run began, latencies milliseconds."""
    zero = run.began.timestamp()
    seconds = max(1, math.ceil(run.ended.timestamp() - zero))
    return {
        "began": zero,
        "seconds": seconds,
        "phases": [
            {"name": one.name, "from": one.began.timestamp() - zero, "to": _end(one, zero)}
            for one in run.phases
        ],
        "faults": [
            {
                "name": f"{one.kind} {one.target}".strip(),
                "from": one.began.timestamp() - zero,
                "to": seconds if one.ended is None else one.ended.timestamp() - zero,
            }
            for one in run.faults
        ],
        "views": _views(measured, seconds),
        "lag": _lag(read_samples(LagSample, folder), zero, seconds),
        "resources": _resources(read_samples(ResourceSample, folder), zero, seconds),
    }


def _end(phase: Any, zero: float) -> float:
    return float(phase.ended.timestamp() - zero)


def _views(measured: Measured, seconds: int) -> list[dict[str, Any]]:
    """What can be chosen on the page: operations first, then effects of freshness."""
    views: list[dict[str, Any]] = []
    for one in measured.figures.operations:
        views.append(
            {
                "name": one.name,
                "curves": [
                    {"name": kind, "points": histograms.curve(measured.totals[tag])}
                    for kind in ("response", "service")
                    if (tag := f"{one.name}|{kind}") in measured.totals
                ],
                "heat": _heat(measured.seconds.get(f"{one.name}|response", {}), seconds),
                "rates": _rates(measured.calls.get(one.name, Calls()), seconds),
            }
        )
    for effect in measured.figures.freshness:
        tag = f"{effect.effect}|{effect.priority}"
        views.append(
            {
                "name": f"{effect.effect} ({effect.priority})",
                "curves": [{"name": "freshness", "points": histograms.curve(measured.totals[tag])}],
                "heat": _heat(measured.seconds.get(tag, {}), seconds),
                "rates": None,
            }
        )
    return views


def _heat(by_second: Mapping[int, list[tuple[int, int]]], seconds: int) -> dict[str, Any]:
    """Cells (column, row, count): a column is `step` seconds, a row a tenth of a decade of
    latency, row 0 beginning at 1 ms."""
    step = max(1, math.ceil(seconds / _COLUMNS))
    cells: dict[tuple[int, int], int] = defaultdict(int)
    for second, values in by_second.items():
        for value, count in values:
            millis = max(1, value) / _MICRO_PER_MILLI
            row = math.floor(math.log10(millis) * _ROWS_PER_DECADE + 1e-9)
            cells[second // step, row] += count
    return {"step": step, "cells": [[*place, cells[place]] for place in sorted(cells)]}


def _rates(calls: Calls, seconds: int) -> dict[str, Any]:
    step = max(1, math.ceil(seconds / _POINTS))
    columns = math.ceil(seconds / step)

    def rate(by_second: Mapping[int, int]) -> list[float]:
        sums = [0] * columns
        for second, count in by_second.items():
            # What ends after the run was planned to end belongs to its last second.
            sums[min(columns - 1, max(0, second // step))] += count
        return [round(one / step, 3) for one in sums]

    return {
        "x": [column * step for column in range(columns)],
        "intended": rate(calls.intended),
        **{status: rate(calls.done[status]) for status in STATUSES},
    }


def _table(samples: Mapping[str, Mapping[int, float]], step: int) -> dict[str, Any]:
    """Several lines over one x; None where a line has no sample."""
    columns = sorted({column for line in samples.values() for column in line})
    return {
        "x": [column * step for column in columns],
        "lines": [
            {"name": name, "y": [line.get(column) for column in columns]}
            for name, line in sorted(samples.items())
        ],
    }


def _lag(samples: Iterable[LagSample], zero: float, seconds: int) -> dict[str, Any]:
    step = max(1, math.ceil(seconds / _POINTS))
    worst: dict[str, dict[int, float]] = defaultdict(dict)
    for one in samples:
        line, column = worst[f"{one.service} · {one.topic}"], int((one.at - zero) // step)
        line[column] = max(line.get(column, 0.0), round(one.seconds, 4))
    return _table(worst, step)


def _resources(samples: Iterable[ResourceSample], zero: float, seconds: int) -> dict[str, Any]:
    """A table each; the last sample of a column counts, CPU is the mean since the one before."""
    step = max(1, math.ceil(seconds / _POINTS))
    last: dict[str, dict[int, ResourceSample]] = defaultdict(dict)
    for one in samples:
        last[one.process][int((one.at - zero) // step)] = one
    cores: dict[str, dict[int, float]] = defaultdict(dict)
    for process, line in last.items():
        columns = sorted(line)
        for before, column in pairwise(columns):
            past, now = line[before], line[column]
            used = now.cpu_seconds - past.cpu_seconds
            if used >= 0 and now.at > past.at:  # less than before: the process was started anew
                cores[process][column] = round(used / (now.at - past.at), 4)

    def table(value: Any) -> dict[str, Any]:
        return _table(
            {
                process: {column: value(one) for column, one in line.items()}
                for process, line in last.items()
                if process != OTHERS
            },
            step,
        )

    return {
        "cpu": _table(cores, step),
        "memory": table(lambda one: round(one.rss / 2**20, 2)),
        "descriptors": table(lambda one: one.fds),
        "threads": table(lambda one: one.threads),
    }
