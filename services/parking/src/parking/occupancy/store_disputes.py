"""SQL of disputes, and of what is to be judged, in the caller's transaction."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from city_backbone.database import Connection
from psycopg.types.json import Jsonb

from parking.occupancy.disagreement import Kind
from parking.occupancy.dispute import Dispute, Evidence


async def lock_due(connection: Connection, now: datetime, most: int) -> tuple[list[str], bool]:
    """Bays to be judged, their rows locked, without those that somebody works on.

    Also whether there may be more.
    """
    due = await connection.execute(
        "select bay_id from bay_state where judge_at <= %s order by judge_at limit %s", (now, most)
    )
    bay_ids = [row["bay_id"] async for row in due]
    rows = await connection.execute(
        "select bay_id from bay where bay_id = any(%b) order by bay_id for update skip locked",
        (bay_ids,),
    )
    locked = [row["bay_id"] async for row in rows]
    return locked, len(bay_ids) == most and bool(locked)


async def judge_next(connection: Connection, moments: Mapping[str, datetime | None]) -> None:
    """When each bay is judged next; they are locked."""
    await connection.execute(
        "update bay_state s set judge_at = next.judge_at"
        " from unnest(%b::text[], %b::timestamptz[]) as next (bay_id, judge_at)"
        " where s.bay_id = next.bay_id",
        (list(moments), list(moments.values())),
    )


async def owners_over(connection: Connection, bay_ids: Iterable[str]) -> dict[str, datetime]:
    """When the owner's own last claim was over that had begun, of bays that had any."""
    rows = await connection.execute(
        "select given.bay_id, least(upper(last.during), last.changed_at) as over"
        " from unnest(%b::text[]) as given (bay_id) cross join lateral"
        " (select * from booking b where b.bay_id = given.bay_id and b.owners"
        " and b.status = 'RELEASED' and lower(b.during) < b.changed_at"
        " order by b.changed_at desc limit 1) as last",
        (list(bay_ids),),
    )
    return {row["bay_id"]: row["over"] async for row in rows}


async def known(connection: Connection, dispute_ids: Iterable[UUID]) -> set[UUID]:
    """Those that were opened, resolved or not."""
    rows = await connection.execute(
        "select dispute_id from dispute where dispute_id = any(%s)", (list(dispute_ids),)
    )
    return {row["dispute_id"] async for row in rows}


async def add(connection: Connection, dispute: Dispute) -> None:
    """Its bay is locked, and it is not known."""
    await connection.execute(
        "insert into dispute (dispute_id, kind, bay_id, lot_id, booking_id, since, opened_at,"
        " evidence) values (%s, %s, %s, %s, %s, %s, %s, %s)",
        (
            dispute.dispute_id,
            dispute.kind.value,
            dispute.bay_id,
            dispute.lot_id,
            dispute.booking_id,
            dispute.since,
            dispute.opened_at,
            Jsonb(
                [
                    {"at": one.at.isoformat(), "source": one.source, "said": one.said}
                    for one in dispute.evidence
                ]
            ),
        ),
    )


async def find(connection: Connection, dispute_id: UUID) -> Dispute | None:
    rows = await connection.execute("select * from dispute where dispute_id = %s", (dispute_id,))
    row = await rows.fetchone()
    return None if row is None else _dispute(row)


async def lock(connection: Connection, dispute_id: UUID) -> Dispute | None:
    rows = await connection.execute(
        "select * from dispute where dispute_id = %s for update", (dispute_id,)
    )
    row = await rows.fetchone()
    return None if row is None else _dispute(row)


async def save(connection: Connection, dispute: Dispute) -> None:
    """What a person decided; it is locked."""
    await connection.execute(
        "update dispute set resolved_at = %s, resolved_by = %s, resolution = %s"
        " where dispute_id = %s",
        (dispute.resolved_at, dispute.resolved_by, dispute.resolution, dispute.dispute_id),
    )


async def newest(
    connection: Connection,
    open_only: bool,
    lot_id: str,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[Dispute]:
    """Newest first, those behind `before`; of all lots when lot_id is empty."""
    opened_at, dispute_id = before or (None, None)
    rows = await connection.execute(
        "select * from dispute where (not %(open)s or resolved_at is null)"
        " and (%(lot)s = '' or lot_id = %(lot)s)"
        " and (%(at)s::timestamptz is null or (opened_at, dispute_id) < (%(at)s, %(id)s))"
        " order by opened_at desc, dispute_id desc limit %(limit)s",
        {"open": open_only, "lot": lot_id, "at": opened_at, "id": dispute_id, "limit": limit},
    )
    return [_dispute(row) for row in await rows.fetchall()]


def _dispute(row: Mapping[str, Any]) -> Dispute:
    return Dispute(
        dispute_id=row["dispute_id"],
        kind=Kind(row["kind"]),
        bay_id=row["bay_id"],
        lot_id=row["lot_id"],
        booking_id=row["booking_id"],
        since=row["since"],
        opened_at=row["opened_at"],
        evidence=tuple(
            Evidence(datetime.fromisoformat(one["at"]), one["source"], one["said"])
            for one in row["evidence"]
        ),
        resolved_at=row["resolved_at"],
        resolved_by=row["resolved_by"] or "",
        resolution=row["resolution"] or "",
    )
