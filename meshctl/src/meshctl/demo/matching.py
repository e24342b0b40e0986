"""What must be against what is there, as counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable

from meshctl.demo.account import Stage


class Matching:
    """Keeps the stages, and in words what does not fit."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []
        self.problems: list[str] = []

    def add(self, name: str, must: Iterable[Hashable], there: Iterable[Hashable]) -> None:
        """Each must be there as often as it must be, and nothing else."""
        wanted, found = Counter(iter(must)), Counter(iter(there))
        missing, unexpected = wanted - found, found - wanted
        self.problems += [f"{name}: missing {one}" for one in missing.elements()]
        self.problems += [f"{name}: unexpected {one}" for one in unexpected.elements()]
        self.stages.append(Stage(name, found.total(), missing.total(), unexpected.total()))
