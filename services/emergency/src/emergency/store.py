"""Incidents and their history in PostgreSQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from city_backbone.database import Connection
from psycopg.types.json import Json

from emergency.domain import number
from emergency.domain.incident import Facts, Grade, Incident, Position, Source, Status

# The two-number space of advisory locks; incidents use the one-number space.
_CHANGE_ORDER = (112, 119)


@dataclass(frozen=True, slots=True)
class Change:
    """One revision in an incident's history; `changed_at` aware UTC."""

    revision: int
    status: Status
    grade: Grade
    description: str
    changed_at: datetime
    changed_by: str


async def lock(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, Incident]:
    """The known ones of `ids`; no other transaction changes, or opens, any of them meanwhile."""
    ordered = sorted(set(ids))
    # A row that is not there yet cannot be locked, so the id is.
    await connection.execute(
        "select pg_advisory_xact_lock(hashtextextended(id::text, 0)) from unnest(%s::uuid[]) as id",
        (ordered,),
    )
    rows = await connection.execute(
        "select * from incident where incident_id = any(%s) order by incident_id for update",
        (ordered,),
    )
    return {row["incident_id"]: _incident(row) for row in await rows.fetchall()}


async def find(connection: Connection, incident_id: UUID) -> Incident | None:
    """The incident as it is now."""
    rows = await connection.execute("select * from incident where incident_id = %s", (incident_id,))
    row = await rows.fetchone()
    return None if row is None else _incident(row)


async def history(connection: Connection, incident_id: UUID) -> list[Change]:
    """All revisions, oldest first."""
    rows = await connection.execute(
        "select revision, status, grade, description, changed_at, changed_by"
        " from incident_change where incident_id = %s order by revision",
        (incident_id,),
    )
    return [
        Change(
            row["revision"],
            Status(row["status"]),
            Grade(row["grade"]),
            row["description"],
            row["changed_at"],
            row["changed_by"],
        )
        for row in await rows.fetchall()
    ]


async def newest(
    connection: Connection,
    statuses: Sequence[Status],
    kind: str,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Incident]:
    """Newest first by the time they occurred; all statuses and kinds where those are empty."""
    occurred_at, incident_id = before or (None, None)
    rows = await connection.execute(
        "select * from incident"
        " where (%(all_statuses)s or status = any(%(statuses)s))"
        " and (%(kind)s = '' or kind = %(kind)s)"
        " and (%(at)s::timestamptz is null or (occurred_at, incident_id) < (%(at)s, %(id)s))"
        " order by occurred_at desc, incident_id desc limit %(limit)s",
        {
            "all_statuses": not statuses,
            "statuses": [str(status) for status in statuses],
            "kind": kind,
            "at": occurred_at,
            "id": incident_id,
            "limit": limit,
        },
    )
    return [_incident(row) for row in await rows.fetchall()]


async def cleared_before(connection: Connection, instant: datetime, limit: int) -> list[UUID]:
    """Incidents that were cleared, by our own clock, before `instant`; oldest first."""
    rows = await connection.execute(
        "select incident_id from incident where status = 'CLEARED' and recorded_at < %s"
        " order by recorded_at limit %s",
        (instant, limit),
    )
    return [row["incident_id"] for row in await rows.fetchall()]


async def last_change(connection: Connection) -> int:
    """The newest change's cursor, 0 before the first."""
    rows = await connection.execute("select max(change) as change from incident_change")
    row = await rows.fetchone()
    return (row and row["change"]) or 0


async def changes_after(
    connection: Connection, cursor: int, limit: int
) -> list[tuple[int, Incident]]:
    """Incidents as they were at each change after `cursor`, in order, none left out.

    Cursors are drawn under a lock held to the commit, so a smaller one never appears later. The
    items are today's.
    """
    rows = await connection.execute(
        "select i.*, c.* from incident_change c join incident i using (incident_id)"
        " where c.change > %s order by c.change limit %s",
        (cursor, limit),
    )
    return [(row["change"], _incident(row)) for row in await rows.fetchall()]


async def save(connection: Connection, revisions: Sequence[Incident]) -> list[Incident]:
    """Store new revisions, in order, and give each new incident its number.

    Every incident must be locked. Raises NumbersExhausted.
    """
    # Held to the commit: the order of changes is the order of commits, so watchers miss none.
    await connection.execute("select pg_advisory_xact_lock(%s, %s)", _CHANGE_ORDER)
    numbers = await _allocate(connection, revisions)
    numbered = [_with_number(revision, numbers) for revision in revisions]
    last = {revision.id: revision for revision in numbered}
    async with connection.cursor() as cursor:
        await cursor.executemany(_UPSERT, [_row(revision) for revision in last.values()])
        await cursor.executemany(_APPEND, [_row(revision) for revision in numbered])
    return numbered


