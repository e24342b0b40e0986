"""Alarms and their history in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from city_backbone.database import Connection
from psycopg.types.json import Jsonb

from cameras.alarms.alarm import Alarm, Site, Status, Witness

# The two-number space of advisory locks; others use the one-number space.
_CHANGE_ORDER = (112, 3)


async def sites(connection: Connection, site_ids: Sequence[str]) -> dict[str, Site]:
    """The registered ones of `site_ids`."""
    rows = await connection.execute(
        "select site_id, name, position[1] as latitude, position[0] as longitude from site"
        " where site_id = any(%s)",
        (list(site_ids),),
    )
    return {
        row["site_id"]: Site(row["site_id"], row["name"], row["latitude"], row["longitude"])
        for row in await rows.fetchall()
    }


async def lock(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, Alarm]:
    """The known ones of `ids`; no other transaction changes any of them meanwhile."""
    rows = await connection.execute(
        "select * from alarm where alarm_id = any(%s) order by alarm_id for update",
        (sorted(set(ids)),),
    )
    return {row["alarm_id"]: _alarm(row) for row in await rows.fetchall()}


async def lock_due(connection: Connection, now: datetime, limit: int) -> list[Alarm]:
    """Alarms to escalate by themselves that no other replica is at, the most overdue first."""
    rows = await connection.execute(
        "select * from alarm where status = 'RAISED' and escalates_at <= %s"
        " order by escalates_at limit %s for update skip locked",
        (now, limit),
    )
    return [_alarm(row) for row in await rows.fetchall()]


async def find(connection: Connection, alarm_id: UUID) -> Alarm | None:
    rows = await connection.execute("select * from alarm where alarm_id = %s", (alarm_id,))
    row = await rows.fetchone()
    return None if row is None else _alarm(row)


async def newest(
    connection: Connection,
    statuses: Sequence[Status],
    site_id: str,
    kind: str,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Alarm]:
    """Newest first by the time they occurred; all where a filter is empty."""
    occurred_at, alarm_id = before or (None, None)
    rows = await connection.execute(
        "select * from alarm"
        " where (%(all_statuses)s or status = any(%(statuses)s))"
        " and (%(site_id)s = '' or site_id = %(site_id)s)"
        " and (%(kind)s = '' or kind = %(kind)s)"
        " and (%(at)s::timestamptz is null or (occurred_at, alarm_id) < (%(at)s, %(id)s))"
        " order by occurred_at desc, alarm_id desc limit %(limit)s",
        {
            "all_statuses": not statuses,
            "statuses": [str(status) for status in statuses],
            "site_id": site_id,
            "kind": kind,
            "at": occurred_at,
            "id": alarm_id,
            "limit": limit,
        },
    )
    return [_alarm(row) for row in await rows.fetchall()]


async def last_change(connection: Connection) -> int:
    """The newest change's cursor, 0 before the first."""
    rows = await connection.execute("select max(change) as change from alarm_change")
    row = await rows.fetchone()
    return (row and row["change"]) or 0


async def changes_after(connection: Connection, cursor: int, limit: int) -> list[tuple[int, Alarm]]:
    """Alarms as they were at each change after `cursor`, in order, none left out.

    Cursors are drawn under a lock held to the commit, so a smaller one never appears later.
    """
    rows = await connection.execute(
        "select a.*, c.* from alarm_change c join alarm a using (alarm_id)"
        " where c.change > %s order by c.change limit %s",
        (cursor, limit),
    )
    return [(row["change"], _alarm(row)) for row in await rows.fetchall()]


async def save(connection: Connection, revisions: Sequence[Alarm]) -> None:
    """Store new revisions, in order; every alarm that was there must be locked.

    What is told of them must be added to the outbox after this, so that it is told in the order
    of the changes.
    """
    # Held to the commit: the order of changes is the order of commits, so watchers miss none.
    await connection.execute("select pg_advisory_xact_lock(%s, %s)", _CHANGE_ORDER)
    last = {revision.id: revision for revision in revisions}
    async with connection.cursor() as cursor:
        await cursor.executemany(_UPSERT, [_row(revision) for revision in last.values()])
        await cursor.executemany(_APPEND, [_row(revision) for revision in revisions])


