"""Whatever the fetcher gives, each record is delivered once, in order, and committed last."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaError
from city_backbone.stream import transport
from city_backbone.stream.transport import PATIENCE, Batch, Consumer
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

PLACE = TP("trial.thing-seen.v1", 0)


def record(offset: int) -> ConsumerRecord:
    return ConsumerRecord(PLACE.topic, 0, offset, 0, 0, None, b"", None, -1, -1, ())


class Positions(Consumer):  # type: ignore[misc, unused-ignore]
    """Only what keeps the positions: no app, no broker; seeks are noted."""

    def __init__(self, committed: int | None) -> None:
        self.seeks: list[int] = []
        self._next = {} if committed is None else {PLACE: committed}
        self._done = {} if committed is None else {PLACE: committed}
        self._holes = {}
        self.log: Any = logging.getLogger("trial")
        self.log.disabled = True

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        self.seeks.append(partitions[PLACE])

    def fetched(self, offsets: Sequence[int]) -> Batch | None:
        return asyncio.run(self._continue_from(PLACE, [record(offset) for offset in offsets]))

    def deliver(self, offsets: Sequence[int]) -> Batch | None:
        batch = self.fetched(offsets)
        if batch is not None:
            self._next[PLACE] = batch.end
        return batch

    @property
    def committable(self) -> int | None:
        return self._new_offset(PLACE)


@dataclass
class Log:
    """What is on the broker, and what a careless fetcher makes of it."""

    offsets: list[int]
    position: int = 0

    def fetch(self, skipped: int, back: int, count: int) -> list[int]:
        start = max(0, self.position + skipped - back)
        found = [offset for offset in self.offsets if offset >= start][:count]
        if found:
            self.position = found[-1] + 1
        return found


@dataclass
class Run:
    consumer: Positions
    log: Log
    delivered: list[int] = field(default_factory=list)
    unfinished: list[Batch] = field(default_factory=list)
    jumps: int = 0

    def step(self, skipped: int, back: int, count: int, lost: bool, finish: bool) -> None:
        """One fetch; `lost`: the flow is suspended before the batch is handed over.

        A hole that is found PATIENCE times is believed, so the fetcher is not so careless as to
        jump over the same records again each time it is sent back for them.
        """
        fetched = self.log.fetch(0 if self.jumps == PATIENCE - 1 else skipped, back, count)
        if fetched:
            due = [offset for offset in self.log.offsets if offset not in self.delivered]
            fresh = [offset for offset in fetched if offset in due]
            self.jumps = self.jumps + 1 if fresh[:1] not in ([], due[:1]) else 0
            seeks = len(self.consumer.seeks)
            batch = self.consumer.fetched(fetched)
            if len(self.consumer.seeks) > seeks:
                self.log.position = self.consumer.seeks[-1]
            if batch is not None and not lost:
                self.consumer._next[PLACE] = batch.end
                self.delivered += [one.offset for one in batch.records]
                self.unfinished.append(batch)
        if finish and self.unfinished:
            batch = self.unfinished.pop(0)
            self.consumer.complete(PLACE.topic, PLACE.partition, batch)


steps = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 0, 1, 2, 7]),  # the fetcher jumps over records
        st.integers(0, 9),  # or gives old ones again
        st.integers(1, 8),
        st.booleans(),
        st.booleans(),
    ),
    max_size=60,
)


@given(offsets=st.sets(st.integers(0, 60), min_size=1).map(sorted), steps=steps)
def test_any_fetches_deliver_each_record_once_in_order(
    offsets: list[int], steps: list[tuple[int, int, int, bool, bool]]
) -> None:
    run = Run(Positions(committed=0), Log(offsets))
    for step in steps:
        run.step(*step)
        finished = len(run.delivered) - sum(len(batch.records) for batch in run.unfinished)
        done = run.consumer.committable
        assert done is not None
        assert run.delivered == offsets[: len(run.delivered)]
        assert [offset for offset in offsets if offset < done] == run.delivered[:finished]


@given(offsets=st.sets(st.integers(0, 60), min_size=1).map(sorted), count=st.integers(1, 8))
def test_holes_of_the_broker_itself_stop_nothing(offsets: list[int], count: int) -> None:
    run = Run(Positions(committed=0), Log(offsets))
    for _ in range((PATIENCE + 1) * (len(offsets) + 1)):
        run.step(0, 0, count, lost=False, finish=True)
    assert run.delivered == offsets
    assert run.consumer.committable == offsets[-1] + 1


@pytest.fixture
def consumer() -> Positions:
    return Positions(committed=10)


def test_a_hole_is_believed_the_third_time(consumer: Positions) -> None:
    assert [consumer.deliver([15, 16]) for _ in range(PATIENCE - 1)] == [None] * (PATIENCE - 1)
    assert consumer.seeks == [10] * (PATIENCE - 1)
    batch = consumer.deliver([15, 16])
    assert batch is not None
    assert (batch.start, batch.end) == (10, 17)
    consumer.complete(PLACE.topic, PLACE.partition, batch)
    assert consumer.committable == 17


def test_a_hole_that_changes_is_not_believed(consumer: Positions) -> None:
    for _ in range(PATIENCE - 1):
        assert consumer.deliver([12, 13]) is None
    assert consumer.deliver([13]) is None


def test_a_hole_that_closes_is_forgotten(consumer: Positions) -> None:
    for _ in range(PATIENCE - 1):
        assert consumer.deliver([12]) is None
    assert consumer.deliver([10, 11]) is not None
    assert consumer.deliver([15]) is None


def test_an_overlap_is_cut_and_old_records_are_dropped(consumer: Positions) -> None:
    assert consumer.deliver([8, 9]) is None
    batch = consumer.deliver([9, 10, 11])
    assert batch is not None
    assert [one.offset for one in batch.records] == [10, 11]
    assert consumer.seeks == []


def test_nothing_is_committed_past_an_unfinished_batch(consumer: Positions) -> None:
    first, second = consumer.deliver([10, 11]), consumer.deliver([12])
    assert first is not None
    assert second is not None
    consumer.complete(PLACE.topic, PLACE.partition, second)
    assert consumer.committable == 10
    consumer.complete(PLACE.topic, PLACE.partition, first)
    assert consumer.committable == 12


def test_a_batch_of_before_the_rebalance_counts_if_it_covers_the_commit(
    consumer: Positions,
) -> None:
    old = Batch([record(8), record(13)], 8, 14)
    consumer.complete(PLACE.topic, PLACE.partition, old)
    assert consumer.committable == 14
    consumer.complete(PLACE.topic, PLACE.partition, Batch([record(9)], 9, 10))
    assert consumer.committable == 14


def test_a_group_that_has_committed_nothing_begins_with_what_is_fetched_first() -> None:
    consumer = Positions(committed=None)
    assert consumer.committable is None
    suspended = consumer.fetched([0, 1])
    assert suspended is not None
    assert consumer.fetched([2]) is None
    assert consumer.seeks == [0]
    assert consumer.deliver([0, 1]) is not None
    assert consumer.committable == 0


def test_an_ack_of_faust_means_nothing(consumer: Positions) -> None:
    consumer._unacked_messages = set()
    batch = consumer.deliver([10])
    assert batch is not None
    assert consumer.ack(object()) is False
    assert consumer.committable == 10


class Committing(Positions):
    """Commits to a broker that answers as told; Faust's own producer is one that never flushes."""

    in_transaction = False

    def __init__(self, answer: bool | None, end: int = 20) -> None:
        super().__init__(committed=10)
        self._committed_offset = {PLACE: 10}
        self.answer = answer
        self.end = end
        self.asked: list[Mapping[TP, int]] = []
        self.log.dev = self.log.debug
        never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.app: Any = SimpleNamespace(producer=SimpleNamespace(flush=lambda: never))

    def assignment(self) -> set[TP]:
        return {PLACE}

    async def highwaters(self, *places: TP) -> Mapping[TP, int]:
        return dict.fromkeys(places, self.end)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """None: the broker never answers."""
        self.asked.append(offsets)
        if self.answer is None:
            await asyncio.get_running_loop().create_future()
        return bool(self.answer)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "COMMIT_SECONDS", 0.05)


