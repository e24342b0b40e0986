"""A Faust transport whose message is a whole partition batch, and which owns the positions.

Stock Faust moves one message per record (94 % of its cost) and infers commit offsets from gaps
between acks, which skips records when a seek races with the fetcher (docs/decisions/0003).
Here the position is ours: a batch is delivered only when it continues the last one delivered,
and an offset is committed only when everything before it is complete.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, Message

from city_backbone.stream.membership import Membership

PATIENCE = 3
COMMIT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive records of one partition; offsets `start` (inclusive) to `end` (exclusive).

    `start` is where the batch before it ended, so a hole that the broker itself has (compaction,
    retention, control records) belongs to the batch after it.
    """

    records: Sequence[ConsumerRecord]
    start: int
    end: int


class Consumer(driver.Consumer):
    """Delivers each partition's records in order, without a hole, and commits behind the acks."""

    def on_init(self) -> None:
        super().on_init()
        self._next: dict[TP, int] = {}
        self._done: dict[TP, int] = {}
        self._holes: dict[TP, tuple[int, int, int]] = {}

    async def perform_seek(self) -> None:
        """Go back to what is committed: after each assignment, while the flow is stopped."""
        committed = await self.seek_to_committed()
        self._next.clear()
        self._done.clear()
        self._holes.clear()
        for tp, offset in committed.items():
            if offset is not None and offset >= 0:
                place = TP(tp.topic, tp.partition)
                self._next[place] = offset
                self._done[place] = offset
                self._committed_offset[place] = offset

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:
        """One message per partition that has records; its value is a Batch."""
        fetched, active = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        for place, records in (fetched or {}).items():
            tp = TP(place.topic, place.partition)
            if self.should_stop or not self.flow_active:
                return
            if generation != self.app.consumer_generation_id:
                return
            if active is not None and tp not in active and tp not in self._buffered_partitions:
                continue
            batch = await self._continue_from(tp, records)
            if batch is not None:
                message = self._to_message(tp, batch.records[-1])
                message.value = batch
                message.key = None
                yield tp, message

    async def _continue_from(self, tp: TP, records: Sequence[ConsumerRecord]) -> Batch | None:
        expected = self._next.get(tp, self._done.get(tp))
        if expected is None:
            expected = records[0].offset
            self._done.setdefault(tp, expected)
        fresh = [record for record in records if record.offset >= expected]
        if not fresh:
            return None
        found = fresh[0].offset
        if found == expected:
            self._holes.pop(tp, None)
        elif not self._believed(tp, expected, found):
            await self.seek_wait({tp: expected})
            return None
        return Batch(fresh, expected, fresh[-1].offset + 1)

    def _believed(self, tp: TP, expected: int, found: int) -> bool:
        """A hole is the broker's own when it is still the same after going back for it."""
        *hole, seen = self._holes.get(tp, (expected, found, 0))
        seen = seen + 1 if hole == [expected, found] else 1
        self._holes[tp] = (expected, found, seen)
        if seen < PATIENCE:
            return False
        self.log.warning("no records of %s from %d to %d on the broker", tp, expected, found)
        return True

    async def _drain_messages(self, fetcher: Any) -> None:
        stopped = (self._stopped.is_set, fetcher._stopped.is_set)
        try:
            while not any(is_set() for is_set in stopped):
                async for tp, message in self.getmany(timeout=1.0):
                    if not await self._deliver(message):
                        break
                    self._next[tp] = message.value.end
                await asyncio.sleep(0)
        except (*self.consumer_stopped_errors, asyncio.CancelledError):
            if not self.transport.app.should_stop:
                raise

    async def _deliver(self, message: Message) -> bool:
        delivery = asyncio.ensure_future(self.callback(message))
        suspended = asyncio.ensure_future(self.suspend_flow.wait())
        try:
            await asyncio.wait({delivery, suspended}, return_when=asyncio.FIRST_COMPLETED)
            if not delivery.done():
                return False
            delivery.result()
            return True
        finally:
            for task in (delivery, suspended):
                task.cancel()

    def ack(self, message: Message) -> bool:
        """Faust acks whatever leaves a stream, cancelled or failed too; so that means nothing."""
        self._unacked_messages.discard(message)
        return False

    def complete(self, topic: str, partition: int, batch: Batch) -> None:
        """The batch's effects are committed: its end may be, once all before it is complete."""
        tp = TP(topic, partition)
        if self.continues(tp, batch):
            self._done[tp] = batch.end

    def continues(self, tp: TP, batch: Batch) -> bool:
        """Whether the batch is the next to be done of a partition that is still assigned."""
        done = self._done.get(tp)
        return done is not None and batch.start <= done < batch.end

    def _filter_tps_with_pending_acks(self, topics: Iterable[Any] | None = None) -> Iterator[TP]:
        return (
            tp for tp in list(self._done) if topics is None or tp in topics or tp.topic in topics
        )

    def _new_offset(self, tp: TP) -> int | None:
        return self._done.get(tp)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        await super().on_partitions_revoked(revoked)
        for tp in revoked:
            self._next.pop(tp, None)
            self._done.pop(tp, None)
            self._holes.pop(tp, None)

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust's stall log reads per-record counters we do not keep; liveness.py is ours."""

    async def _commit_offsets(
        self, offsets: Mapping[TP, int], start_new_transaction: bool = True
    ) -> bool:
        """Only the offsets, with a deadline.

        Stock Faust flushes its own producer first, which we do not use and which may hang for
        good after a broker restart: then no offset is committed any more, though all is done.
        """
        try:
            async with asyncio.timeout(2 * COMMIT_SECONDS):
                committed: bool = await self._commit(offsets)
        except TimeoutError:
            return False
        if committed:
            self._committed_offset.update(offsets)
        return committed

    def handled(self, tp: TP) -> int:
        """The offset up to which all is done, committed or not; 0 before any is."""
        return self._done.get(tp, 0)

    async def backlog(self) -> Mapping[TP, tuple[int, int]]:
        """Per assigned partition: the offset committed, or done before any was, and the end.

        The broker is asked, because a fetcher that is dead knows of no newer record. Raises
        KafkaError or TimeoutError when it does not tell.
        """
        assigned = self.assignment()
        done = {
            tp: self._committed_offset.get(tp) or offset
            for tp, offset in self._done.items()
            if tp in assigned
        }
        if not done:
            return {}
        async with asyncio.timeout(COMMIT_SECONDS):
            ends = await self.highwaters(*done)
        return {tp: (offset, max(offset, ends.get(tp, offset))) for tp, offset in done.items()}

    @property
    def fenced(self) -> bool:
        """Whether another process has joined the group under this one's name."""
        return bool(self._thread and self._thread.membership and self._thread.membership.lost)

    def _new_consumer_thread(self) -> "_ConsumerThread":
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)


class _ConsumerThread(driver.AIOKafkaConsumerThread):
    membership: Membership | None = None

    async def on_start(self) -> None:
        await super().on_start()
        session = self.app.conf.broker_session_timeout
        self.membership = Membership(self._ensure_consumer()._coordinator, session)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """A commit that fails is tried again with the next; stock Faust stops the app for it."""
        consumer = self._ensure_consumer()
        committable = {
            driver.ensure_aiokafka_TP(tp): OffsetAndMetadata(offset, "")
            for tp, offset in offsets.items()
            if tp in self.assignment()
        }
        try:
            async with asyncio.timeout(COMMIT_SECONDS):
                await consumer.commit(committable)
        except (KafkaError, TimeoutError) as error:
            self.log.warning("commit failed, to be tried again: %r", error)
            return False
        return True


class Transport(driver.Transport):
    """Registered with Faust under the scheme `citymesh://`."""

    Consumer = Consumer