_UPSERT = """
insert into alarm (
    alarm_id, site_id, kind, number, status, urgency, place, purpose, latitude, longitude,
    occurred_at, persisted_at, raised_at, changed_at, changed_by, reason, revision, witnesses,
    detection_ids, rule_id, rule_version, escalates_at
) values (
    %(alarm_id)s, %(site_id)s, %(kind)s, %(number)s, %(status)s, %(urgency)s, %(place)s,
    %(purpose)s, %(latitude)s, %(longitude)s, %(occurred_at)s, %(persisted_at)s, %(raised_at)s,
    %(changed_at)s, %(changed_by)s, %(reason)s, %(revision)s, %(witnesses)s, %(detection_ids)s,
    %(rule_id)s, %(rule_version)s, %(escalates_at)s
) on conflict (alarm_id) do update set
    status = excluded.status, urgency = excluded.urgency, purpose = excluded.purpose,
    occurred_at = excluded.occurred_at, persisted_at = excluded.persisted_at,
    changed_at = excluded.changed_at, changed_by = excluded.changed_by, reason = excluded.reason,
    revision = excluded.revision, witnesses = excluded.witnesses,
    detection_ids = excluded.detection_ids, rule_id = excluded.rule_id,
    rule_version = excluded.rule_version, escalates_at = excluded.escalates_at
"""
_APPEND = """
insert into alarm_change (
    alarm_id, revision, status, urgency, purpose, occurred_at, persisted_at, changed_at,
    changed_by, reason, witnesses, detection_ids, rule_id, rule_version, escalates_at
) values (
    %(alarm_id)s, %(revision)s, %(status)s, %(urgency)s, %(purpose)s, %(occurred_at)s,
    %(persisted_at)s, %(changed_at)s, %(changed_by)s, %(reason)s, %(witnesses)s,
    %(detection_ids)s, %(rule_id)s, %(rule_version)s, %(escalates_at)s
)
"""


def _row(alarm: Alarm) -> dict[str, Any]:
    return {
        "alarm_id": alarm.id,
        "site_id": alarm.site.site_id,
        "kind": alarm.kind,
        "number": alarm.number,
        "status": str(alarm.status),
        "urgency": alarm.urgency,
        "place": alarm.site.place,
        "purpose": alarm.purpose,
        "latitude": alarm.site.latitude,
        "longitude": alarm.site.longitude,
        "occurred_at": alarm.occurred_at,
        "persisted_at": alarm.persisted_at,
        "raised_at": alarm.raised_at,
        "changed_at": alarm.changed_at,
        "changed_by": alarm.changed_by,
        "reason": alarm.reason,
        "revision": alarm.revision,
        "witnesses": Jsonb(
            [
                [one.first_detected_at.isoformat(), one.camera_id, one.track_id]
                for one in alarm.witnesses
            ]
        ),
        "detection_ids": list(alarm.detection_ids),
        "rule_id": alarm.rule_id,
        "rule_version": alarm.rule_version,
        "escalates_at": alarm.escalates_at,
    }


def _alarm(row: dict[str, Any]) -> Alarm:
    return Alarm(
        id=row["alarm_id"],
        kind=row["kind"],
        number=row["number"],
        site=Site(row["site_id"], row["place"], row["latitude"], row["longitude"]),
        purpose=row["purpose"],
        urgency=row["urgency"],
        rule_id=row["rule_id"],
        rule_version=row["rule_version"],
        occurred_at=row["occurred_at"],
        persisted_at=row["persisted_at"],
        witnesses=tuple(
            Witness(datetime.fromisoformat(at), camera_id, track_id)
            for at, camera_id, track_id in row["witnesses"]
        ),
        detection_ids=tuple(row["detection_ids"]),
        raised_at=row["raised_at"],
        changed_at=row["changed_at"],
        escalates_at=row["escalates_at"],
        status=Status(row["status"]),
        revision=row["revision"],
        changed_by=row["changed_by"],
        reason=row["reason"],
    )
