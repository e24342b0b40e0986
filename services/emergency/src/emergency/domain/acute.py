"""Acute readings at a kiosk, as `health.acute-reading-detected.v1` tells them: who it is, it does
not tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import UUID

from emergency.domain.incident import Facts, Incident, Position, Source, Status
from emergency.domain.told import clean, in_years, on_earth
from emergency.errors import ReadingUnusable

if TYPE_CHECKING:
    from emergency.domain.dispatch import DispatchRules

SOURCE = "health"
KIND = "health.acute"
TITLE = "건강 이상 감지(키오스크)"


class Severity(StrEnum):
    """How bad, after NEWS2."""

    URGENT = "URGENT"
    CRITICAL = "CRITICAL"


_KOREAN: Mapping[str, str] = {Severity.URGENT: "긴급", Severity.CRITICAL: "위급"}
_UNKNOWN = "미상"


@dataclass(frozen=True, slots=True)
class AcuteReading:
    """Somebody at a kiosk needs help now; times aware UTC.

    `severity` may be one that is not known here yet.
    """

    case_id: UUID
    kiosk_id: str
    place: str
    position: Position
    severity: str
    taken_at: datetime
    detected_at: datetime

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> AcuteReading:
        """From a decoded event. Raises ReadingUnusable naming the field."""
        try:
            case_id = UUID(data["case_id"])
        except ValueError:
            raise ReadingUnusable("case_id", "a UUID") from None
        if not on_earth(data["latitude"], data["longitude"]):
            raise ReadingUnusable("latitude, longitude", "degrees, WGS 84")
        for name in ("taken_at", "detected_at"):
            if not in_years(data[name]):
                raise ReadingUnusable(name, "a time of the years 1970 to 2199")
        return cls(
            case_id=case_id,
            kiosk_id=clean(data["kiosk_id"]),
            place=clean(data["place"]),
            position=Position(data["latitude"], data["longitude"]),
            severity=data["severity"],
            taken_at=data["taken_at"],
            detected_at=data["detected_at"],
        )


def opened(
    reading: AcuteReading, incident_id: UUID, rules: DispatchRules, now: datetime
) -> Incident:
    """The incident of it. A clock that is ahead must not push later changes into the future."""
    rule = rules.decide_acute(reading.severity)
    severity = _KOREAN.get(reading.severity, _UNKNOWN)
    items = {
        "desks": ",".join(rule.desks),
        "ruleVersion": str(rules.version),
        "위급도": severity,
    }
    if rule.police_code is not None:
        items["policeCode"] = str(rule.police_code)
    return Incident(
        id=incident_id,
        kind=KIND,
        status=Status.OCCURRED,
        facts=Facts(
            grade=rule.grade,
            title=TITLE,
            description=f"{reading.place} 키오스크 {reading.kiosk_id}, {severity}.",
            place=reading.place,
            position=reading.position,
            items=items,
            police_code=rule.police_code,
            desks=rule.desks,
        ),
        occurred_at=min(reading.taken_at, now),
        changed_at=min(reading.detected_at, now),
        changed_by=SOURCE,
        source=Source(SOURCE, str(reading.case_id)),
    )
