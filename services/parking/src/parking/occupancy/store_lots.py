"""SQL of lots to be counted. Every function works in the caller's transaction."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, LiteralString

from city_backbone.database import Connection
from city_backbone.geo import Point

from parking.lots.terms import LotKind
from parking.occupancy.count import Count, LotState

_LOTS: LiteralString = (
    "select l.lot_id, l.name, l.kind, l.position[1] as latitude, l.position[0] as longitude,"
    " s.revision, s.bays, s.occupied, s.reserved, s.changed_at"
    " from lot l left join lot_state s using (lot_id)"
)


async def lock_marked(connection: Connection, told_before: datetime, most: int) -> list[str]:
    """Lots to be counted of which nothing was told since `told_before`; nobody else counts them.

    What another replica counts just now is left out.
    """
    rows = await connection.execute(
        "select l.lot_id from lot l left join lot_state s using (lot_id)"
        " where exists (select from lot_to_count m where m.lot_id = l.lot_id)"
        " and (s.changed_at is null or s.changed_at <= %s)"
        " order by l.lot_id limit %s for no key update of l skip locked",
        (told_before, most),
    )
    return [row["lot_id"] async for row in rows]


async def unmark(connection: Connection, lot_ids: Sequence[str]) -> None:
    """The marks whose changes the next statement sees."""
    await connection.execute("delete from lot_to_count where lot_id = any(%b)", (list(lot_ids),))


async def find(connection: Connection, lot_ids: Iterable[str]) -> dict[str, LotState]:
    """In the order of ids."""
    rows = await connection.execute(
        f"{_LOTS} where l.lot_id = any(%b) order by l.lot_id", (list(lot_ids),)
    )
    return {row["lot_id"]: _lot(row) async for row in rows}


async def count(connection: Connection, lot_ids: Iterable[str]) -> dict[str, Count]:
    """Of all of them, also those without bays. A bay without a state is free."""
    rows = await connection.execute(
        "select given.lot_id, count(b.bay_id) as bays,"
        " count(*) filter (where s.status = 'OCCUPIED') as occupied,"
        " count(*) filter (where s.status = 'RESERVED') as reserved"
        " from unnest(%b::text[]) as given (lot_id)"
        " left join bay b on b.lot_id = given.lot_id and b.in_service"
        " left join bay_state s on s.bay_id = b.bay_id group by given.lot_id",
        (list(lot_ids),),
    )
    return {
        row["lot_id"]: Count(row["bays"], row["occupied"], row["reserved"]) async for row in rows
    }


async def save(connection: Connection, lots: Sequence[LotState]) -> None:
    """Told anew; the lots are locked."""
    counts = [lot.count for lot in lots if lot.count is not None]
    await connection.execute(
        "insert into lot_state (lot_id, revision, bays, occupied, reserved, changed_at)"
        " select * from unnest(%b::text[], %b::bigint[], %b::int[], %b::int[], %b::int[],"
        " %b::timestamptz[])"
        " on conflict (lot_id) do update set revision = excluded.revision, bays = excluded.bays,"
        " occupied = excluded.occupied, reserved = excluded.reserved,"
        " changed_at = excluded.changed_at",
        (
            [lot.lot_id for lot in lots],
            [lot.revision for lot in lots],
            [one.bays for one in counts],
            [one.occupied for one in counts],
            [one.reserved for one in counts],
            [lot.changed_at for lot in lots],
        ),
    )


def _lot(row: Mapping[str, Any]) -> LotState:
    known = row["revision"] is not None
    return LotState(
        lot_id=row["lot_id"],
        name=row["name"],
        kind=LotKind(row["kind"]),
        position=Point(row["latitude"], row["longitude"]),
        revision=row["revision"] or 0,
        count=Count(row["bays"], row["occupied"], row["reserved"]) if known else None,
        changed_at=row["changed_at"],
    )
