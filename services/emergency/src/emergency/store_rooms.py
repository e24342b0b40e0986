"""The queue of messages to rooms in PostgreSQL. A message leaves it only when acknowledged."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from city_backbone.database import Connection
from city_backbone.tracing import current_traceparent

CHANNEL = "room_message"


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to enqueue; `body` is the exact JSON text to send.

    An `answer` goes to the room that asked; its `revision` is the number of the answer.
    """

    room: str
    incident_id: UUID
    revision: int
    status_code: str
    body: str
    answer: bool = False


@dataclass(frozen=True, slots=True)
class DueMessage:
    """A message that may be sent now; `attempts` so far. An `answer` holds secrets."""

    id: int
    incident_id: UUID
    revision: int
    body: str
    attempts: int
    answer: bool
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one room knows of an incident."""

    room: str
    acknowledged_revision: int
    pending: int
    last_error: str


async def enqueue(connection: Connection, messages: Sequence[NewMessage]) -> None:
    """Add messages; the connectors of their rooms are woken by the commit."""
    if not messages:
        return
    await connection.execute(
        "with added as ("
        "  insert into room_message (room, incident_id, revision, status_code, body, answer,"
        "   traceparent)"
        "  select *, %s from unnest("
        "   %s::text[], %s::uuid[], %s::int[], %s::text[], %s::text[], %s::boolean[])"
        "  returning room)"
        " select pg_notify(%s, room) from (select distinct room from added)",
        (
            current_traceparent(),
            [message.room for message in messages],
            [message.incident_id for message in messages],
            [message.revision for message in messages],
            [message.status_code for message in messages],
            [message.body for message in messages],
            [message.answer for message in messages],
            CHANNEL,
        ),
    )


async def told(connection: Connection, incidents: Collection[UUID]) -> set[tuple[str, UUID]]:
    """Each room and incident of these, where the room was told of the incident before."""
    rows = await connection.execute(
        "select distinct room, incident_id from room_message"
        " where incident_id = any(%s) and not answer",
        (list(incidents),),
    )
    return {(row["room"], row["incident_id"]) for row in await rows.fetchall()}


async def due(
    connection: Connection, room: str, busy: Collection[UUID], limit: int
) -> list[DueMessage]:
    """The first unacknowledged message of each incident, where it is due; oldest due first.

    A later revision is never due before the earlier ones are acknowledged. Incidents in `busy` are
    left out.
    """
    rows = await connection.execute(
        "select id, incident_id, revision, body, attempts, answer, traceparent"
        " from room_message m"
        " where room = %s and state = 'pending' and next_attempt_at <= now()"
        " and incident_id <> all(%s::uuid[])"
        " and not exists (select from room_message earlier where earlier.room = m.room"
        "  and earlier.incident_id = m.incident_id and earlier.state = 'pending'"
        "  and earlier.revision < m.revision)"
        " order by next_attempt_at, id limit %s",
        (room, list(busy), limit),
    )
    return [DueMessage(**row) for row in await rows.fetchall()]


async def seconds_to_next(connection: Connection, room: str) -> float | None:
    """Seconds until a waiting message is due, 0 or less when one is; None without any."""
    rows = await connection.execute(
        "select extract(epoch from min(next_attempt_at) - now())::float8 as seconds"
        " from room_message where room = %s and state = 'pending' and next_attempt_at > now()",
        (room,),
    )
    row = await rows.fetchone()
    return row["seconds"] if row else None


async def acknowledge(connection: Connection, message_ids: Sequence[int]) -> None:
    """The room has taken them. The body of an answer holds secrets, so it is blanked."""
    await connection.execute(
        "update room_message set state = 'acknowledged', acknowledged_at = now(),"
        " attempts = attempts + 1, last_error = '', body = case when answer then '' else body end"
        " where id = any(%s)",
        (list(message_ids),),
    )


async def postpone(
    connection: Connection, message_id: int, seconds: float, last_error: str
) -> None:
    """The attempt failed, or nobody knows how it ended; try again after `seconds`."""
    await connection.execute(
        "update room_message set attempts = attempts + 1, last_error = %s,"
        " next_attempt_at = now() + make_interval(secs => %s) where id = %s and state = 'pending'",
        (last_error, seconds, message_id),
    )


async def deliveries(connection: Connection, incident_id: UUID) -> list[Delivery]:
    """By room, each room that is told of the incident, or is answered."""
    rows = await connection.execute(
        "select room,"
        " coalesce(max(revision) filter (where state = 'acknowledged' and not answer), 0)"
        "  as acknowledged_revision,"
        " (count(*) filter (where state = 'pending'))::int as pending,"
        " coalesce((array_agg(last_error order by revision) filter (where state = 'pending'))[1],"
        "  '') as last_error"
        " from room_message where incident_id = %s group by room order by room",
        (incident_id,),
    )
    return [Delivery(**row) for row in await rows.fetchall()]


async def oldest_pending_seconds(connection: Connection) -> dict[str, float]:
    """Age of the oldest message not acknowledged, seconds, for each room that has one."""
    rows = await connection.execute(
        "select room, extract(epoch from now() - min(created_at))::float8 as seconds"
        " from room_message where state = 'pending' group by room"
    )
    return {row["room"]: row["seconds"] for row in await rows.fetchall()}
