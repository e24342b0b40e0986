"""The first findings of each kind, in an order that does not depend on how they were found."""

import heapq
from collections import Counter
from typing import Literal, NamedTuple

from loadtests.driver.result import Finding

Kind = Literal["lost", "doubled", "reordered", "unseen"]
KINDS: tuple[Kind, ...] = ("lost", "doubled", "reordered", "unseen")
SHOWN = 100


class _Last(NamedTuple):
    """Ordered the other way round, so that a heap's first is the one to leave out."""

    subject: str
    id: str
    detail: str

    def __lt__(self, other: tuple[str, ...]) -> bool:
        return tuple(self) > tuple(other)


class Findings:
    """Counts all, keeps `SHOWN` of each kind."""

    def __init__(self) -> None:
        self._counts: Counter[Kind] = Counter()
        self._first: dict[Kind, list[_Last]] = {kind: [] for kind in KINDS}

    def add(self, kind: Kind, subject: str, identity: str, detail: str, times: int = 1) -> None:
        self._counts[kind] += times
        keep, one = self._first[kind], _Last(subject, identity, detail)
        if len(keep) < SHOWN:
            heapq.heappush(keep, one)
        else:
            heapq.heappushpop(keep, one)

    @property
    def counts(self) -> dict[str, int]:
        return {kind: self._counts[kind] for kind in KINDS}

    @property
    def first(self) -> tuple[Finding, ...]:
        return tuple(
            Finding(kind=kind, subject=one.subject, id=one.id, detail=one.detail)
            for kind in KINDS
            for one in sorted(self._first[kind], key=tuple)
        )
