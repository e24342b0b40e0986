"""Follow-ups and what they are decided by, in PostgreSQL."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from city_backbone.database import Connection

from health.people.follow_up import Kind
from health.people.person import Person

_COLUMNS = "follow_up_id, kind, zone, priority, due_at"


@dataclass(frozen=True, slots=True)
class FollowUp:
    """Without identity. Priority 1 is first."""

    follow_up_id: UUID
    kind: Kind
    zone: str
    priority: int
    due_at: datetime


async def hold_basis(connection: Connection, person_id: UUID) -> bytes | None:
    """To the end of the transaction nobody else decides for this person; None: nothing yet."""
    await connection.execute(
        "insert into follow_up_basis (person_id, sealed) values (%s, '') on conflict do nothing",
        (person_id,),
    )
    rows = await connection.execute(
        "select sealed from follow_up_basis where person_id = %s for update", (person_id,)
    )
    row = await rows.fetchone()
    return bytes(row["sealed"]) or None if row else None


async def save_basis(connection: Connection, person_id: UUID, sealed: bytes) -> None:
    await connection.execute(
        "update follow_up_basis set sealed = %s where person_id = %s", (sealed, person_id)
    )


async def decide(
    connection: Connection, person: Person, due: Mapping[Kind, datetime], now: datetime
) -> None:
    """One of each kind for each person. What moves is told again when it is due; a kind that is
    not in `due` is done."""
    for kind, due_at in due.items():
        await connection.execute(
            "insert into follow_up as known"
            " (follow_up_id, person_id, kind, zone, priority, due_at)"
            " values (%s, %s, %s, %s, %s, %s)"
            " on conflict (person_id, kind) do update"
            " set due_at = excluded.due_at, told_at = null, done_at = null"
            " where known.due_at <> excluded.due_at or known.done_at is not null",
            (uuid4(), person.person_id, kind, person.zone, person.priority, due_at),
        )
    await connection.execute(
        "update follow_up set done_at = %s"
        " where person_id = %s and done_at is null and kind <> all(%s)",
        (now, person.person_id, list(due)),
    )


async def take_untold(connection: Connection, now: datetime, most: int) -> list[FollowUp]:
    """Those that are due and not told of, by priority, then due time; told of from now on."""
    rows = await connection.execute(
        "with untold as ("
        " select follow_up_id from follow_up"
        " where told_at is null and done_at is null and due_at <= %s"
        " order by priority, due_at, follow_up_id limit %s for update skip locked)"
        " update follow_up set told_at = %s from untold"
        " where follow_up.follow_up_id = untold.follow_up_id"
        " returning follow_up.follow_up_id, kind, zone, priority, due_at",
        (now, most, now),
    )
    taken = [_follow_up(row) for row in await rows.fetchall()]
    return sorted(taken, key=lambda one: (one.priority, one.due_at, one.follow_up_id))


async def due(
    connection: Connection,
    zone: str,
    now: datetime,
    after: tuple[int, datetime, UUID] | None,
    most: int,
) -> list[FollowUp]:
    """Open ones that are due, by priority, then due time; of all zones without one."""
    priority, due_at, follow_up_id = after or (0, now, UUID(int=0))
    rows = await connection.execute(
        f"select {_COLUMNS} from follow_up"
        " where done_at is null and due_at <= %s and (%s = '' or zone = %s)"
        " and (priority, due_at, follow_up_id) > (%s, %s, %s)"
        " order by priority, due_at, follow_up_id limit %s",
        (now, zone, zone, priority, due_at, follow_up_id, most),
    )
    return [_follow_up(row) for row in await rows.fetchall()]


async def find_open(connection: Connection, follow_up_id: UUID) -> tuple[FollowUp, UUID] | None:
    """With the person it is about; None when there is none that is open."""
    rows = await connection.execute(
        f"select {_COLUMNS}, person_id from follow_up where follow_up_id = %s and done_at is null",
        (follow_up_id,),
    )
    row = await rows.fetchone()
    return (_follow_up(row), row["person_id"]) if row else None


def _follow_up(row: Mapping[str, Any]) -> FollowUp:
    return FollowUp(
        row["follow_up_id"], Kind(row["kind"]), row["zone"], row["priority"], row["due_at"]
    )
