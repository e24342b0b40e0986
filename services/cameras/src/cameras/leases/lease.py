"""The life of a lease: who may look at which camera, for which incident, until when.

| from        | act             | to          |
| ----------- | --------------- | ----------- |
| (new)       | request         | REQUESTED; PROVISIONAL for a 112 code 0 and for a room's scene |
| REQUESTED   | APPROVE         | ACTIVE      |
| REQUESTED   | REFUSE          | REFUSED     |
| PROVISIONAL | APPROVE         | ACTIVE      |
| PROVISIONAL | REFUSE, REVOKE  | REVOKED     |
| ACTIVE      | REVOKE          | REVOKED     |
| all three   | END             | ENDED       |

A lease is in force from `starts_at` to just before `due_at`, whatever its stored status says.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from city_backbone.audit.account import same
from city_backbone.errors import FailedPrecondition, InvalidArgument

from cameras.leases.incident import Incident

NOT_APPROVED = "not approved in time"
TIME_IS_UP = "its time is up"
INCIDENT_ENDED = "its incident ended"


class Status(StrEnum):
    """As in the contract."""

    REQUESTED = "REQUESTED"
    ACTIVE = "ACTIVE"
    PROVISIONAL = "PROVISIONAL"
    REFUSED = "REFUSED"
    REVOKED = "REVOKED"
    ENDED = "ENDED"


class Ground(StrEnum):
    """The legal grounds of the contract, where their statutes are named."""

    LIFE_OR_BODY = "LIFE_OR_BODY"
    CRIME_INVESTIGATION = "CRIME_INVESTIGATION"
    RESCUE = "RESCUE"
    DISASTER_RESPONSE = "DISASTER_RESPONSE"
    MISSING_PERSON_SEARCH = "MISSING_PERSON_SEARCH"


class Act(StrEnum):
    """What moves a lease on."""

    APPROVE = "APPROVE"
    REFUSE = "REFUSE"
    REVOKE = "REVOKE"
    END = "END"


IN_FORCE = frozenset({Status.ACTIVE, Status.PROVISIONAL})
OPEN = frozenset({Status.REQUESTED, *IN_FORCE})

TRANSITIONS = {
    (Status.REQUESTED, Act.APPROVE): Status.ACTIVE,
    (Status.REQUESTED, Act.REFUSE): Status.REFUSED,
    (Status.REQUESTED, Act.END): Status.ENDED,
    (Status.PROVISIONAL, Act.APPROVE): Status.ACTIVE,
    (Status.PROVISIONAL, Act.REFUSE): Status.REVOKED,
    (Status.PROVISIONAL, Act.REVOKE): Status.REVOKED,
    (Status.PROVISIONAL, Act.END): Status.ENDED,
    (Status.ACTIVE, Act.REVOKE): Status.REVOKED,
    (Status.ACTIVE, Act.END): Status.ENDED,
}


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a lease may last at most, and wait for its approval."""

    duration: timedelta
    approval: timedelta


