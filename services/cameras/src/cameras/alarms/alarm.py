"""An alarm and its life: raised, acknowledged, dismissed or escalated."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from city_backbone.events import event_id

from cameras.alarms.errors import TransitionRefused
from cameras.alarms.rulebook import Rulebook, instant
from cameras.alarms.rules import Urgency
from cameras.alarms.watch import Confirmed

AUTOMATIC = "cameras"


class Status(StrEnum):
    """RAISED → ACKNOWLEDGED → DISMISSED or ESCALATED; the middle may be left out."""

    RAISED = "RAISED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    DISMISSED = "DISMISSED"
    ESCALATED = "ESCALATED"


@dataclass(frozen=True, slots=True)
class Site:
    """Where; degrees, WGS 84."""

    site_id: str
    place: str
    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True, order=True)
class Witness:
    """A camera and the object it followed; in the order in which they saw it."""

    first_detected_at: datetime
    camera_id: str
    track_id: str


@dataclass(frozen=True, slots=True)
class Alarm:
    """One revision; times are aware UTC."""

    id: UUID
    kind: str
    number: int
    site: Site
    purpose: str
    urgency: Urgency
    rule_id: str
    rule_version: int
    occurred_at: datetime
    persisted_at: datetime
    witnesses: tuple[Witness, ...]
    detection_ids: tuple[str, ...]
    raised_at: datetime
    changed_at: datetime
    escalates_at: datetime | None
    """By the service's clock; None when it will not by itself."""
    status: Status = Status.RAISED
    revision: int = 1
    changed_by: str = AUTOMATIC
    reason: str = ""

    def joined(self, confirmed: Sequence[Confirmed], rules: Rulebook, now: datetime) -> "Alarm":
        """With further witnesses; the status stays what it is."""
        known = self._witnessed(confirmed, rules)
        return replace(known, changed_at=now, revision=self.revision + 1, changed_by=AUTOMATIC)

    def _witnessed(self, confirmed: Sequence[Confirmed], rules: Rulebook) -> "Alarm":
        witnesses = sorted({*self.witnesses, *map(_witness, confirmed)})
        told = replace(self, witnesses=tuple(witnesses))
        for one in confirmed:
            if one.anchors:
                terms = rules.terms(one.version, one.rule_id)
                after = terms.escalate_after if self.status is Status.RAISED else None
                told = replace(
                    told,
                    purpose=one.purpose,
                    urgency=terms.urgency,
                    rule_id=one.rule_id,
                    rule_version=one.version,
                    occurred_at=instant(one.since),
                    persisted_at=instant(one.persisted_at),
                    detection_ids=one.detection_ids,
                    escalates_at=None if after is None else self.raised_at + after,
                )
        return told

    def acknowledged(self, operator: str, now: datetime) -> "Alarm":
        """Somebody looks: it no longer escalates by itself. Raises TransitionRefused."""
        if self.status is Status.ACKNOWLEDGED:
            return self
        return self._become(Status.ACKNOWLEDGED, (Status.RAISED,), operator, "", now)

    def dismissed(self, operator: str, reason: str, now: datetime) -> "Alarm":
        """It was nothing. Raises TransitionRefused."""
        if self.status is Status.DISMISSED:
            return self
        return self._become(
            Status.DISMISSED, (Status.RAISED, Status.ACKNOWLEDGED), operator, reason, now
        )

    def escalated(self, by: str, reason: str, now: datetime) -> "Alarm":
        """It goes to the emergency department, once. Raises TransitionRefused."""
        if self.status is Status.ESCALATED:
            return self
        return self._become(Status.ESCALATED, (Status.RAISED, Status.ACKNOWLEDGED), by, reason, now)

    def due(self, now: datetime) -> bool:
        """Whether it escalates by itself."""
        return (
            self.status is Status.RAISED
            and self.escalates_at is not None
            and self.escalates_at <= now
        )

    def _become(
        self, status: Status, allowed: tuple[Status, ...], by: str, reason: str, now: datetime
    ) -> "Alarm":
        if self.status not in allowed:
            raise TransitionRefused(self.status.lower(), status.lower())
        return replace(
            self,
            status=status,
            changed_at=now,
            changed_by=by,
            reason=reason,
            revision=self.revision + 1,
            escalates_at=None,
        )


def alarm_id(site_id: str, kind: str, number: int) -> UUID:
    """Of the site's alarm of this kind with this running number."""
    return event_id("alarm", site_id, kind, number)


def raised(
    site: Site, kind: str, confirmed: Sequence[Confirmed], rules: Rulebook, now: datetime
) -> Alarm:
    """A new alarm, of one or more tracks that persisted at once; the first of them raised it."""
    first = confirmed[0]
    terms = rules.terms(first.version, first.rule_id)
    alarm = Alarm(
        id=alarm_id(site.site_id, kind, first.number),
        kind=kind,
        number=first.number,
        site=site,
        purpose=first.purpose,
        urgency=terms.urgency,
        rule_id=first.rule_id,
        rule_version=first.version,
        occurred_at=instant(first.since),
        persisted_at=instant(first.persisted_at),
        witnesses=(),
        detection_ids=first.detection_ids,
        raised_at=now,
        changed_at=now,
        escalates_at=None,
    )
    return alarm._witnessed(confirmed, rules)


def _witness(confirmed: Confirmed) -> Witness:
    return Witness(instant(confirmed.since), confirmed.camera_id, confirmed.track_id)
