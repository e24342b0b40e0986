"""Forgetting somebody in PostgreSQL, step by step."""

from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from city_backbone.database import Connection

_COLUMNS: LiteralString = "person_id, status, certificate"

# In an order that breaks no reference.
_THEIRS: dict[str, LiteralString] = {
    "cases": "acute_case",
    "measurements": "measurement",
    "sessions": "kiosk_session",
    "follow_ups": "follow_up",
}


async def claim(connection: Connection, token_mac: bytes) -> dict[str, Any] | None:
    """Waits for another withdrawal of theirs, and not for what else is under way."""
    rows = await connection.execute(
        f"select {_COLUMNS} from person where token_mac = %s for no key update", (token_mac,)
    )
    return await rows.fetchone()


async def lock(connection: Connection, person_id: UUID) -> dict[str, Any] | None:
    """Waits until nothing of the person is under way."""
    rows = await connection.execute(
        f"select {_COLUMNS} from person where person_id = %s for update", (person_id,)
    )
    return await rows.fetchone()


async def lock_cut_off(connection: Connection) -> dict[str, Any] | None:
    """Somebody whose withdrawal has begun and whom nobody is forgetting at this moment."""
    rows = await connection.execute(
        f"select {_COLUMNS} from person where status = 'WITHDRAWING'"
        " order by withdrawn_at limit 1 for update skip locked"
    )
    return await rows.fetchone()


async def begin(
    connection: Connection, person_id: UUID, withdrawn_at: datetime, draft: bytes
) -> None:
    """From its commit on every new read and write of what is theirs is refused."""
    await connection.execute(
        "update person set status = 'WITHDRAWING', withdrawn_at = %s, certificate = %s"
        " where person_id = %s",
        (withdrawn_at, draft, person_id),
    )


async def measurement_ids(connection: Connection, person_id: UUID) -> list[UUID]:
    rows = await connection.execute(
        "select measurement_id from measurement where person_id = %s order by measurement_id",
        (person_id,),
    )
    return [row["measurement_id"] async for row in rows]


async def clear(connection: Connection, person_id: UUID) -> dict[str, int]:
    """Returns how many rows were theirs, by what they were."""
    counts = {"profile": 1}
    for what, table in _THEIRS.items():
        gone = await connection.execute(f"delete from {table} where person_id = %s", (person_id,))
        counts[what] = gone.rowcount
    await connection.execute("delete from follow_up_basis where person_id = %s", (person_id,))
    return counts


async def finish(connection: Connection, person_id: UUID, certificate: bytes) -> None:
    await connection.execute(
        "update person set status = 'FORGOTTEN', zone = '', priority = 0, profile = null,"
        " purposes = '{}', certificate = %s where person_id = %s",
        (certificate, person_id),
    )


async def forgotten_after(connection: Connection, person_id: UUID, most: int) -> list[UUID]:
    """Those who are forgotten, in the order of ids."""
    rows = await connection.execute(
        "select person_id from person where status = 'FORGOTTEN' and person_id > %s"
        " order by person_id limit %s",
        (person_id, most),
    )
    return [row["person_id"] async for row in rows]
