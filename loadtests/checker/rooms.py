"""Reading what stand-in rooms recorded, over their control addresses."""

import time
from collections.abc import AsyncIterator
from datetime import datetime

import aiohttp

from loadtests.checker.facts import micros
from loadtests.checker.rows import Told
from loadtests.checker.topics import ReadError
from loadtests.rooms import asking
from loadtests.rooms.tally import RecordedEvent

_SECONDS = 30.0


async def read(room: str, url: str, began: int, until: int | None = None) -> AsyncIterator[Told]:
    """The whole record, in its order. What came from `began` to `until`, microseconds since 1970 by
    this machine's clock, is new.

    What is no message of an incident is left out. Raises ReadError.
    """
    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        try:
            ahead = await asking.offset(http, url, lambda: time.time_ns() // 1000)
            line = 0
            async for event in asking.events(http, url):
                line += 1
                at = micros(datetime.fromisoformat(event.receivedAt)) - ahead.micros
                new = began <= at and (until is None or at <= until)
                told = _told(room, line, event, new)
                if told is not None:
                    yield told
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise ReadError(f"record of {room}: {error!r}") from error


def _told(room: str, line: int, event: RecordedEvent, new: bool) -> Told | None:
    incident, answer = event.items.get("incidentId"), event.items.get("answer")
    number = event.items.get("revision", "") if answer is None else answer
    if not incident or not number.isdecimal():
        return None
    about = incident if answer is None else f"{incident} answer"
    name = f"{about}#{number}" if answer is None else f"{about} {number}"
    return Told(room, name, about, int(number), line, event.repeat, new)
