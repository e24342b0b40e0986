"""Lanes: a partition's batches in turn, several partitions at once, nothing lost or done twice."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import pytest
from aiokafka import ConsumerRecord
from city_backbone.stream.lanes import Lanes
from city_backbone.stream.transport import Batch
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

_SECONDS = 5.0
MOST = 2_000


def place(partition: int) -> TP:
    return TP("trial.thing-seen.v1", partition)


def batch(start: int, count: int) -> Batch:
    records = [
        ConsumerRecord("trial.thing-seen.v1", 0, offset, 0, 0, None, b"", None, -1, -1, ())
        for offset in range(start, start + count)
    ]
    return Batch(records, start, start + count)


async def given_in_turn(
    batches: Sequence[tuple[TP, Batch]], taken: Callable[[int], None] = lambda count: None
) -> AsyncIterator[tuple[TP, Batch]]:
    for count, one in enumerate(batches, 1):
        yield one
        taken(count)
        await asyncio.sleep(0)


@given(
    sizes=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 1500)), max_size=20),
    turns=st.lists(st.integers(0, 5), min_size=1),
)
def test_each_partition_is_handled_in_order_without_a_hole_or_a_repetition(
    sizes: list[tuple[int, int]], turns: list[int]
) -> None:
    ends = dict.fromkeys(range(4), 0)
    batches = []
    for partition, count in sizes:
        batches.append((place(partition), batch(ends[partition], count)))
        ends[partition] += count
    handled: dict[int, list[Batch]] = {partition: [] for partition in range(4)}
    at_work: set[int] = set()

    async def handle(where: TP, one: Batch) -> None:
        assert where.partition not in at_work, "two batches of one partition at once"
        at_work.add(where.partition)
        for _ in range(turns[one.start % len(turns)]):
            await asyncio.sleep(0)
        at_work.discard(where.partition)
        handled[where.partition].append(one)

    asyncio.run(Lanes(handle, MOST).run(given_in_turn(batches)))
    for partition, done in handled.items():
        offsets = [record.offset for one in done for record in one.records]
        assert offsets == list(range(ends[partition]))
        assert [one.start for one in done] == [0, *(one.end for one in done)][: len(done)]
        assert all(len(one.records) <= MOST for one in done)


@pytest.mark.parametrize(
    ("linger", "first", "batches"), [(0.0, 1, 2), (0.05, 1, 1), (3_600.0, 250, 2)]
)
def test_few_records_wait_for_more_of_their_partition_and_many_do_not(
    linger: float, first: int, batches: int
) -> None:
    handled: list[Batch] = []
    some = asyncio.Event()

    async def handle(_: TP, one: Batch) -> None:
        handled.append(one)
        some.set()

    async def given() -> AsyncIterator[tuple[TP, Batch]]:
        yield place(0), batch(0, first)
        if batches > 1:
            await some.wait()
        for _ in range(20):  # turns in which what does not wait would be handled
            await asyncio.sleep(0)
        yield place(0), batch(first, 250)

    async def trial() -> None:
        async with asyncio.timeout(_SECONDS):
            await Lanes(handle, MOST, linger=linger).run(given())

    asyncio.run(trial())
    assert len(handled) == batches
    assert sum(len(one.records) for one in handled) == first + 250


@pytest.mark.parametrize(("urgent", "batches"), [(None, [4]), (0, [1, 3]), (2, [3, 1])])
def test_an_urgent_record_ends_the_waiting_of_all_before_it(
    urgent: int | None, batches: list[int]
) -> None:
    handled: list[Batch] = []
    judged: list[int] = []
    some = asyncio.Event()

    async def handle(_: TP, one: Batch) -> None:
        handled.append(one)
        some.set()

    def judge(records: Sequence[ConsumerRecord]) -> bool:
        judged.extend(record.offset for record in records)
        return any(record.offset == urgent for record in records)

    async def given() -> AsyncIterator[tuple[TP, Batch]]:
        for offset in range(4):
            yield place(0), batch(offset, 1)
            for _ in range(20):
                await asyncio.sleep(0)
            if offset == urgent:
                await some.wait()
        yield place(0), batch(4, 250)

    async def trial() -> None:
        async with asyncio.timeout(_SECONDS):
            await Lanes(handle, MOST, linger=3_600.0, urgent=judge).run(given())

    asyncio.run(trial())
    whole = [*batches[:-1], batches[-1] + 250]
    assert [len(one.records) for one in handled] == whole, "250 more end any waiting"
    assert judged == list(range(4)), "each is judged once"


def test_a_partition_that_waits_does_not_keep_the_others() -> None:
    async def trial() -> None:
        free, others = asyncio.Event(), asyncio.Event()
        done: list[int] = []

        async def handle(where: TP, one: Batch) -> None:
            if where.partition == 0:
                await free.wait()
            done.append(where.partition)
            if len(done) == 2:
                others.set()

        batches = [(place(0), batch(0, 1)), (place(1), batch(0, 1)), (place(2), batch(0, 1))]
        running = asyncio.create_task(Lanes(handle, MOST, 2).run(given_in_turn(batches)))
        await asyncio.wait_for(others.wait(), _SECONDS)
        assert sorted(done) == [1, 2]
        free.set()
        await running
        assert done[-1] == 0

    asyncio.run(trial())


def test_no_more_partitions_than_allowed_are_at_work() -> None:
    async def trial() -> int:
        most = at_work = 0

        async def handle(where: TP, one: Batch) -> None:
            nonlocal most, at_work
            at_work += 1
            most = max(most, at_work)
            for _ in range(20):
                await asyncio.sleep(0)
            at_work -= 1

        batches = [(place(partition), batch(0, 1)) for partition in range(8)]
        await Lanes(handle, MOST, 3).run(given_in_turn(batches))
        return most

    assert asyncio.run(trial()) == 3


def test_what_came_meanwhile_is_one_batch_unless_there_is_a_hole() -> None:
    async def trial() -> list[tuple[int, int]]:
        free, all_given = asyncio.Event(), asyncio.Event()
        done: list[tuple[int, int]] = []

        async def handle(where: TP, one: Batch) -> None:
            done.append((one.start, one.end))
            await free.wait()

        batches = [(place(0), one) for one in (batch(0, 5), batch(5, 5), batch(10, 5))]
        batches.append((place(0), batch(20, 5)))

        def count(number: int) -> None:
            if number == len(batches):
                all_given.set()

        running = asyncio.create_task(Lanes(handle, MOST).run(given_in_turn(batches, count)))
        await asyncio.wait_for(all_given.wait(), _SECONDS)
        free.set()
        await running
        return done

    assert asyncio.run(trial()) == [(0, 5), (5, 15), (20, 25)]


def test_only_so_many_records_of_a_partition_wait() -> None:
    async def trial() -> tuple[int, int]:
        free, given_ = asyncio.Event(), 0

        async def handle(where: TP, one: Batch) -> None:
            await free.wait()

        def count(number: int) -> None:
            nonlocal given_
            given_ = number

        batches = [(place(0), batch(start * 1000, 1000)) for start in range(20)]
        running = asyncio.create_task(Lanes(handle, MOST).run(given_in_turn(batches, count)))
        for _ in range(1000):
            await asyncio.sleep(0)
        blocked = given_
        free.set()
        await running
        return blocked, given_

    # One is at work; one more is in the hand of who may not put it down yet.
    assert asyncio.run(trial()) == (1 + 4 * MOST // 1000, 20)


def test_what_a_batch_raises_ends_all() -> None:
    async def handle(where: TP, one: Batch) -> None:
        if where.partition == 1:
            raise ValueError("no")
        await asyncio.Event().wait()

    batches = [(place(partition), batch(0, 1)) for partition in range(2)]
    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(asyncio.wait_for(Lanes(handle, MOST).run(given_in_turn(batches)), _SECONDS))
    assert caught.group_contains(ValueError)
