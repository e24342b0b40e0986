"""Asking a stand-in room what it was told, and the time, under /control.

Each raises aiohttp.ClientError, TimeoutError, or ValueError when what answers is no stand-in.
"""

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any

import aiohttp

from loadtests.driver import clock
from loadtests.driver.clock import SAME_CLOCK, Offset
from loadtests.rooms.record import PAGE
from loadtests.rooms.tally import Counts, RecordedEvent


async def count(http: aiohttp.ClientSession, url: str) -> int:
    """How many events it has taken, repeats too."""
    return Counts.model_validate(await _get(http, f"{url}/control/counts")).accepted


async def page(http: aiohttp.ClientSession, url: str, after: int) -> list[RecordedEvent]:
    """Up to `PAGE` events that follow the first `after`."""
    found = await _get(http, f"{url}/control/events?after={after}")
    return [RecordedEvent.model_validate(one) for one in found]


async def events(http: aiohttp.ClientSession, url: str) -> AsyncIterator[RecordedEvent]:
    """Its whole record, in its order."""
    after = 0
    while found := await page(http, url, after):
        for one in found:
            yield one
        after += len(found)
        if len(found) < PAGE:
            return


async def offset(http: aiohttp.ClientSession, url: str, now: Callable[[], int]) -> Offset:
    """Its clock against `now`, microseconds since 1970; the same where both are one machine's."""
    here = clock.machine()
    if here and (await _get(http, f"{url}/control"))["machine"] == here:
        return SAME_CLOCK

    async def ask() -> int:
        told = datetime.fromisoformat((await _get(http, f"{url}/control"))["now"])
        return round(told.timestamp() * 1_000_000)

    return await clock.measure(ask, now)


async def _get(http: aiohttp.ClientSession, url: str) -> Any:
    async with http.get(url) as answer:
        answer.raise_for_status()
        return await answer.json()
