"""SQL of bays' states. Every function works in the caller's transaction, in bulk."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from city_backbone.database import Connection
from city_backbone.geo import Point

from parking.occupancy.sensor import Seen
from parking.occupancy.status import BayState, BayStatus


async def lock_bays(connection: Connection, bay_ids: Iterable[str]) -> None:
    """As lots.store.lock_terms does, without reading the terms."""
    await connection.execute(
        "select from bay where bay_id = any(%b) order by bay_id for update", (list(bay_ids),)
    )


async def states(connection: Connection, bay_ids: Iterable[str]) -> dict[str, BayState]:
    """Of the registered ones, in the order of ids."""
    rows = await connection.execute(
        "select b.bay_id, b.lot_id, b.in_service,"
        " b.position[1] as latitude, b.position[0] as longitude,"
        " coalesce(s.status, 'FREE') as status, coalesce(s.revision, 0) as revision,"
        " s.changed_at, s.judge_at, s.sensor_id, s.sensor_occupied, s.sensor_since,"
        " s.sensor_heard_at"
        " from bay b left join bay_state s using (bay_id) where b.bay_id = any(%b)"
        " order by b.bay_id",
        (list(bay_ids),),
    )
    return {row["bay_id"]: _state(row) async for row in rows}


async def save_states(connection: Connection, changed: Sequence[BayState]) -> None:
    """All but what the sensors say; the bays are locked."""
    if not changed:
        return
    await connection.execute(
        "insert into bay_state (bay_id, status, revision, changed_at, judge_at)"
        " select * from unnest(%b::text[], %b::text[], %b::bigint[], %b::timestamptz[],"
        " %b::timestamptz[])"
        " on conflict (bay_id) do update set status = excluded.status,"
        " revision = excluded.revision, changed_at = excluded.changed_at,"
        " judge_at = excluded.judge_at",
        (
            [state.bay_id for state in changed],
            [state.status.value for state in changed],
            [state.revision for state in changed],
            [state.changed_at for state in changed],
            [state.judge_at for state in changed],
        ),
    )


async def mark_lots(connection: Connection, lot_ids: Iterable[str], now: datetime) -> None:
    """They are to be counted, after the caller's commit."""
    marked = sorted(set(lot_ids))
    if marked:
        await connection.execute(
            "insert into lot_to_count (lot_id, since) select unnest(%b::text[]), %s", (marked, now)
        )


async def seen_empty(connection: Connection, bay_ids: Sequence[str]) -> dict[str, datetime]:
    """Those of them whose sensor says free, since when."""
    return await _seen(connection, bay_ids, occupied=False)


async def seen_occupied(connection: Connection, bay_ids: Sequence[str]) -> dict[str, datetime]:
    """Those of them whose sensor says occupied, since when."""
    return await _seen(connection, bay_ids, occupied=True)


async def _seen(
    connection: Connection, bay_ids: Sequence[str], *, occupied: bool
) -> dict[str, datetime]:
    rows = await connection.execute(
        "select bay_id, sensor_since from bay_state"
        " where bay_id = any(%b) and sensor_occupied = %s",
        (list(bay_ids), occupied),
    )
    return {row["bay_id"]: row["sensor_since"] async for row in rows}


def _state(row: Mapping[str, Any]) -> BayState:
    seen = row["sensor_id"] and Seen(
        row["sensor_id"], row["sensor_occupied"], row["sensor_since"], row["sensor_heard_at"]
    )
    return BayState(
        bay_id=row["bay_id"],
        lot_id=row["lot_id"],
        position=Point(row["latitude"], row["longitude"]),
        in_service=row["in_service"],
        status=BayStatus(row["status"]),
        revision=row["revision"],
        changed_at=row["changed_at"],
        judge_at=row["judge_at"],
        seen=seen or None,
    )
