"""Incidents as emergency told of them: a case is told of for a live one, and its own, alone."""

from dataclasses import dataclass
from uuid import UUID

from city_backbone.errors import FailedPrecondition

LIVE_STATUSES = frozenset({"OCCURRED", "CHANGED"})
_OURS = "health"


@dataclass(frozen=True, slots=True)
class Incident:
    """`revision` is emergency's. `source` told of it, under its own number `reference`."""

    incident_id: UUID
    revision: int
    live: bool
    source: str
    reference: str

    def is_of(self, case_id: UUID) -> bool:
        """Whether emergency made it of the event of that case."""
        return (self.source, self.reference) == (_OURS, str(case_id))

    def must_be_of(self, case_id: UUID) -> None:
        """Raises FailedPrecondition."""
        if not self.is_of(case_id):
            raise FailedPrecondition(
                "INCIDENT_OF_ANOTHER", "incident_id: expected the incident of this case"
            )

    def must_be_live(self) -> None:
        """Raises FailedPrecondition."""
        if not self.live:
            raise FailedPrecondition("INCIDENT_NOT_LIVE", "incident_id: the incident has ended")


def unknown() -> FailedPrecondition:
    """No event has told of it, or not yet."""
    return FailedPrecondition("INCIDENT_UNKNOWN", "incident_id: no such incident is known here")
