"""Writing down new revisions: incident, history, event, messages to rooms; all or nothing."""

from collections.abc import Sequence
from uuid import UUID

from city_backbone.database import Connection
from city_backbone.events import OutgoingEvent, event_id
from city_backbone.outbox import Outbox

from emergency import store, store_rooms
from emergency.domain.incident import Incident, Position, Status
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
    """The only place that changes an incident, and that tells rooms."""

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

    def reaches(self, room: str) -> bool:
        """Whether a message to `room` would be delivered."""
        return any(route.room == room for route in self._routes)

    async def record(self, connection: Connection, revisions: Sequence[Incident]) -> list[Incident]:
        """Write `revisions`, of locked incidents, in order; once per transaction.

        A handful of statements, however many they are. Returns them with their numbers.
        """
        if not revisions:
            return []
        saved = await store.save(connection, revisions)
        await self._outbox.add(connection, [incident_changed(revision) for revision in saved])
        await store_rooms.enqueue(connection, await self._messages(connection, saved))
        for revision in saved:
            self._metrics.changed(revision)
        return saved

    async def _messages(
        self, connection: Connection, revisions: Sequence[Incident]
    ) -> list[NewMessage]:
        known = {one.id for one in revisions if one.facts.desks and one.revision > 1}
        told = await store_rooms.told(connection, known) if known else set()
        messages = []
        for one in revisions:
            for called in rooms_for(one, self._routes):
                later = one.status is Status.CHANGED and called.desk is not None
                shown = one.status
                if later and (called.room, one.id) not in told:
                    # What is a change to others is new to a room that is called only now.
                    shown = Status.OCCURRED
                told.add((called.room, one.id))
                body = event_body(one, self._unknown_position, called.desk, shown)
                code = STATUS_CODES[shown]
                messages.append(NewMessage(called.room, one.id, one.revision, code, body))
        return messages


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
            "police_code": facts.police_code,
            "desks": list(facts.desks),
        },
    )
