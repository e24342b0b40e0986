"""Incidents as emergency told of them: only for a live one may somebody be looked up."""

from dataclasses import dataclass
from uuid import UUID

from city_backbone.errors import FailedPrecondition
from city_backbone.geo import Point, distance_metres

LIVE_STATUSES = frozenset({"OCCURRED", "CHANGED"})


@dataclass(frozen=True, slots=True)
class Incident:
    """`revision` is emergency's; position None: nobody knows it."""

    incident_id: UUID
    revision: int
    live: bool
    position: Point | None

    def must_be_live(self) -> None:
        """Raises FailedPrecondition."""
        if not self.live:
            raise FailedPrecondition("INCIDENT_NOT_LIVE", "incident_id: the incident has ended")

    def must_be_near(self, point: Point, metres: float) -> None:
        """Raises FailedPrecondition for a point elsewhere, and while its place is not known."""
        if self.position is None:
            raise FailedPrecondition(
                "INCIDENT_WITHOUT_PLACE", "incident_id: the incident's place is not known"
            )
        if distance_metres(self.position, point) > metres:
            raise FailedPrecondition(
                "INCIDENT_ELSEWHERE",
                f"around.point: expected at most {metres:g} m from the incident",
            )


def unknown() -> FailedPrecondition:
    """No event has told of it, or not yet."""
    return FailedPrecondition("INCIDENT_UNKNOWN", "incident_id: no such incident is known here")
