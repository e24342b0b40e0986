"""Streams of requests have bounds."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import pytest
from city_backbone.errors import Aborted, InvalidArgument, Transient
from health.kiosks.pace import paced

LONG = 60.0


async def numbers(count: int, silent: bool = False) -> AsyncGenerator[int, None]:
    for number in range(count):
        yield number
    if silent:
        await asyncio.Event().wait()


async def read(coming: AsyncIterator[int], into: list[int]) -> None:
    async for number in coming:
        into.append(number)


async def test_all_that_comes_in_order() -> None:
    found: list[int] = []
    await read(paced(numbers(3), 3 + 1, LONG, asyncio.Event()), found)
    assert found == [0, 1, 2]


async def test_not_more_than_so_many() -> None:
    found: list[int] = []
    with pytest.raises(InvalidArgument, match="at most 2"):
        await read(paced(numbers(3), 2, LONG, asyncio.Event()), found)
    assert found == [0, 1]


async def test_silence_ends_it() -> None:
    found: list[int] = []
    with pytest.raises(Aborted) as ended:
        await read(paced(numbers(2, silent=True), 9, 0.05, asyncio.Event()), found)
    assert (ended.value.reason, found) == ("IDLE", [0, 1])


async def test_the_services_end_ends_it_at_once() -> None:
    stopping = asyncio.Event()
    coming = paced(numbers(1, silent=True), 9, LONG, stopping)
    assert await anext(coming) == 0
    waiting = asyncio.ensure_future(anext(coming))
    await asyncio.sleep(0)
    stopping.set()
    with pytest.raises(Transient):
        await asyncio.wait_for(waiting, 5)


async def test_what_the_stream_raises_comes_through() -> None:
    async def broken() -> AsyncIterator[int]:
        yield 1
        raise ConnectionError

    found: list[int] = []
    with pytest.raises(ConnectionError):
        await read(paced(broken(), 9, LONG, asyncio.Event()), found)
    assert found == [1]


async def test_nothing_is_left_running() -> None:
    before = asyncio.all_tasks()
    requests = numbers(2, silent=True)
    coming = paced(requests, 9, LONG, asyncio.Event())
    assert await anext(coming) == 0
    await coming.aclose()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
    await requests.aclose()
