"""Whether the ledger is as it was sealed: its days against what they hold and against seals."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from parking.ledger.entries import Content
from parking.ledger.seal import GENESIS, Seal, seal_hash

_DAY = timedelta(days=1)
_IN_CALENDAR = re.compile(r"2\d{3}-\d{2}-\d{2}")  # the database has infinite days, too


@dataclass(frozen=True, slots=True)
class Day:
    """A row of the ledger's days, whatever stands there. `day` is yyyy-mm-dd."""

    day: str
    entries: int | None
    root: str | None
    previous: str | None
    seal_hash: str | None
    sealed_at: datetime | None

    @property
    def sealed(self) -> bool:
        """Also when only a part of the seal is left."""
        parts = (self.entries, self.root, self.previous, self.seal_hash, self.sealed_at)
        return any(part is not None for part in parts)


@dataclass(frozen=True, slots=True)
class Given:
    """A seal from elsewhere, that is from the topic. What is None is not compared."""

    day: str
    seal_hash: str
    sealed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether all holds, else the first day (yyyy-mm-dd) that does not, and why.

    `head` is the newest seal up to which all holds; None when there is none.
    """

    intact: bool
    first_bad_day: str
    problem: str
    head: Seal | None


class _Bad(Exception):
    """`drop`: the head itself is not to be trusted."""

    def __init__(self, day: str, problem: str, drop: bool = False) -> None:
        super().__init__(problem)
        self.day = day
        self.problem = problem
        self.drop = drop


class _Chain:
    """The days in their order, each behind the one before."""

    def __init__(self, last_sealed: str) -> None:
        self._last_sealed = last_sealed
        self._vouched = False  # a seal from elsewhere says that the head is as it was
        self.before: Seal | None = None
        self.head: Seal | None = None

    def step(self, name: str, day: Day | None, content: Content, given: Sequence[Given]) -> None:
        """Raises _Bad."""
        due = _after(self.head.day) if self.head else name
        if day is None:
            if content != Content():
                raise _Bad(name, "removed: it has entries, but the ledger has no such day")
            raise _Bad(due, "removed: a seal is given, but the ledger has no such day")
        if name != due and name <= self._last_sealed:
            raise _Bad(due, "removed: the ledger has no such day")
        if content.flaw:
            raise _Bad(name, content.flaw)
        if day.sealed:
            self._seal(name, day, content, given)
        elif name < self._last_sealed or given:
            raise _Bad(name, "removed: it has no seal")
        if content.balance_won:
            raise _Bad(name, f"altered: its entries add up to {content.balance_won} won, not to 0")

    def _seal(self, name: str, day: Day, content: Content, given: Sequence[Given]) -> None:
        found = _whole(name, day)
        if found is None:
            raise _Bad(name, "altered: its seal is not of what it says")
        if content.entries != found.entries:
            word = "added" if content.entries > found.entries else "removed"
            raise _Bad(
                name, f"{word}: it has {content.entries} entries, sealed were {found.entries}"
            )
        if content.root != found.root:
            raise _Bad(name, "altered: an entry or its posting is not as it was sealed")
        if found.previous != (self.head.seal_hash if self.head else GENESIS):
            raise self._unlinked(name)
        for one in given:
            if one.seal_hash != found.seal_hash:
                raise _Bad(name, "altered: the seal given for it is another")
            if one.sealed_at not in (None, found.sealed_at):
                raise _Bad(name, "altered: the seal given for it is of another time")
        self._vouched = bool(given)
        self.before, self.head = self.head, found

    def _unlinked(self, name: str) -> _Bad:
        if self.head is None:
            return _Bad(_before(name), "removed: the day after it follows a seal that is not there")
        if self._vouched:
            return _Bad(name, "altered: it does not follow the seal of the day before")
        return _Bad(self.head.day, "altered: the day after it follows another seal", drop=True)


def judge(days: Sequence[Day], contents: Mapping[str, Content], given: Sequence[Given]) -> Verdict:
    """`contents` of every day that has any.

    Only seals that were kept elsewhere show that the last days were cut off, or that every day
    from some day on was sealed anew.
    """
    rows = {day.day: day for day in days}
    kept: dict[str, list[Given]] = {}
    for one in given:
        kept.setdefault(one.day, []).append(one)
    chain = _Chain(max((day.day for day in days if day.sealed), default=""))
    for name in sorted({*rows, *contents, *kept}):
        try:
            chain.step(name, rows.get(name), contents.get(name, Content()), kept.get(name, ()))
        except _Bad as bad:
            return Verdict(False, bad.day, bad.problem, chain.before if bad.drop else chain.head)
    return Verdict(True, "", "", chain.head)


def _whole(name: str, day: Day) -> Seal | None:
    """The seal, when nothing of it is missing and its hash is of what it says."""
    if seal_hash(name, day.entries, day.root, day.previous) != day.seal_hash:
        return None
    if day.entries is None or day.root is None or day.previous is None or day.sealed_at is None:
        return None
    if not _IN_CALENDAR.fullmatch(name):
        return None
    return Seal(name, day.entries, day.root, day.previous, day.seal_hash, day.sealed_at)


def _after(day: str) -> str:
    return (date.fromisoformat(day) + _DAY).isoformat()


def _before(day: str) -> str:
    return (date.fromisoformat(day) - _DAY).isoformat()
