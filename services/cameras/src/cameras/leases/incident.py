"""Incidents as emergency told of them: only a live one can be leased video for."""

from dataclasses import dataclass
from uuid import UUID

from city_backbone.errors import FailedPrecondition

LIVE_STATUSES = frozenset({"OCCURRED", "CHANGED"})


@dataclass(frozen=True, slots=True)
class Incident:
    """`revision` is emergency's, 0 when only a room's request told of it; `police_code` 0 to 4."""

    incident_id: UUID
    revision: int
    live: bool
    police_code: int | None

    def must_be_live(self) -> None:
        """Raises FailedPrecondition."""
        if not self.live:
            raise FailedPrecondition("INCIDENT_NOT_LIVE", "incident_id: the incident has ended")


def unknown() -> FailedPrecondition:
    """No event has told of it, or not yet."""
    return FailedPrecondition("INCIDENT_UNKNOWN", "incident_id: no such incident is known here")
