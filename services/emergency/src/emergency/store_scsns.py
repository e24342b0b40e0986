"""What rooms that send to us have: session keys, and the messages already taken."""

import hashlib
import secrets
from uuid import UUID

from city_backbone.database import Connection


async def grant(connection: Connection, room: str, seconds: float) -> str:
    """A new session key of `room`, alive for `seconds`; only its digest is stored."""
    key = secrets.token_hex(16)
    await connection.execute("delete from scsns_session where expires_at <= now()")
    await connection.execute(
        "insert into scsns_session (key_digest, room, expires_at)"
        " values (%s, %s, now() + make_interval(secs => %s))",
        (_digest(key), room, seconds),
    )
    return key


async def room_of(connection: Connection, key: str) -> str | None:
    """Whose live session key this is."""
    rows = await connection.execute(
        "select room from scsns_session where key_digest = %s and expires_at > now()",
        (_digest(key),),
    )
    row = await rows.fetchone()
    return None if row is None else str(row["room"])


async def remember(connection: Connection, incident_id: UUID, digest: bytes) -> bool:
    """Whether this message is new; from now on it is not."""
    rows = await connection.execute(
        "insert into scsns_received (incident_id, digest) values (%s, %s)"
        " on conflict do nothing returning incident_id",
        (incident_id, digest),
    )
    return await rows.fetchone() is not None


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
