"""An incident and its life cycle.

occurred → changed* → cleared → completed; occurred or changed → cancelled. Completed and cancelled
are the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from emergency.errors import TransitionRefused


class Status(StrEnum):
    """Where an incident is in its life cycle."""

    OCCURRED = "OCCURRED"
    CHANGED = "CHANGED"
    CLEARED = "CLEARED"
    CANCELLED = "CANCELLED"
    COMPLETED = "COMPLETED"


class Grade(StrEnum):
    """How urgent it is."""

    URGENT = "URGENT"
    NORMAL = "NORMAL"


# Rooms tell two changes of one status apart by their time, which they are told in whole seconds.
STEP = timedelta(seconds=1)
OPEN = frozenset({Status.OCCURRED, Status.CHANGED})
_NEXT: Mapping[Status, frozenset[Status]] = {
    Status.OCCURRED: frozenset({Status.CHANGED, Status.CLEARED, Status.CANCELLED}),
    Status.CHANGED: frozenset({Status.CHANGED, Status.CLEARED, Status.CANCELLED}),
    Status.CLEARED: frozenset({Status.COMPLETED}),
    Status.CANCELLED: frozenset(),
    Status.COMPLETED: frozenset(),
}


def allowed(current: Status) -> frozenset[Status]:
    """What may follow `current`; empty at the end."""
    return _NEXT[current]


@dataclass(frozen=True, slots=True)
class Position:
    """WGS 84, degrees."""

    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an incident; each change may bring all of it anew.

    `police_code` is the 112 code, 0 (most urgent) to 4. `desks` are the services it is dispatched
    to, "112" and "119", in the order in which they were called; empty for what goes by its kind.
    """

    grade: Grade
    title: str
    description: str
    place: str
    position: Position | None = None
    items: Mapping[str, str] = field(default_factory=dict)
    police_code: int | None = None
    desks: tuple[str, ...] = ()

    def revised(self, grade: Grade | None, description: str) -> Facts:
        """With another grade or description; None and empty keep what was."""
        return replace(self, grade=grade or self.grade, description=description or self.description)


@dataclass(frozen=True, slots=True)
class Source:
    """Who told of it, and the source's own number.

    `room` names the room it came from, which is not told of it again. `sequence` is the number of
    the source's newest applied change, 0 where the source does not count; of alarms, how many
    joined.
    """

    name: str
    reference: str
    room: str | None = None
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident at one revision. All times are aware UTC.

    `number` is the occurrence number's instant, milliseconds since 1970 UTC, unique over all
    incidents; None until it is stored. `changed_at` never goes back from one revision to the next,
    and moves on by a second at least where the status stays. `alarm_at` is when the newest of its
    cameras' alarms occurred; None for what did not come of alarms.
    """

    id: UUID
    kind: str
    status: Status
    facts: Facts
    occurred_at: datetime
    changed_at: datetime
    changed_by: str
    source: Source
    revision: int = 1
    ended_at: datetime | None = None
    number: int | None = None
    alarm_at: datetime | None = None

    def advance(
        self,
        status: Status,
        at: datetime,
        by: str,
        facts: Facts | None = None,
        sequence: int | None = None,
    ) -> Incident:
        """The next revision. Raises TransitionRefused when the life cycle does not allow it."""
        if status not in _NEXT[self.status]:
            raise TransitionRefused(self.status, status)
        earliest = self.changed_at + (STEP if status is self.status else timedelta(0))
        at = max(at, earliest)
        return replace(
            self,
            status=status,
            facts=facts or self.facts,
            changed_at=at,
            changed_by=by,
            source=self.source if sequence is None else replace(self.source, sequence=sequence),
            revision=self.revision + 1,
            ended_at=self.ended_at or (None if status in OPEN else at),
        )

    def numbered(self, number: int) -> Incident:
        """The same revision with its occurrence number."""
        return replace(self, number=number)

    def end(
        self, status: Status, at: datetime, by: str, facts: Facts | None = None
    ) -> tuple[Incident, ...]:
        """Like advance, but an open incident that is completed at once is cleared first.

        Rooms report an end (91) without a clearing (50). Raises TransitionRefused.
        """
        if status is Status.COMPLETED and self.status in OPEN:
            cleared = self.advance(Status.CLEARED, at, by, facts)
            return cleared, cleared.advance(Status.COMPLETED, at, by)
        return (self.advance(status, at, by, facts),)
