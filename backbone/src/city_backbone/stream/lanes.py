"""Partitions beside each other: batches of one partition in turn, of several at the same time.

What a batch waits for is mostly the database. One after the other, all partitions would wait for
each; and what comes meanwhile for one partition becomes one larger batch.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import suppress

from aiokafka import ConsumerRecord
from faust.types import TP

from city_backbone.stream.transport import Batch

CONCURRENCY = 4
_WAITING = 4
# Of a batch with so many a record costs nearly what it costs in a larger one.
_ENOUGH = 250

Handle = Callable[[TP, Batch], Awaitable[None]]
Urgent = Callable[[Sequence[ConsumerRecord]], bool]


class _Waiting:
    """A partition's batches that are not at work yet."""

    def __init__(self) -> None:
        self.batches: deque[Batch] = deque()
        self.came = asyncio.Event()

    def add(self, batch: Batch) -> None:
        self.batches.append(batch)
        self.came.set()


class Lanes:
    """Of one topic. `handle` is given a partition's batches in their order, never two at once; at
    most `concurrency` partitions are handled at the same time.

    A batch has at most `most` records: a partition that has more goes on with the next, after
    others. Four times as many may wait for one partition, because the fetcher gives all that it has
    of one before it gives the next one's. Few records wait up to `linger` seconds for more of their
    partition, unless some of them are `urgent`.
    """

    def __init__(
        self,
        handle: Handle,
        most: int,
        concurrency: int = CONCURRENCY,
        linger: float = 0.0,
        urgent: Urgent = lambda records: False,
    ) -> None:
        self._handle = handle
        self._most = most
        self._linger = linger
        self._urgent = urgent
        self._free = asyncio.Semaphore(concurrency)
        self._waiting: dict[TP, _Waiting] = {}
        self._taken = asyncio.Event()

    async def run(self, batches: AsyncIterator[tuple[TP, Batch]]) -> None:
        """Until the batches end and all are handled, or one fails: what it raised is raised."""
        async with asyncio.TaskGroup() as group:
            async for place, batch in batches:
                while self._full(place, batch):
                    self._taken.clear()
                    await self._taken.wait()
                waiting = self._waiting.get(place)
                if waiting is None:
                    waiting = self._waiting[place] = _Waiting()
                    group.create_task(self._work(place))
                waiting.add(batch)

    def _full(self, place: TP, batch: Batch) -> bool:
        waiting = self._waiting.get(place)
        if waiting is None or not waiting.batches:
            return False
        return _records(waiting.batches) + len(batch.records) > _WAITING * self._most

    async def _work(self, place: TP) -> None:
        waiting = self._waiting[place]
        while waiting.batches:
            if self._linger:
                await self._gather(waiting)
            async with self._free:
                batch = _joined(waiting.batches, self._most)
                self._taken.set()
                await self._handle(place, batch)
        del self._waiting[place]
        self._taken.set()

    async def _gather(self, waiting: _Waiting) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._linger):
                judged = 0
                while _records(waiting.batches) < _ENOUGH:
                    new = list(waiting.batches)[judged:]
                    judged += len(new)
                    if self._urgent([record for batch in new for record in batch.records]):
                        return
                    waiting.came.clear()
                    await waiting.came.wait()


def _records(batches: Iterable[Batch]) -> int:
    return sum(len(one.records) for one in batches)


def _joined(waiting: deque[Batch], most: int) -> Batch:
    """The first, and those behind it that go on where the one before ended."""
    first = waiting.popleft()
    records, end = list(first.records), first.end
    while waiting and waiting[0].start == end and len(records) + len(waiting[0].records) <= most:
        following = waiting.popleft()
        records += following.records
        end = following.end
    return Batch(records, first.start, end)
