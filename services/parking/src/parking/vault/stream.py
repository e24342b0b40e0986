"""What the vault needs of Kafka: which incidents are live, and where."""

import math
from collections.abc import Sequence
from uuid import UUID

from city_backbone.database import Connection
from city_backbone.errors import Unprocessable
from city_backbone.events import Event
from city_backbone.geo import Point
from city_backbone.stream.subscription import Subscription

from parking.vault import store_incidents
from parking.vault.incident import LIVE_STATUSES, Incident

INCIDENT_CHANGED = "emergency.incident-changed.v1"


def subscriptions() -> Sequence[Subscription]:
    """Incidents become known; older news changes nothing."""

    async def on_incidents(connection: Connection, events: Sequence[Event]) -> None:
        newest: dict[UUID, Incident] = {}
        for incident in map(read, events):
            known = newest.get(incident.incident_id)
            if known is None or known.revision < incident.revision:
                newest[incident.incident_id] = incident
        await store_incidents.renew(connection, list(newest.values()))

    return [Subscription(INCIDENT_CHANGED, on_incidents)]


def read(event: Event) -> Incident:
    """Raises Unprocessable. A status that we do not know yet is not live."""
    data = event.data
    try:
        incident_id = UUID(data["incident_id"])
    except ValueError:
        raise Unprocessable("incident_id: expected a UUID") from None
    if data["revision"] < 1:
        raise Unprocessable(f"revision: expected from 1, got {data['revision']}")
    position = _position(data["latitude"], data["longitude"])
    return Incident(incident_id, data["revision"], data["status"] in LIVE_STATUSES, position)


def _position(latitude: float | None, longitude: float | None) -> Point | None:
    if latitude is None or longitude is None:
        return None
    for field, value, limit in (("latitude", latitude, 90), ("longitude", longitude, 180)):
        if not math.isfinite(value) or abs(value) > limit:
            raise Unprocessable(f"{field}: expected -{limit} to {limit} degrees")
    return Point(latitude, longitude)
