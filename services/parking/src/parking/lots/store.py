"""SQL of terms. Every function works in the caller's transaction."""

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString

from city_backbone.database import Connection
from city_backbone.geo import Point

from parking.lots import rows
from parking.lots.terms import LotKind, Terms

COLUMNS: LiteralString = (
    "b.bay_id, b.lot_id, b.owner_id, b.in_service, b.unit_fee_won,"
    " b.weekly_windows::text, b.exceptions::text,"
    " b.position[1] as latitude, b.position[0] as longitude,"
    " l.kind, l.scheme, l.operator, l.district, l.hours::text, l.fees::text"
)
TABLES: LiteralString = "bay b join lot l using (lot_id)"


async def lock_terms(connection: Connection, bay_ids: Sequence[str]) -> dict[str, Terms]:
    """Those that are registered, their bays locked: who claims, changes or judges a bay begins so.

    Who also needs a lot's row takes it before, and `for no key update`: a booking that is written
    under the bay's lock needs its key.
    """
    await connection.execute(
        "select from bay where bay_id = any(%s) order by bay_id for update", (list(bay_ids),)
    )
    return await terms(connection, bay_ids)


async def terms(connection: Connection, bay_ids: Sequence[str]) -> dict[str, Terms]:
    """Those that are registered, by id."""
    found = await connection.execute(
        f"select {COLUMNS} from {TABLES} where b.bay_id = any(%s)", (list(bay_ids),)
    )
    return {row["bay_id"]: from_row(row) async for row in found}


async def page(connection: Connection, lot_id: str, after: str, limit: int) -> Sequence[Terms]:
    """Of a lot's bays, in the order of ids, those after `after`."""
    found = await connection.execute(
        f"select {COLUMNS} from {TABLES} where b.lot_id = %s and b.bay_id > %s"
        " order by b.bay_id limit %s",
        (lot_id, after, limit),
    )
    return [from_row(row) async for row in found]


def from_row(row: Mapping[str, Any]) -> Terms:
    """A row of COLUMNS."""
    return Terms(
        bay_id=row["bay_id"],
        lot_id=row["lot_id"],
        lot_kind=LotKind(row["kind"]),
        scheme=row["scheme"],
        operator=row["operator"],
        district=row["district"],
        owner_id=row["owner_id"],
        position=Point(row["latitude"], row["longitude"]),
        in_service=row["in_service"],
        hours=rows.hours(row["hours"]),
        fees=rows.fees(row["fees"], row["unit_fee_won"]),
        availability=rows.availability(row["weekly_windows"], row["exceptions"]),
    )
