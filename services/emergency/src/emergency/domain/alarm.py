"""Alarms of `cameras`, as `cameras.alarm-escalated.v1` tells them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from emergency.domain.incident import Position
from emergency.domain.told import clean, in_years, on_earth
from emergency.errors import AlarmUnusable

SOURCE = "cameras"


class AlarmKind(StrEnum):
    """What cameras see: KISA's certification classes, and fire."""

    LOITERING = "LOITERING"
    INTRUSION = "INTRUSION"
    ABANDONMENT = "ABANDONMENT"
    FIGHT = "FIGHT"
    ARSON = "ARSON"
    FALL = "FALL"
    DROWNING = "DROWNING"
    MISSING_PERSON = "MISSING_PERSON"
    FIRE = "FIRE"

    @property
    def korean(self) -> str:
        """Its Korean name."""
        return _KOREAN[self]

    @property
    def incident_kind(self) -> str:
        """The kind of an incident that it opens, for example `missing-person`."""
        return self.lower().replace("_", "-")


class Purpose(StrEnum):
    """What a camera is for: 생활방범, 공원, 차량방범, 어린이보호."""

    LIVING_AREA_SECURITY = "LIVING_AREA_SECURITY"
    PARK = "PARK"
    VEHICLE = "VEHICLE"
    CHILD_PROTECTION = "CHILD_PROTECTION"


_KOREAN: Mapping[AlarmKind, str] = {
    AlarmKind.LOITERING: "배회",
    AlarmKind.INTRUSION: "침입",
    AlarmKind.ABANDONMENT: "유기",
    AlarmKind.FIGHT: "싸움",
    AlarmKind.ARSON: "방화",
    AlarmKind.FALL: "쓰러짐",
    AlarmKind.DROWNING: "익수",
    AlarmKind.MISSING_PERSON: "실종자",
    AlarmKind.FIRE: "화재",
}


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm that was escalated; times aware UTC.

    `purpose` may be one that is not known here yet. `escalated_by` is an account, or `cameras`.
    """

    id: UUID
    kind: AlarmKind
    site_id: str
    place: str
    purpose: str
    position: Position
    occurred_at: datetime
    escalated_at: datetime
    escalated_by: str
    automatic: bool
    reason: str
    camera_ids: Sequence[str]

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Alarm:
        """From a decoded event. Raises AlarmUnusable naming the field.

        Words are cut and cleaned, never a reason to refuse: somebody waits for help.
        """
        try:
            alarm_id = UUID(data["alarm_id"])
        except ValueError:
            raise AlarmUnusable("alarm_id", "a UUID") from None
        if data["kind"] not in AlarmKind.__members__:
            raise AlarmUnusable("kind", f"one of {', '.join(AlarmKind)}, not {data['kind']}")
        if not on_earth(data["latitude"], data["longitude"]):
            raise AlarmUnusable("latitude, longitude", "degrees, WGS 84")
        for name in ("occurred_at", "escalated_at"):
            if not in_years(data[name]):
                raise AlarmUnusable(name, "a time of the years 1970 to 2199")
        return cls(
            id=alarm_id,
            kind=AlarmKind(data["kind"]),
            site_id=clean(data["site_id"]),
            place=clean(data["place"]),
            purpose=data["purpose"],
            position=Position(data["latitude"], data["longitude"]),
            occurred_at=data["occurred_at"],
            escalated_at=data["escalated_at"],
            escalated_by=clean(data["escalated_by"]) or SOURCE,
            automatic=data["automatic"],
            reason=clean(data["reason"]),
            camera_ids=tuple(clean(one) for one in data["camera_ids"]),
        )
