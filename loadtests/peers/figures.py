"""What runs come to: medians, spreads, ratios to the base by round."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from loadtests.peers.task import Result


@dataclass(frozen=True)
class Ratio:
    """Of each round, since both of a round ran under the same neighbours."""

    median: float
    least: float
    most: float

    @staticmethod
    def of(values: Sequence[float], base: Sequence[float]) -> "Ratio":
        """Rounds in which one has no run are left out; at least one must remain."""
        ratios = [one / other for one, other in zip(values, base, strict=False)]
        return Ratio(median(ratios), min(ratios), max(ratios))

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.least:.2f}-{self.most:.2f})"


@dataclass(frozen=True)
class Figures:
    """A contender's runs of `events` each; events a second of CPU and of the clock."""

    per_core: Sequence[float]
    by_clock: Sequence[float]
    rss: float
    pss: float

    @staticmethod
    def of(runs: Sequence[Result], events: int) -> "Figures":
        return Figures(
            [events / run.cpu for run in runs],
            [events / run.wall for run in runs],
            median(run.rss for run in runs),
            median(run.pss for run in runs),
        )


def spread(values: Sequence[float]) -> float:
    """Highest minus lowest, as a share of the median."""
    return (max(values) - min(values)) / median(values)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-int(share * 1000 * len(ordered)) // 1000) - 1))]


def as_json(figures: Figures, base: Figures | None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "per_core": [round(one) for one in figures.per_core],
        "by_clock": [round(one) for one in figures.by_clock],
        "cpu_us": round(1e6 / median(figures.per_core), 1),
        "rss": round(figures.rss),
        "pss": round(figures.pss),
    }
    if base is not None:
        for name in ("per_core", "by_clock"):
            ratio = Ratio.of(getattr(figures, name), getattr(base, name))
            found[f"ratio_{name}"] = [
                round(one, 3) for one in (ratio.median, ratio.least, ratio.most)
            ]
    return found


def table(all_figures: Mapping[str, Figures], base: str) -> list[str]:
    """Per core: events by the CPU seconds of the process; by the clock: its waits are in it."""
    lines = [
        f"{'':<23}{'per core':>10}{'spread':>8}{'ratio':>19}{'by clock':>10}{'spread':>8}"
        f"{'ratio':>19}{'µs CPU':>8}{'RSS':>8}{'PSS':>8}",
    ]
    for name, one in all_figures.items():
        ratios = [""] * 2
        if base in all_figures:
            other = all_figures[base]
            ratios = [
                str(Ratio.of(one.per_core, other.per_core)),
                str(Ratio.of(one.by_clock, other.by_clock)),
            ]
        lines.append(
            f"{name:<23}{median(one.per_core):>10,.0f}{spread(one.per_core):>8.0%}{ratios[0]:>19}"
            f"{median(one.by_clock):>10,.0f}{spread(one.by_clock):>8.0%}{ratios[1]:>19}"
            f"{1e6 / median(one.per_core):>8.1f}"
            f"{one.rss / 2**20:>5.0f} MB{one.pss / 2**20:>5.0f} MB"
        )
    return lines
