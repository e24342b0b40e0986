"""Two runs against each other: per operation and percentile the ratio B/A and how sure it is.

The confidence interval is a circular moving-block bootstrap over the 1 s intervals of each run:
blocks of ∛n seconds are drawn with replacement, because a slow second is followed by another, the
percentile of each draw's merged histogram is taken, and the interval holds 99 % of the ratios (of
many comparisons few may be wrong by chance). It is seeded. A ratio is a difference when its whole
interval is on one side of 1 and it is at least 5 %. It speaks of these two runs: what differs from
one run to the next on the same machine is not in it.
"""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hdrh.histogram import HdrHistogram

from loadtests.driver.result import FRESHNESS, MERGED, Result, Run
from loadtests.report import histograms, measure, page
from loadtests.report.few import ENOUGH_BEYOND

Difference = Literal["better", "worse", "no difference", "too few calls"]
Outcome = Literal[
    "better", "worse", "no difference", "not all compared", "nothing compared", "invalid"
]
Values = list[tuple[int, int]]

PERCENTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99.9": 99.9}
CONFIDENCE = 0.99
LEAST = 0.05
DRAWS = 500
# Of all that is told of a machine, this is not the machine's.
_LOAD = "load_1min"


@dataclass(frozen=True, slots=True)
class Row:
    """One operation's percentile; `a` and `b` in milliseconds, `low` to `high` holds the ratio."""

    name: str
    percentile: str
    a: float
    b: float
    ratio: float
    low: float
    high: float
    verdict: Difference


@dataclass(frozen=True, slots=True)
class Comparison:
    """`warnings` say why the two can hardly be compared; with an INVALID run they cannot be.
    `gaps` name each operation and effect of which not one percentile was compared, and why."""

    a: str
    b: str
    rows: tuple[Row, ...]
    warnings: tuple[str, ...]
    gaps: tuple[str, ...]
    valid: bool

    @property
    def verdict(self) -> Outcome:
        """Worse when anything is worse; that nothing is says little where something is missing."""
        if not self.valid:
            return "invalid"
        verdicts = {row.verdict for row in self.rows}
        if "worse" in verdicts:
            return "worse"
        if verdicts <= {"too few calls"}:
            return "nothing compared"
        if self.gaps:
            return "not all compared"
        return "better" if "better" in verdicts else "no difference"


@dataclass(frozen=True, slots=True)
class _Side:
    """One run's responses and freshness by tag: merged, and by second."""

    totals: dict[str, HdrHistogram]
    seconds: dict[str, list[Values]]


def compare(a: Path, b: Path, seed: int = 1, draws: int = DRAWS) -> Comparison:
    """Raises ResultError for a folder that is no run's."""
    runs = Run.read(a), Run.read(b)
    sides = _side(a), _side(b)
    common = sorted(sides[0].totals.keys() & sides[1].totals.keys())
    rows = [row for tag in common for row in _rows(tag, *sides, seed, draws)]
    results = Result.read_if_there(a), Result.read_if_there(b)
    valid = all(one is None or one.verdict != "INVALID" for one in results)
    warnings, gaps = _warnings(a, b, *runs), _gaps(*sides, rows)
    return Comparison(str(a), str(b), tuple(rows), tuple(warnings), tuple(gaps), valid)


def _side(folder: Path) -> _Side:
    if not (folder / MERGED).exists():
        measure(folder)
    totals: dict[str, HdrHistogram] = {}
    seconds: dict[str, list[Values]] = defaultdict(list)
    for log in (folder / MERGED, folder / FRESHNESS):
        for one in histograms.read(log) if log.exists() else ():
            if log.name == FRESHNESS or one.tag.endswith("|response"):
                histograms.add(totals, one.tag, one.histogram)
                seconds[one.tag].append(histograms.counts(one.histogram))
    return _Side(totals, dict(seconds))


def _gaps(a: _Side, b: _Side, rows: Sequence[Row]) -> list[str]:
    gaps = []
    for one, other, name in ((a, b, "A"), (b, a, "B")):
        only = sorted(one.totals.keys() - other.totals.keys())
        gaps += [f"{_name(tag)} is in {name} only" for tag in only]
    verdicts: dict[str, set[Difference]] = defaultdict(set)
    for row in rows:
        verdicts[row.name].add(row.verdict)
    gaps += [
        f"{name} has too few calls for any percentile"
        for name, found in verdicts.items()
        if found == {"too few calls"}
    ]
    return gaps


def _name(tag: str) -> str:
    name, _, kind = tag.rpartition("|")
    return f"{name} {kind}"


