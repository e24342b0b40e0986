"""SQL of bays. Every function works in the caller's transaction."""

import json
from collections.abc import Mapping
from typing import NamedTuple
from uuid import UUID

from city_backbone.database import Connection
from city_backbone.geo import Point

from parking.lots import rows
from parking.lots.availability import Availability


class Changed(NamedTuple):
    """Bays that went out of service or came back, locked; lots whose bays in service are others."""

    bay_ids: list[str]
    lot_ids: list[str]


async def set_public(connection: Connection, bays: Mapping[str, int]) -> Changed:
    """Lots of the city, saved and locked, have so many bays from now on: `<lot_id>-001` and so on.

    What is too many goes out of service and stays; later it may come back. Bays stand where their
    lot does. Raises psycopg's UniqueViolation when an alley has a bay of such a name.
    """
    given = {"lots": list(bays), "bays": list(bays.values())}
    found = await connection.execute(
        "select b.bay_id, b.lot_id, b.in_service <> (b.number <= g.bays) as turned from bay b"
        " join lot l using (lot_id)"
        " join unnest(%(lots)s::text[], %(bays)s::int[]) as g (lot_id, bays) using (lot_id)"
        " where b.in_service <> (b.number <= g.bays) or b.position[0] <> l.position[0]"
        " or b.position[1] <> l.position[1] order by b.bay_id for update of b",
        given,
    )
    changed = await found.fetchall()
    if changed:
        await connection.execute(
            "update bay b set in_service = b.number <= g.bays, position = l.position from lot l"
            " join unnest(%(lots)s::text[], %(bays)s::int[]) as g (lot_id, bays) using (lot_id)"
            " where b.lot_id = l.lot_id and b.bay_id = any(%(changed)s)",
            {**given, "changed": [row["bay_id"] for row in changed]},
        )
    added = await connection.execute(
        "with added as (insert into bay (bay_id, lot_id, number, position)"
        " select l.lot_id || '-' || lpad(n::text, greatest(3, length(n::text)), '0'), l.lot_id, n,"
        " l.position from lot l"
        " join unnest(%(lots)s::text[], %(bays)s::int[]) as g (lot_id, bays) using (lot_id)"
        " cross join lateral generate_series((select coalesce(max(b.number), 0) + 1 from bay b"
        " where b.lot_id = l.lot_id), g.bays) as n order by l.lot_id, n returning lot_id)"
        " select distinct lot_id from added",
        given,
    )
    turned = [row for row in changed if row["turned"]]
    lots = {row["lot_id"] for row in (*turned, *await added.fetchall())}
    return Changed([row["bay_id"] for row in turned], sorted(lots))


class Owned(NamedTuple):
    """What an offer must know of a bay that is there; owner_id is None in a lot of the city."""

    lot_id: str
    owner_id: UUID | None


async def lock_owned(connection: Connection, bay_id: str) -> Owned | None:
    found = await connection.execute(
        "select lot_id, owner_id from bay where bay_id = %s for update", (bay_id,)
    )
    row = await found.fetchone()
    return None if row is None else Owned(**row)


async def next_number(connection: Connection, lot_id: str) -> int:
    """Of a new bay in the lot, which is locked."""
    found = await connection.execute(
        "select coalesce(max(number), 0) + 1 as number from bay where lot_id = %s", (lot_id,)
    )
    row = await found.fetchone()
    return 1 if row is None else int(row["number"])


async def add_shared(
    connection: Connection, bay_id: str, lot_id: str, number: int, position: Point, owner_id: UUID
) -> bool:
    """False when the id is taken."""
    found = await connection.execute(
        "insert into bay (bay_id, lot_id, number, position, owner_id)"
        " values (%s, %s, %s, point(%s, %s), %s) on conflict (bay_id) do nothing returning bay_id",
        (bay_id, lot_id, number, position.longitude, position.latitude, owner_id),
    )
    return await found.fetchone() is not None


async def set_offer(
    connection: Connection,
    bay_id: str,
    position: Point,
    availability: Availability,
    unit_fee_won: int,
) -> None:
    """Its row is locked."""
    await connection.execute(
        "update bay set position = point(%s, %s), weekly_windows = %s, exceptions = %s,"
        " unit_fee_won = %s where bay_id = %s",
        (
            position.longitude,
            position.latitude,
            json.dumps(rows.windows_json(availability)),
            json.dumps(rows.exceptions_json(availability)),
            unit_fee_won,
            bay_id,
        ),
    )
