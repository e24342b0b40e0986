"""Gunther's Universal Scalability Law: X(N) = rate·N / (1 + sigma·(N-1) + kappa·N·(N-1)).

N. J. Gunther, Guerrilla Capacity Planning (2007). sigma: the share of work that waits for its turn;
kappa: what each pair costs to agree with each other.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations


@dataclass(frozen=True)
class Law:
    """rate: of one, in the unit of the measurements."""

    rate: float
    sigma: float
    kappa: float

    def at(self, number: float) -> float:
        queue = self.sigma * (number - 1) + self.kappa * number * (number - 1)
        return self.rate * number / (1 + queue)

    def __str__(self) -> str:
        return f"sigma {self.sigma:.4f}, kappa {self.kappa:.5f}, one alone {self.rate:,.0f}/s"


def fit(points: Sequence[tuple[int, float]]) -> Law:
    """points: N and X(N), above 0, of at least three different N.

    Linear in N/X; least squares of its relative error; neither coefficient below 0, which noise
    would make of it.
    """
    if len({number for number, _ in points}) < 3:
        raise ValueError("expected measurements at three different N")
    targets = [number / found for number, found in points]
    columns = {
        "one": [1.0 for _ in points],
        "sigma": [number - 1.0 for number, _ in points],
        "kappa": [number * (number - 1.0) for number, _ in points],
    }
    weights = [1 / target for target in targets]
    best: tuple[float, Law] | None = None
    for size in range(3):
        for used in combinations(("sigma", "kappa"), size):
            names = ("one", *used)
            rows = [
                [columns[name][row] * weight for name in names]
                for row, weight in enumerate(weights)
            ]
            found = dict(zip(names, _least_squares(rows), strict=True))
            one = found.pop("one")
            if one <= 0 or min(found.values(), default=0.0) < 0:
                continue
            law = Law(1 / one, found.get("sigma", 0.0) / one, found.get("kappa", 0.0) / one)
            error = sum(
                (number / law.at(number) / y - 1) ** 2
                for y, (number, _) in zip(targets, points, strict=True)
            )
            if best is None or error < best[0]:
                best = error, law
    assert best is not None, "a constant always fits"
    return best[1]


def _least_squares(rows: Sequence[Sequence[float]]) -> list[float]:
    """Coefficients with which the rows come nearest to 1."""
    size = range(len(rows[0]))
    matrix = [
        [*(sum(row[i] * row[j] for row in rows) for j in size), sum(row[i] for row in rows)]
        for i in size
    ]
    for pivot in size:
        largest = max(range(pivot, len(matrix)), key=lambda one: abs(matrix[one][pivot]))
        matrix[pivot], matrix[largest] = matrix[largest], matrix[pivot]
        for other in size:
            if other != pivot:
                factor = matrix[other][pivot] / matrix[pivot][pivot]
                matrix[other] = _minus(matrix[other], matrix[pivot], factor)
    return [matrix[one][-1] / matrix[one][one] for one in size]


def _minus(row: Iterable[float], pivot: Iterable[float], factor: float) -> list[float]:
    return [one - factor * other for one, other in zip(row, pivot, strict=True)]