async def _allocate(connection: Connection, revisions: Sequence[Incident]) -> dict[UUID, int]:
    new = {r.id: number.first_choice(r.occurred_at) for r in revisions if r.number is None}
    if not new:
        return {}
    rows = await connection.execute(
        "select distinct i.number from unnest(%s::bigint[]) as choice"
        " join incident i on i.number >= choice and i.number < choice + %s",
        (sorted(set(new.values())), number.WINDOW),
    )
    taken = [row["number"] for row in await rows.fetchall()]
    return dict(zip(new, number.allocate(new.values(), taken), strict=True))


def _with_number(revision: Incident, numbers: dict[UUID, int]) -> Incident:
    return revision.numbered(numbers[revision.id]) if revision.number is None else revision


_UPSERT = """
insert into incident (
    incident_id, kind, status, grade, title, description, place, latitude, longitude, items,
    police_code, desks, occurred_at, changed_at, changed_by, ended_at, revision,
    source, source_reference, source_room, source_sequence, number, alarm_at
) values (
    %(incident_id)s, %(kind)s, %(status)s, %(grade)s, %(title)s, %(description)s, %(place)s,
    %(latitude)s, %(longitude)s, %(items)s, %(police_code)s, %(desks)s, %(occurred_at)s,
    %(changed_at)s, %(changed_by)s, %(ended_at)s, %(revision)s, %(source)s, %(source_reference)s,
    %(source_room)s, %(source_sequence)s, %(number)s, %(alarm_at)s
) on conflict (incident_id) do update set
    status = excluded.status, grade = excluded.grade, title = excluded.title,
    description = excluded.description, place = excluded.place, latitude = excluded.latitude,
    longitude = excluded.longitude, items = excluded.items, police_code = excluded.police_code,
    desks = excluded.desks, changed_at = excluded.changed_at, changed_by = excluded.changed_by,
    ended_at = excluded.ended_at, revision = excluded.revision,
    source_sequence = excluded.source_sequence, alarm_at = excluded.alarm_at, recorded_at = now()
"""
_APPEND = """
insert into incident_change (
    incident_id, revision, status, grade, title, description, place, latitude, longitude,
    police_code, desks, changed_at, changed_by
) values (
    %(incident_id)s, %(revision)s, %(status)s, %(grade)s, %(title)s, %(description)s, %(place)s,
    %(latitude)s, %(longitude)s, %(police_code)s, %(desks)s, %(changed_at)s, %(changed_by)s
)
"""


def _row(incident: Incident) -> dict[str, Any]:
    facts, source = incident.facts, incident.source
    return {
        "incident_id": incident.id,
        "kind": incident.kind,
        "status": str(incident.status),
        "grade": str(facts.grade),
        "title": facts.title,
        "description": facts.description,
        "place": facts.place,
        "latitude": facts.position and facts.position.latitude,
        "longitude": facts.position and facts.position.longitude,
        "items": Json(dict(facts.items)),
        "police_code": facts.police_code,
        "desks": list(facts.desks),
        "occurred_at": incident.occurred_at,
        "changed_at": incident.changed_at,
        "changed_by": incident.changed_by,
        "ended_at": incident.ended_at,
        "revision": incident.revision,
        "source": source.name,
        "source_reference": source.reference,
        "source_room": source.room,
        "source_sequence": source.sequence,
        "number": incident.number,
        "alarm_at": incident.alarm_at,
    }


def _incident(row: dict[str, Any]) -> Incident:
    position = None
    if row["latitude"] is not None and row["longitude"] is not None:
        position = Position(row["latitude"], row["longitude"])
    return Incident(
        id=row["incident_id"],
        kind=row["kind"],
        status=Status(row["status"]),
        facts=Facts(
            grade=Grade(row["grade"]),
            title=row["title"],
            description=row["description"],
            place=row["place"],
            position=position,
            items=row["items"],
            police_code=row["police_code"],
            desks=tuple(row["desks"]),
        ),
        occurred_at=row["occurred_at"],
        changed_at=row["changed_at"],
        changed_by=row["changed_by"],
        source=Source(
            row["source"], row["source_reference"], row["source_room"], row["source_sequence"]
        ),
        revision=row["revision"],
        ended_at=row["ended_at"],
        number=row["number"],
        alarm_at=row["alarm_at"],
    )
