"""Partitions beside each other: batches of one partition in turn, of several at the same time.

What a batch waits for is mostly the database. One after the other, all partitions would wait for
each; and what comes meanwhile for one partition becomes one larger batch.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

from faust.types import TP

from city_backbone.stream.transport import Batch

CONCURRENCY = 4
_WAITING = 4
# Of a batch with so many a record costs nearly what it costs in a larger one.
_ENOUGH = 250

Handle = Callable[[TP, Batch], Awaitable[None]]


class Lanes:
    """Of one topic. `handle` is given a partition's batches in their order, never two at once; at
    most `concurrency` partitions are handled at the same time.

    A batch has at most `most` records: a partition that has more goes on with the next, after
    others. Four times as many may wait for one partition, because the fetcher gives all that it has
    of one before it gives the next one's. A batch of few records waits `linger` seconds for more of
    its partition.
    """

    def __init__(
        self, handle: Handle, most: int, concurrency: int = CONCURRENCY, linger: float = 0.0
    ) -> None:
        self._handle = handle
        self._most = most
        self._linger = linger
        self._free = asyncio.Semaphore(concurrency)
        self._waiting: dict[TP, deque[Batch]] = {}
        self._taken = asyncio.Event()

    async def run(self, batches: AsyncIterator[tuple[TP, Batch]]) -> None:
        """Until the batches end and all are handled, or one fails: what it raised is raised."""
        async with asyncio.TaskGroup() as group:
            async for place, batch in batches:
                while self._full(place, batch):
                    self._taken.clear()
                    await self._taken.wait()
                if (waiting := self._waiting.get(place)) is not None:
                    waiting.append(batch)
                else:
                    self._waiting[place] = deque([batch])
                    group.create_task(self._work(place))

    def _full(self, place: TP, batch: Batch) -> bool:
        waiting = self._waiting.get(place)
        return bool(waiting) and _records(waiting) + len(batch.records) > _WAITING * self._most

    async def _work(self, place: TP) -> None:
        waiting = self._waiting[place]
        while waiting:
            if self._linger and _records(waiting) < _ENOUGH:
                await asyncio.sleep(self._linger)
            async with self._free:
                batch = _joined(waiting, self._most)
                self._taken.set()
                await self._handle(place, batch)
        del self._waiting[place]
        self._taken.set()


def _records(waiting: Iterable[Batch] | None) -> int:
    return sum(len(one.records) for one in waiting or ())


def _joined(waiting: deque[Batch], most: int) -> Batch:
    """The first, and those behind it that go on where the one before ended."""
    first = waiting.popleft()
    records, end = list(first.records), first.end
    while waiting and waiting[0].start == end and len(records) + len(waiting[0].records) <= most:
        following = waiting.popleft()
        records += following.records
        end = following.end
    return Batch(records, first.start, end)
