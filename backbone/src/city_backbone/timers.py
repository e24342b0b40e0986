"""Work that the clock starts, not an event."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from city_backbone.database import Connection, Database
from city_backbone.errors import Transient
from city_backbone.waiting import pause

log = structlog.get_logger()


def every(
    seconds: float,
    work: Callable[[Connection], Awaitable[bool]],
    database: Database,
    stopping: asyncio.Event,
) -> Callable[[], Awaitable[None]]:
    """A task: `work` in a transaction, at once again while it returns True, else after `seconds`.

    While the database is away it waits for the next turn. Ends soon after `stopping`.
    """

    async def run() -> None:
        more = False
        while not stopping.is_set():
            if not more and await pause(stopping, seconds):
                return
            try:
                async with database.transaction() as connection:
                    more = await work(connection)
            except Transient as error:
                more = False
                log.warning("timer waits", error=repr(error))

    return run
