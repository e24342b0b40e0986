"""Context that is still to be gathered, in PostgreSQL: one row per incident, for all replicas."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from city_backbone.database import Connection

CHANNEL = "context_request"


@dataclass(frozen=True, slots=True)
class Request:
    """Context wanted of an incident; `room` asked for it, None when none did.

    `attempts` counts the present one; `answers` were given so far, the last at `answered_at`.
    `given` names what was in them since the room asked last.
    """

    incident_id: UUID
    room: str | None
    attempts: int
    answers: int
    answered_at: datetime | None
    given: Sequence[str] = ()


async def want(connection: Connection, incidents: Sequence[UUID], room: str | None = None) -> None:
    """Once per incident, but again for the room that asked: tokens do not live long, and a room
    that was away has none. Not within a minute of an answer, which a room may echo. Whoever
    gathers is woken by the commit.
    """
    await connection.execute(
        "with wanted as (insert into context_request as known (incident_id, room)"
        "  select id, %s from unnest(%s::uuid[]) as id on conflict (incident_id) do update"
        "  set state = 'waiting', attempts = 0, due_at = now(), given = '{}'"
        "  where known.state = 'done' and known.room = excluded.room"
        "  and coalesce(known.answered_at, '-infinity') < now() - interval '1 minute'"
        "  returning 1)"
        " select pg_notify(%s, '') where exists (select from wanted)",
        (room, list(incidents), CHANNEL),
    )


async def claim(connection: Connection, limit: int, seconds: float) -> list[Request]:
    """Up to `limit` that are due, oldest first; for `seconds` nobody else gets them."""
    # Not `in (select … limit …)`: a nested loop would select anew, others, for each row.
    rows = await connection.execute(
        "with due as (select incident_id from context_request"
        " where state = 'waiting' and due_at <= now()"
        " order by due_at limit %s for update skip locked)"
        " update context_request as request set attempts = attempts + 1,"
        " due_at = now() + make_interval(secs => %s) from due"
        " where request.incident_id = due.incident_id"
        " returning request.incident_id, room, attempts, answers, answered_at, given",
        (limit, seconds),
    )
    return [Request(**row) for row in await rows.fetchall()]


async def waiting(connection: Connection, incident_id: UUID) -> bool:
    """Whether it is still wanted; no other transaction settles it meanwhile."""
    rows = await connection.execute(
        "select 1 from context_request where incident_id = %s and state = 'waiting' for update",
        (incident_id,),
    )
    return await rows.fetchone() is not None


async def answered(
    connection: Connection, incident_id: UUID, at: datetime, given: Collection[str]
) -> None:
    """The room that asked was given one more answer, with these parts in it."""
    await connection.execute(
        "update context_request set answers = answers + 1, answered_at = %s,"
        " given = array(select unnest(given) union select unnest(%s::text[]))"
        " where incident_id = %s",
        (at, list(given), incident_id),
    )


async def settle(connection: Connection, incident_id: UUID) -> bool:
    """Nothing more is wanted. Whether something was."""
    rows = await connection.execute(
        "update context_request set state = 'done'"
        " where incident_id = %s and state = 'waiting' returning 1",
        (incident_id,),
    )
    return await rows.fetchone() is not None


async def postpone(connection: Connection, incident_id: UUID, seconds: float) -> None:
    """Again after `seconds`."""
    await connection.execute(
        "update context_request set due_at = now() + make_interval(secs => %s)"
        " where incident_id = %s",
        (seconds, incident_id),
    )