async def test_offsets_are_committed_though_fausts_producer_hangs() -> None:
    consumer = Committing(answer=True)
    async with asyncio.timeout(5):
        assert await consumer._commit_offsets({PLACE: 15})
    assert consumer.asked == [{PLACE: 15}]
    assert consumer._committed_offset == {PLACE: 15}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("answer", [False, None])
async def test_what_the_broker_did_not_take_is_not_committed(answer: bool | None) -> None:
    consumer = Committing(answer)
    async with asyncio.timeout(5):
        assert not await consumer._commit_offsets({PLACE: 15})
    assert consumer._committed_offset == {PLACE: 10}


async def test_the_backlog_is_counted_from_what_is_committed_not_from_what_is_done() -> None:
    """So that commits which stop, though all is done, are a stall."""
    consumer = Committing(answer=False)
    batch = Batch([record(10), record(11)], 10, 12)
    consumer.complete(PLACE.topic, PLACE.partition, batch)
    assert consumer.committable == 12
    await consumer._commit_offsets({PLACE: 12})
    assert await consumer.backlog() == {PLACE: (10, 20)}
    consumer.answer = True
    await consumer._commit_offsets({PLACE: 12})
    assert await consumer.backlog() == {PLACE: (12, 20)}


@pytest.mark.parametrize("failure", [KafkaError("x"), None])
@pytest.mark.usefixtures("impatient")
async def test_a_commit_the_broker_refuses_or_never_answers_is_tried_again_later(
    failure: Exception | None,
) -> None:
    class Broker:
        async def commit(self, offsets: Any) -> None:
            if failure:
                raise failure
            await asyncio.get_running_loop().create_future()

    thread: Any = object.__new__(transport._ConsumerThread)
    thread._ensure_consumer = Broker
    thread.assignment = lambda: {PLACE}
    thread.log = logging.getLogger("trial")
    async with asyncio.timeout(5):
        assert await thread._commit({PLACE: 12}) is False
