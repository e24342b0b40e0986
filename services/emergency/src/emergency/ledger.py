"""Writing down new revisions: incident, history, event, messages to rooms; all or nothing."""

from collections.abc import Sequence
from uuid import UUID

from city_backbone.database import Connection
from city_backbone.events import OutgoingEvent, event_id
from city_backbone.outbox import Outbox

from emergency import store, store_rooms
from emergency.domain.incident import Incident, Position
from emergency.domain.routing import Route, rooms_for
from emergency.domain.scsns.linked import STATUS_CODES
from emergency.domain.scsns.outgoing import event_body
from emergency.store_rooms import NewMessage
from emergency.telemetry import Metrics

TOPIC = "emergency.incident-changed.v1"


def incident_id(*parts: object) -> UUID:
    """The id of the incident that these parts, its source and reference, are the cause of."""
    return event_id("incident", *parts)


class Ledger:
    """The only place that changes an incident."""

    def __init__(
        self,
        outbox: Outbox,
        routes: Sequence[Route],
        metrics: Metrics,
        unknown_position: Position | None = None,
    ) -> None:
        self._outbox = outbox
        self._routes = routes
        self._metrics = metrics
        self._unknown_position = unknown_position

    async def record(self, connection: Connection, revisions: Sequence[Incident]) -> list[Incident]:
        """Write `revisions`, of locked incidents, in order; once per transaction.

        A handful of statements, however many they are. Returns them with their numbers.
        """
        if not revisions:
            return []
        saved = await store.save(connection, revisions)
        await self._outbox.add(connection, [incident_changed(revision) for revision in saved])
        await store_rooms.enqueue(
            connection, [message for revision in saved for message in self._messages(revision)]
        )
        for revision in saved:
            self._metrics.changed(revision)
        return saved

    def _messages(self, revision: Incident) -> list[NewMessage]:
        rooms = rooms_for(revision, self._routes)
        if not rooms:
            return []
        body = event_body(revision, self._unknown_position)
        code = STATUS_CODES[revision.status]
        return [NewMessage(room, revision.id, revision.revision, code, body) for room in rooms]


def incident_changed(revision: Incident) -> OutgoingEvent:
    """The event that tells of this revision; the same revision has the same event id."""
    facts, position = revision.facts, revision.facts.position
    return OutgoingEvent(
        topic=TOPIC,
        key=str(revision.id),
        id=event_id(TOPIC, revision.id, revision.revision),
        time=revision.changed_at,
        data={
            "incident_id": str(revision.id),
            "revision": revision.revision,
            "kind": revision.kind,
            "status": str(revision.status),
            "grade": str(facts.grade),
            "title": facts.title,
            "place": facts.place,
            "latitude": position and position.latitude,
            "longitude": position and position.longitude,
            "occurred_at": revision.occurred_at,
            "changed_at": revision.changed_at,
            "source": revision.source.name,
            "source_reference": revision.source.reference,
        },
    )
