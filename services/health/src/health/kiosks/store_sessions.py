"""SQL of sessions, in the caller's transaction."""

from typing import LiteralString
from uuid import UUID

from city_backbone.database import Connection

from health.kiosks.session import Session

_SELECT: LiteralString = (
    "select session_id, kiosk_id, person_id, began_at, stored_sequence, ended_at"
    " from kiosk_session where session_id = %s"
)


async def find(connection: Connection, session_id: UUID) -> Session | None:
    found = await connection.execute(_SELECT, (session_id,))
    row = await found.fetchone()
    return None if row is None else Session(**row)


async def lock(connection: Connection, session_id: UUID) -> Session | None:
    """Until the end of the transaction it is this one's to change."""
    found = await connection.execute(f"{_SELECT} for no key update", (session_id,))
    row = await found.fetchone()
    return None if row is None else Session(**row)


async def insert(connection: Connection, session: Session) -> bool:
    """False: there is one of this id."""
    found = await connection.execute(
        "insert into kiosk_session (session_id, kiosk_id, person_id, began_at)"
        " values (%s, %s, %s, %s) on conflict do nothing returning session_id",
        (session.session_id, session.kiosk_id, session.person_id, session.began_at),
    )
    return await found.fetchone() is not None


async def update(connection: Connection, session: Session) -> None:
    """What changes in its life."""
    await connection.execute(
        "update kiosk_session set stored_sequence = %s, ended_at = %s where session_id = %s",
        (session.stored_sequence, session.ended_at, session.session_id),
    )