def _rows(tag: str, a: _Side, b: _Side, seed: int, draws: int) -> list[Row]:
    drawn = []
    for number, side in enumerate((a, b)):
        chance = random.Random(f"{seed}/{number}/{tag}")
        drawn.append([_percentiles(one) for one in _draws(side.seconds[tag], chance, draws)])
    rows = []
    for percentile, share in PERCENTILES.items():
        value_a, value_b = (
            side.totals[tag].get_value_at_percentile(share) / 1000 for side in (a, b)
        )
        ratios = sorted(
            max(1, two[percentile]) / max(1, one[percentile])
            for one, two in zip(*drawn, strict=True)
        )
        outside = (1 - CONFIDENCE) / 2
        low = ratios[math.floor(outside * (len(ratios) - 1))]
        high = ratios[math.ceil((1 - outside) * (len(ratios) - 1))]
        ratio = max(0.001, value_b) / max(0.001, value_a)
        calls = min(side.totals[tag].get_total_count() for side in (a, b))
        verdict = _difference(ratio, low, high, enough=calls * (100 - share) / 100 >= ENOUGH_BEYOND)
        rows.append(Row(_name(tag), percentile, value_a, value_b, ratio, low, high, verdict))
    return rows


def _difference(ratio: float, low: float, high: float, enough: bool) -> Difference:
    if not enough:
        return "too few calls"
    if low > 1 and ratio >= 1 + LEAST:
        return "worse"
    if high < 1 and ratio <= 1 / (1 + LEAST):
        return "better"
    return "no difference"


def _draws(seconds: Sequence[Values], chance: random.Random, draws: int) -> list[Values]:
    """Each a merged histogram of as many seconds as there are."""
    count = len(seconds)
    long = max(1, round(count ** (1 / 3)))
    blocks = []
    for first in range(count):
        block: Counter[int] = Counter()
        for offset in range(long):
            for value, times in seconds[(first + offset) % count]:
                block[value] += times
        blocks.append(list(block.items()))
    drawn = []
    for _ in range(draws):
        merged: defaultdict[int, int] = defaultdict(int)
        for block_of in chance.choices(blocks, k=math.ceil(count / long)):
            for value, times in block_of:
                merged[value] += times
        drawn.append(sorted(merged.items()))
    return drawn


def _percentiles(values: Values) -> dict[str, int]:
    """Of values in order, by nearest rank as HdrHistogram has it."""
    total = sum(times for _, times in values)
    found: dict[str, int] = {}
    wanted = iter(PERCENTILES.items())
    name, share = next(wanted)
    seen = 0
    for value, times in values:
        seen += times
        while seen >= max(1, int(share * total / 100 + 0.5)):
            found[name] = value
            following = next(wanted, None)
            if following is None:
                return found
            name, share = following
    return found


def _warnings(a: Path, b: Path, run_a: Run, run_b: Run) -> list[str]:
    warnings = []
    for folder in (a, b):
        result = Result.read_if_there(folder)
        if result is None:
            warnings.append(f"{folder} was not judged")
        elif result.verdict == "INVALID":
            warnings.append(f"{folder} is INVALID: its figures say nothing")
    same: dict[str, Callable[[Run], object]] = {
        "scenario": lambda run: run.scenario,
        "scenario's file": lambda run: run.text,
        "seed": lambda run: run.seed,
        "machine": lambda run: {
            name: value for name, value in run.machine.items() if name != _LOAD
        },
        "number of shards": lambda run: run.shards,
    }
    for what, of in same.items():
        if of(run_a) != of(run_b):
            warnings.append(f"not the same {what}")
    return warnings


def text(comparison: Comparison) -> str:
    lines = [f"A {comparison.a}", f"B {comparison.b}"]
    lines += [f"warning: {one}" for one in comparison.warnings]
    lines += [f"not compared: {one}" for one in comparison.gaps]
    wide = max((len(row.name) for row in comparison.rows), default=9)
    header = f"{'operation':{wide}}  {'':5}  {'A ms':>9}  {'B ms':>9}  {'B/A':>6}  99 % of ratios"
    lines += ["", header]
    lines += [
        f"{row.name:{wide}}  {row.percentile:5}  {page.short(row.a):>9}  {page.short(row.b):>9}"
        f"  {row.ratio:6.3f}  {row.low:6.3f} to {row.high:6.3f}  {row.verdict}"
        for row in comparison.rows
    ]
    method = (__doc__ or "").strip().partition("\n\n")[2]
    return "\n".join([*lines, "", f"B against A: {comparison.verdict}", "", method]) + "\n"


def html(comparison: Comparison) -> str:
    ends = [abs(math.log(edge)) for row in comparison.rows for edge in (row.low, row.high)]
    most = min(math.log(4), max([math.log(1.5), *ends]) * 1.05)

    def place(ratio: float) -> float:
        return round(110 * (1 + max(-1, min(1, math.log(ratio) / most))), 1)

    return page.render(
        "compare.html.j2",
        None,
        comparison=comparison,
        place=place,
        method=(__doc__ or "").strip().partition("\n\n")[2],
    )
