"""Server streams that follow a table's changes, resumable by cursor."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeVar

import structlog

from city_backbone.errors import Transient
from city_backbone.waiting import pause

log = structlog.get_logger()

T = TypeVar("T")


async def follow(
    fetch: Callable[[int], Awaitable[Sequence[tuple[int, T]]]],
    cursor: int,
    stopping: asyncio.Event,
    interval_seconds: float = 0.5,
) -> AsyncIterator[tuple[int, T]]:
    """Changes after `cursor` in order, as they come, until `stopping` or the client goes away.

    `fetch(cursor)` returns a bounded number of changes that can no longer be overtaken.
    """
    while not stopping.is_set():
        try:
            changes = await fetch(cursor)
        except Transient as error:
            log.info("watch waits", error=repr(error))
            changes = ()
        for cursor, change in changes:
            yield cursor, change
        if changes:
            continue
        await pause(stopping, interval_seconds)
