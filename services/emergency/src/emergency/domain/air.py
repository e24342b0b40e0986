"""From an air alert of `sensors` to a change of an incident.

Korean names as the ministry's alert system (대기오염경보제) uses them; ours are always marked as
self-made (자체 기준) unless the alert says that it is official.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from emergency.domain.incident import Facts, Grade, Incident, Position, Source, Status
from emergency.domain.told import on_earth
from emergency.errors import AlertUnusable

SOURCE = "sensors"
_SEOUL = ZoneInfo("Asia/Seoul")


class Level(StrEnum):
    """Levels that change an incident."""

    ADVISORY = "ADVISORY"
    WARNING = "WARNING"
    LIFTED = "LIFTED"


@dataclass(frozen=True, slots=True)
class Pollutant:
    """How a pollutant is named and measured."""

    kind: str
    name: str
    unit: str


POLLUTANTS: Mapping[str, Pollutant] = {
    "PM10": Pollutant("air.pm10", "미세먼지(PM10)", "㎍/㎥"),
    "PM25": Pollutant("air.pm25", "초미세먼지(PM2.5)", "㎍/㎥"),
    "O3": Pollutant("air.o3", "오존(O3)", "ppm"),
    "NO2": Pollutant("air.no2", "이산화질소(NO2)", "ppm"),
    "CO": Pollutant("air.co", "일산화탄소(CO)", "ppm"),
    "SO2": Pollutant("air.so2", "아황산가스(SO2)", "ppm"),
}
_WORDS = {Level.ADVISORY: "주의보", Level.WARNING: "경보", Level.LIFTED: "해제"}


@dataclass(frozen=True, slots=True)
class Cause:
    """An hourly mean; `hour_end` aware UTC, `mean` in the pollutant's unit."""

    station_id: str
    hour_end: datetime
    mean: float


@dataclass(frozen=True, slots=True)
class AirAlert:
    """One change of an air alert, as `sensors.air-alert-changed.v1` tells it."""

    alert_id: str
    sequence: int
    dong: str
    pollutant: str
    level: Level
    changed_at: datetime
    official: bool
    rule_version: str
    causes: Sequence[Cause]
    position: Position

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> AirAlert:
        """From a decoded event. Raises AlertUnusable naming the field."""
        if data["level"] not in _WORDS:
            raise AlertUnusable("level", f"one of {', '.join(_WORDS)}, not {data['level']}")
        if data["pollutant"] not in POLLUTANTS:
            raise AlertUnusable("pollutant", f"one of {', '.join(POLLUTANTS)}")
        if data["sequence"] < 1:
            raise AlertUnusable("sequence", "a number from 1")
        if not data["alert_id"]:
            raise AlertUnusable("alert_id", "the alert's UUID, it is empty")
        if not on_earth(data["latitude"], data["longitude"]):
            raise AlertUnusable("latitude, longitude", "degrees, WGS 84")
        return cls(
            alert_id=data["alert_id"],
            sequence=data["sequence"],
            dong=data["dong"],
            pollutant=data["pollutant"],
            level=Level(data["level"]),
            changed_at=data["changed_at"],
            official=data["official"],
            rule_version=data["rule_version"],
            causes=[Cause(**cause) for cause in data["causes"]],
            position=Position(data["latitude"], data["longitude"]),
        )


def apply(incident_id: UUID, known: Incident | None, alert: AirAlert) -> tuple[Incident, ...]:
    """The new revisions that `alert` makes, none when it is older than what is known.

    An alert not known yet opens its incident whatever its sequence; one first heard of when it is
    lifted is opened and cleared. Raises TransitionRefused when somebody closed the incident.
    """
    if known is None:
        opened = Incident(
            id=incident_id,
            kind=POLLUTANTS[alert.pollutant].kind,
            status=Status.OCCURRED,
            facts=_facts(alert, None),
            occurred_at=alert.changed_at,
            changed_at=alert.changed_at,
            changed_by=SOURCE,
            source=Source(SOURCE, alert.alert_id, sequence=alert.sequence),
        )
        if alert.level is not Level.LIFTED:
            return (opened,)
        return opened, opened.advance(Status.CLEARED, alert.changed_at, SOURCE)
    if alert.sequence <= known.source.sequence:
        return ()
    status = Status.CLEARED if alert.level is Level.LIFTED else Status.CHANGED
    facts = _facts(alert, known.facts)
    return (known.advance(status, alert.changed_at, SOURCE, facts, alert.sequence),)


def _facts(alert: AirAlert, known: Facts | None) -> Facts:
    pollutant = POLLUTANTS[alert.pollutant]
    # A lifting says neither the level nor the grade that the alert had.
    if alert.level is Level.LIFTED:
        title = known.title if known else f"{pollutant.name} 대기오염경보"
        grade = known.grade if known else Grade.NORMAL
    else:
        title = f"{pollutant.name} {_WORDS[alert.level]}"
        grade = Grade.URGENT if alert.level is Level.WARNING else Grade.NORMAL
    return Facts(
        grade=grade,
        title=title,
        description=_description(alert, pollutant),
        place=alert.dong,
        position=alert.position,
        items={
            "pollutant": alert.pollutant,
            "level": alert.level,
            "value": _number(alert.causes[-1].mean) if alert.causes else "",
            "ruleVersion": alert.rule_version,
            "official": str(alert.official).lower(),
        },
    )


def _description(alert: AirAlert, pollutant: Pollutant) -> str:
    basis = "공식 기준" if alert.official else "자체 기준(비공식)"
    text = f"{alert.dong} {pollutant.name} {_WORDS[alert.level]}, {basis} {alert.rule_version}."
    if not alert.causes:
        return text
    hours = ", ".join(
        f"{cause.hour_end.astimezone(_SEOUL):%Y-%m-%d %H:%M} {_number(cause.mean)} {pollutant.unit}"
        f" ({cause.station_id})"
        for cause in alert.causes
    )
    return f"{text} 1시간 평균(KST): {hours}"


def _number(value: float) -> str:
    """At most four decimals, as gases in ppm need; no trailing zeros."""
    return f"{value:.4f}".rstrip("0").rstrip(".")
