"""What the command prints."""

import json
from collections.abc import Mapping, Sequence
from statistics import median

from services.cameras.benchmarks.job import Result


def say(text: str) -> None:
    print(text, flush=True)


def one(name: str, number: int, events: int, result: Result, alarms: int) -> str:
    """A run, as it ends."""
    return (
        f"round {number + 1}  {name:<14} {events / result.wall:>8,.0f} events/s"
        f"  {result.cpu / events * 1e6:>6.1f} µs CPU/event"
        f"  {alarms} alarms"
    )


def summary(
    results: Mapping[str, Sequence[Result]], events: int, alarms: int, base: str
) -> list[str]:
    """A table of medians, then the same as one line of JSON.

    Per core: events by the CPU seconds of the process; by the clock: its waits are in it. Ratios
    are to `base`, of medians. Spread: highest minus lowest, as a share of the median.
    """
    figures: dict[str, dict[str, float]] = {}
    for name, runs in results.items():
        per_core = [events / run.cpu for run in runs]
        by_clock = [events / run.wall for run in runs]
        figures[name] = {
            "per_core": round(median(per_core)),
            "spread": round((max(per_core) - min(per_core)) / median(per_core), 2),
            "by_clock": round(median(by_clock)),
            "spread_by_clock": round((max(by_clock) - min(by_clock)) / median(by_clock), 2),
            "cpu_us": round(1e6 / median(per_core), 1),
        }
    if base in figures:
        for figure in figures.values():
            figure["ratio"] = round(figure["per_core"] / figures[base]["per_core"], 2)
            figure["ratio_by_clock"] = round(figure["by_clock"] / figures[base]["by_clock"], 2)
    lines = [
        "",
        f"{events:,} detections, {alarms} alarms, the same of all contenders",
        f"{'':<14} {'per core':>10} {'spread':>7} {'ratio':>6} {'by clock':>10} {'spread':>7}"
        f" {'ratio':>6} {'µs CPU':>7}",
    ]
    for name, figure in figures.items():
        lines.append(
            f"{name:<14} {figure['per_core']:>10,} {figure['spread']:>7.0%}"
            f" {figure.get('ratio', 0):>6.2f} {figure['by_clock']:>10,}"
            f" {figure['spread_by_clock']:>7.0%} {figure.get('ratio_by_clock', 0):>6.2f}"
            f" {figure['cpu_us']:>7.1f}"
        )
    return [*lines, json.dumps({"events": events, "alarms": alarms, "contenders": figures})]
