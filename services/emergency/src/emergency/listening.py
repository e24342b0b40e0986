"""Being woken by other transactions' commits, over PostgreSQL's NOTIFY."""

import asyncio
from collections.abc import Sequence

from city_backbone.database import Connection

_LISTEN_SECONDS = 5.0


async def listen(connection: Connection, wake: asyncio.Event, payload: str = "") -> None:
    """Set `wake` at each notification of `payload`, for ever. Raises when the connection is
    lost."""
    while True:
        async for notification in connection.notifies(timeout=_LISTEN_SECONDS):
            if notification.payload == payload:
                wake.set()
        async with asyncio.timeout(_LISTEN_SECONDS):
            await connection.execute("select 1")


async def woken(
    events: Sequence[asyncio.Event], listener: asyncio.Task[None], seconds: float
) -> None:
    """Return when one of `events` is set, the listener has ended, or after `seconds`."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait([*waits, listener], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waits:
            task.cancel()
