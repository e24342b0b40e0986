"""Leases in PostgreSQL. What is stored may be past its end: `Lease.at` says what it is now."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from city_backbone.database import Connection

from cameras.leases.lease import OPEN, Ground, Lease, Status

_OPEN = sorted(OPEN)


async def find(connection: Connection, lease_id: UUID) -> Lease | None:
    rows = await connection.execute("select * from lease where lease_id = %s", (lease_id,))
    row = await rows.fetchone()
    return None if row is None else _lease(row)


async def lock(connection: Connection, lease_id: UUID) -> Lease | None:
    """Nobody else changes it, or looks by it, until the end of the transaction."""
    rows = await connection.execute(
        "select * from lease where lease_id = %s for update", (lease_id,)
    )
    row = await rows.fetchone()
    return None if row is None else _lease(row)


async def hold(connection: Connection, lease_ids: Sequence[UUID]) -> dict[UUID, Lease]:
    """Others may hold them too, nobody may change them: a look comes before or after an end."""
    rows = await connection.execute(
        "select * from lease where lease_id = any(%s) order by lease_id for share",
        (list(lease_ids),),
    )
    return {row["lease_id"]: _lease(row) for row in await rows.fetchall()}


async def lock_of_incidents(connection: Connection, incident_ids: Sequence[UUID]) -> list[Lease]:
    """Their open leases, locked."""
    rows = await connection.execute(
        "select * from lease where incident_id = any(%s) and status = any(%s)"
        " order by lease_id for update",
        (list(incident_ids), _OPEN),
    )
    return [_lease(row) for row in await rows.fetchall()]


async def lock_due(connection: Connection, now: datetime, limit: int) -> list[Lease]:
    """Open leases past their end, locked; those that another replica ends are left to it."""
    rows = await connection.execute(
        "select * from lease where due_at <= %s order by due_at limit %s for update skip locked",
        (now, limit),
    )
    return [_lease(row) for row in await rows.fetchall()]


async def newest(
    connection: Connection,
    incident_id: UUID | None,
    statuses: Sequence[Status],
    before: tuple[datetime, UUID] | None,
    now: datetime,
    limit: int,
) -> list[Lease]:
    """Newest first; by the status they have at `now`; all where a filter is empty."""
    requested_at, lease_id = before or (None, None)
    rows = await connection.execute(
        "select * from lease where (%(incident)s::uuid is null or incident_id = %(incident)s)"
        " and (%(all)s or case when due_at <= %(now)s then 'ENDED' else status end"
        " = any(%(statuses)s))"
        " and (%(at)s::timestamptz is null or (requested_at, lease_id) < (%(at)s, %(id)s))"
        " order by requested_at desc, lease_id desc limit %(limit)s",
        {
            "incident": incident_id,
            "all": not statuses,
            "statuses": [str(status) for status in statuses],
            "now": now,
            "at": requested_at,
            "id": lease_id,
            "limit": limit,
        },
    )
    return [_lease(row) for row in await rows.fetchall()]


async def add(connection: Connection, leases: Sequence[Lease]) -> set[UUID]:
    """The ids of those that were not there yet."""
    added: set[UUID] = set()
    async with connection.cursor() as cursor:
        await cursor.executemany(_INSERT, [asdict(lease) for lease in leases], returning=True)
        while True:
            added.update(row["lease_id"] for row in await cursor.fetchall())
            if not cursor.nextset():
                return added


async def save(connection: Connection, leases: Sequence[Lease]) -> None:
    """What an act may change; they must be locked."""
    async with connection.cursor() as cursor:
        await cursor.executemany(_UPDATE, [asdict(lease) for lease in leases])


_INSERT = """
insert into lease (
    lease_id, camera_id, incident_id, ground, requester, requested_by, requested_at, duration,
    status, automatic, approved_afterwards, approver, starts_at, ends_at, approve_by, reason
) values (
    %(lease_id)s, %(camera_id)s, %(incident_id)s, %(ground)s, %(requester)s, %(requested_by)s,
    %(requested_at)s, %(duration)s, %(status)s, %(automatic)s, %(approved_afterwards)s,
    %(approver)s, %(starts_at)s, %(ends_at)s, %(approve_by)s, %(reason)s
) on conflict do nothing returning lease_id
"""
_UPDATE = """
update lease set status = %(status)s, approver = %(approver)s, starts_at = %(starts_at)s,
    ends_at = %(ends_at)s, approve_by = %(approve_by)s, reason = %(reason)s
where lease_id = %(lease_id)s
"""


def _lease(row: Mapping[str, Any]) -> Lease:
    fields = {name: value for name, value in row.items() if name != "due_at"}
    return Lease(**{**fields, "status": Status(row["status"]), "ground": Ground(row["ground"])})
