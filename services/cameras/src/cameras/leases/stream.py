"""What leases need of Kafka: which incidents are live."""

from collections.abc import Sequence
from uuid import UUID

from city_backbone.database import Connection
from city_backbone.errors import Unprocessable
from city_backbone.events import Event
from city_backbone.stream.subscription import Subscription

from cameras.leases.desk import Desk
from cameras.leases.incident import LIVE_STATUSES, Incident

INCIDENT_CHANGED = "emergency.incident-changed.v1"


def subscriptions(desk: Desk) -> Sequence[Subscription]:
    """Incidents become known, and their leases end with them."""

    async def on_incidents(connection: Connection, events: Sequence[Event]) -> None:
        newest: dict[UUID, Incident] = {}
        for incident in map(read, events):
            known = newest.get(incident.incident_id)
            if known is None or known.revision < incident.revision:
                newest[incident.incident_id] = incident
        await desk.learn(connection, list(newest.values()))

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
    code = data["police_code"]
    if code is not None and not 0 <= code <= 4:
        raise Unprocessable(f"police_code: expected 0 to 4, got {code}")
    return Incident(incident_id, data["revision"], data["status"] in LIVE_STATUSES, code)
