"""What cases need of Kafka: which incidents are live, and of what."""

from collections.abc import Sequence
from uuid import UUID

from city_backbone.database import Connection
from city_backbone.errors import Unprocessable
from city_backbone.events import Event
from city_backbone.stream.subscription import Subscription

from health.cases import store
from health.cases.incident import LIVE_STATUSES, Incident

INCIDENT_CHANGED = "emergency.incident-changed.v1"


def subscriptions() -> Sequence[Subscription]:
    """Incidents become known; older news changes nothing."""

    async def on_incidents(connection: Connection, events: Sequence[Event]) -> None:
        await store.renew_incidents(connection, newest([read(event) for event in events]))

    return [Subscription(INCIDENT_CHANGED, on_incidents)]


def newest(incidents: Sequence[Incident]) -> list[Incident]:
    """The newest revision of each."""
    found: dict[UUID, Incident] = {}
    for incident in incidents:
        known = found.get(incident.incident_id)
        if known is None or known.revision < incident.revision:
            found[incident.incident_id] = incident
    return list(found.values())


def read(event: Event) -> Incident:
    """Raises Unprocessable. A status that we do not know yet is not live."""
    data = event.data
    try:
        incident_id = UUID(data["incident_id"])
    except ValueError:
        raise Unprocessable("incident_id: expected a UUID") from None
    if data["revision"] < 1:
        raise Unprocessable(f"revision: expected from 1, got {data['revision']}")
    live = data["status"] in LIVE_STATUSES
    return Incident(incident_id, data["revision"], live, data["source"], data["source_reference"])