@dataclass(frozen=True, slots=True)
class Lease:
    """One camera, one incident; times aware UTC. `duration` counts from when it is in force."""

    lease_id: UUID
    camera_id: str
    incident_id: UUID
    ground: Ground
    requester: str
    requested_by: str
    requested_at: datetime
    duration: timedelta
    status: Status
    automatic: bool = False
    approved_afterwards: bool = False
    approver: str = ""
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    approve_by: datetime | None = None
    reason: str = ""

    @property
    def due_at(self) -> datetime | None:
        """When it ends unless something happens first; None when it has ended."""
        if self.status is Status.ACTIVE:
            return self.ends_at
        return self.approve_by if self.status in OPEN else None

    def in_force(self, now: datetime) -> bool:
        """Whether its camera may be looked at."""
        return self.at(now).status in IN_FORCE

    def at(self, now: datetime) -> "Lease":
        """As it is at `now`: ended once it is due, even if nobody has written that down yet."""
        if self.due_at is None or now < self.due_at:
            return self
        reason = TIME_IS_UP if self.status is Status.ACTIVE else NOT_APPROVED
        ends_at = None if self.starts_at is None else self.due_at
        return replace(self, status=Status.ENDED, reason=reason, ends_at=ends_at)

    def end_with_incident(self, now: datetime) -> "Lease":
        """Ends an open lease. Its incident is no longer live."""
        due = self.at(now)
        if due.status is Status.ENDED:
            return due
        unapproved = f"{INCIDENT_ENDED}; {NOT_APPROVED}"
        reason = unapproved if self.status is Status.PROVISIONAL else INCIDENT_ENDED
        return replace(self, status=self._after(Act.END), reason=reason, ends_at=self._cut(now))

    def approve(self, approver: str, now: datetime) -> "Lease":
        """Raises FailedPrecondition for one's own request and when it is past approving."""
        status = self._judged(Act.APPROVE, approver, now)
        approved = replace(self, status=status, approver=approver)
        if self.starts_at is not None:
            return approved
        return replace(approved, starts_at=now, ends_at=now + self.duration)

    def refuse(self, approver: str, reason: str, now: datetime) -> "Lease":
        """Before it is in force, or afterwards. Raises as approve does."""
        status = self._judged(Act.REFUSE, approver, now)
        return replace(
            self,
            status=status,
            approver=approver,
            reason=reason,
            ends_at=self._cut(now),
        )

    def revoke(self, reason: str, now: datetime) -> "Lease":
        """By anybody. Raises FailedPrecondition when it is not in force."""
        status = self.at(now)._after(Act.REVOKE)
        return replace(self, status=status, reason=reason, ends_at=self._cut(now))

    def _judged(self, act: Act, approver: str, now: datetime) -> Status:
        if same(approver, self.requester):
            raise FailedPrecondition(
                "OWN_REQUEST", "approver: expected another account than the requester's"
            )
        return self.at(now)._after(act)

    def _after(self, act: Act) -> Status:
        try:
            return TRANSITIONS[self.status, act]
        except KeyError:
            raise FailedPrecondition(
                "LIFE_CYCLE", f"lease: cannot {act.lower()} one that is {self.status.lower()}"
            ) from None

    def _cut(self, now: datetime) -> datetime | None:
        return None if self.starts_at is None else now


def request(
    lease_id: UUID,
    camera_id: str,
    incident: Incident,
    ground: Ground,
    requester: str,
    requested_by: str,
    duration: timedelta,
    limits: Limits,
    now: datetime,
) -> Lease:
    """What an officer asks for. A 112 code 0 is in force at once, to be approved afterwards.

    Raises InvalidArgument for the duration, FailedPrecondition when the incident is not live.
    """
    if not timedelta() < duration <= limits.duration:
        minutes = limits.duration // timedelta(minutes=1)
        raise InvalidArgument("duration", f"expected above 0, at most {minutes} minutes")
    incident.must_be_live()
    asked = Lease(
        lease_id=lease_id,
        camera_id=camera_id,
        incident_id=incident.incident_id,
        ground=ground,
        requester=requester,
        requested_by=requested_by,
        requested_at=now,
        duration=duration,
        status=Status.REQUESTED,
        approve_by=now + limits.approval,
    )
    return _provisional(asked, limits) if incident.police_code == 0 else asked


def request_automatically(
    lease_id: UUID,
    camera_id: str,
    incident: Incident,
    ground: Ground,
    room: str,
    requested_by: str,
    duration: timedelta,
    limits: Limits,
    now: datetime,
) -> Lease:
    """For a room, by the standing order: in force at once, to be approved afterwards.

    Raises as request does.
    """
    asked = request(
        lease_id, camera_id, incident, ground, room, requested_by, duration, limits, now
    )
    return replace(_provisional(asked, limits), automatic=True)


def _provisional(asked: Lease, limits: Limits) -> Lease:
    ends_at = asked.requested_at + asked.duration
    return replace(
        asked,
        status=Status.PROVISIONAL,
        approved_afterwards=True,
        starts_at=asked.requested_at,
        ends_at=ends_at,
        # Nothing is left to approve once it has ended.
        approve_by=min(asked.requested_at + limits.approval, ends_at),
    )
