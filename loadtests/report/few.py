"""Gates on percentiles of few values say of how many: the p99 of forty is the slowest of them."""

from collections.abc import Iterable, Iterator
from itertools import product

from loadtests.driver.result import Figures, FreshnessFigures, Gate

ENOUGH_BEYOND = 10
"""So many values beyond a percentile are enough for it."""
_BEYOND = {"p99": 0.01, "p99.9": 0.001}


def counted(gates: Iterable[Gate], figures: Figures) -> tuple[Gate, ...]:
    """Those gates with the number of values in their detail. A gate is known by its name."""
    counts = {f"{words} {name}": found for name, found in _counts(figures) for words in _BEYOND}
    return tuple(_counted(gate, counts.get(gate.name)) for gate in gates)


def _counts(figures: Figures) -> Iterator[tuple[str, tuple[int, ...]]]:
    """What a gate's name has after its percentile, and how many values there are; of a ratio, in
    both phases."""
    for operation in figures.operations:
        yield f"response of {operation.name}", (operation.response.count,)
    yield from _freshness("", figures.freshness)
    for phase in figures.phases:
        yield from _freshness(f" in {phase.name}", phase.freshness)
    for one, other in product(figures.phases, repeat=2):
        against = dict(_freshness(f", {one.name} / {other.name}", other.freshness))
        for name, count in _freshness(f", {one.name} / {other.name}", one.freshness):
            yield name, count + against.get(name, ())


def _freshness(
    where: str, found: Iterable[FreshnessFigures]
) -> Iterator[tuple[str, tuple[int, ...]]]:
    for one in found:
        yield f"freshness, {one.priority}{where}: {one.effect}", (one.freshness.count,)


def _counted(gate: Gate, counts: tuple[int, ...] | None) -> Gate:
    if gate.value is None or counts is None:
        return gate
    if min(counts) * _BEYOND[gate.name.partition(" ")[0]] >= ENOUGH_BEYOND:
        return gate
    words = f"of {' and '.join(f'{one:,d}' for one in counts)} values only"
    if gate.detail.endswith(words):
        return gate
    detail = f"{gate.detail}, {words}" if gate.detail else words
    return gate.model_copy(update={"detail": detail})
