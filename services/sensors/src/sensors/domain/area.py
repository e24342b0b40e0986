"""A neighbourhood's alert: the highest level of its stations, from first issue to lifting."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sensors.domain.alert import RULE_VERSION, Level
from sensors.domain.pollutant import Pollutant


class Change(NamedTuple):
    """sequence from 1; level NONE is lifted; changed_at: the end of the hour that caused it."""

    sequence: int
    level: Level
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Alert:
    """Of one area; level NONE is lifted, for good."""

    alert_id: UUID
    dong: str
    pollutant: Pollutant
    level: Level
    issued_at: datetime
    rule_version: str
    changes: tuple[Change, ...]

    @property
    def sequence(self) -> int:
        return self.changes[-1].sequence

    @property
    def changed_at(self) -> datetime:
        return self.changes[-1].changed_at

    def changed(self, level: Level, at: datetime) -> "Alert":
        """With a further change; its time never runs backwards."""
        change = Change(self.sequence + 1, level, max(at, self.changed_at))
        return replace(self, level=level, changes=(*self.changes, change))


def issue(
    alert_id: UUID, dong: str, pollutant: Pollutant, level: Level, issued_at: datetime
) -> Alert:
    """A new alert by the rule of today."""
    first = Change(1, level, issued_at)
    return Alert(alert_id, dong, pollutant, level, issued_at, RULE_VERSION, (first,))


def level_of(stations: Mapping[str, Level]) -> Level:
    """The highest level of the stations that count."""
    return max(stations.values(), default=Level.NONE)
