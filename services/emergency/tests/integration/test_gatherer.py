"""The loop that gathers context, on the real database."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from city_backbone.database import Database
from city_backbone.testing import eventually, join_by_nested_loops
from emergency import store, store_context
from emergency.context.answer import Answering
from emergency.context.gatherer import Gatherer
from emergency.context.revision import Revising
from emergency.domain.context import LeasedCamera, NearCamera
from emergency.domain.incident import Facts, Grade, Incident, Position, Source, Status
from emergency.ledger import Ledger
from emergency.settings import CaseSettings, ContextSettings, SceneSettings, VehicleSettings
from emergency.store_context import Request

from .conftest import ENVELOPE

# Nothing here may depend on the poll.
WOKEN = ContextSettings(concurrency=2, poll_seconds=3600)


class Work:
    """Stands in for the questions to neighbours; `gather` is the test's."""

    def __init__(self, database: Database, gather: Callable[[UUID], Awaitable[None]]) -> None:
        self._database = database
        self._gather = gather
        self.done: list[UUID] = []

    async def gather(self, request: Request) -> None:
        await self._gather(request.incident_id)
        async with self._database.transaction() as connection:
            await store_context.settle(connection, request.incident_id)
        self.done.append(request.incident_id)


@pytest.fixture(autouse=True)
async def nothing_waits(database: Database) -> AsyncIterator[None]:
    async def forget() -> None:
        async with database.transaction() as connection:
            await connection.execute("delete from context_request where state = 'waiting'")

    await forget()
    yield
    await forget()


@asynccontextmanager
async def running(
    database: Database, gather: Callable[[UUID], Awaitable[None]]
) -> AsyncIterator[Work]:
    stopping = asyncio.Event()
    work: Any = Work(database, gather)
    task = asyncio.create_task(Gatherer(database, work, work, WOKEN, stopping).run())
    try:
        yield work
    finally:
        stopping.set()
        async with asyncio.timeout(10):
            await task


async def wanted(database: Database, ledger: Ledger, count: int) -> list[UUID]:
    """That many incidents, opened in one transaction each."""
    at = datetime.now(UTC)
    facts = Facts(Grade.NORMAL, "싸움", "", "의정부역", Position(37.7, 127.0))
    opened = []
    for _ in range(count):
        one = Incident(
            uuid4(), "fight", Status.OCCURRED, facts, at, at, "cameras", Source("cameras", "1")
        )
        async with database.transaction() as connection:
            await store.lock(connection, [one.id])
            await ledger.record(connection, [one])
            await store_context.want(connection, [one.id])
        opened.append(one.id)
    return opened


async def test_one_that_hangs_holds_up_no_other(database: Database, ledger: Ledger) -> None:
    others_done = asyncio.Event()
    first: list[UUID] = []

    async def gather(incident_id: UUID) -> None:
        if not first:
            first.append(incident_id)
            await others_done.wait()

    async with running(database, gather) as work:
        opened = await wanted(database, ledger, 6)

        async def others() -> bool:
            return len(work.done) == 5

        await eventually(others)
        assert first[0] not in work.done
        others_done.set()

        async def all_done() -> bool:
            return set(work.done) == set(opened)

        await eventually(all_done)


async def test_no_more_at_once_than_the_bound_and_a_fault_stops_nobody(
    database: Database, ledger: Ledger
) -> None:
    at_once: list[int] = []
    now = 0

    async def gather(_: UUID) -> None:
        nonlocal now
        now += 1
        at_once.append(now)
        async with database.transaction() as connection:
            await connection.execute("select 1")
        now -= 1
        if len(at_once) == 1:
            raise RuntimeError("a fault of ours")

    async with running(database, gather) as work:
        await wanted(database, ledger, 8)

        async def all_but_one() -> bool:
            return len(work.done) == 7

        await eventually(all_but_one)
    assert max(at_once) <= WOKEN.concurrency


async def test_no_more_are_claimed_than_asked_for(database: Database, ledger: Ledger) -> None:
    opened = await wanted(database, ledger, 5)
    claimed: list[list[UUID]] = []
    for _ in range(3):
        async with database.transaction() as connection:
            await join_by_nested_loops(connection)
            requests = await store_context.claim(connection, 2, 3600)
            claimed.append([request.incident_id for request in requests])
    assert [set(some) for some in claimed] == [set(opened[:2]), set(opened[2:4]), {opened[4]}]


async def test_what_a_dead_replica_had_claimed_is_gathered(
    database: Database, ledger: Ledger
) -> None:
    (incident_id,) = await wanted(database, ledger, 1)
    async with database.transaction() as connection:
        (claimed,) = await store_context.claim(connection, 10, 3600)
        assert await store_context.claim(connection, 10, 3600) == []
        # As when its claim has ended.
        await store_context.postpone(connection, claimed.incident_id, 0)

    async def gather(_: UUID) -> None: ...

    async with running(database, gather) as work:

        async def done() -> bool:
            return work.done == [incident_id]

        await eventually(done)


class Near:
    """Stands in for the neighbours."""

    async def cameras_near(self, _: Position) -> list[NearCamera]:
        return [NearCamera("living-0001-1", 12)]

    async def air_near(self, _: Position) -> None:
        return None

    async def lease_scene(self, _: Incident, room: str) -> list[LeasedCamera]:
        near = NearCamera("living-0001-1", 12)
        return [LeasedCamera(near, Position(37.7, 127.0), True, room, datetime.now(UTC))]


async def test_context_gathered_twice_is_one_revision(database: Database, ledger: Ledger) -> None:
    (incident_id,) = await wanted(database, ledger, 1)
    near: Any = Near()
    revising = Revising(database, ledger, near, WOKEN)
    for attempt in (1, 2):
        await revising.gather(Request(incident_id, None, attempt, 0, None))
    async with database.transaction() as connection:
        found = await store.find(connection, incident_id)
    assert found is not None
    assert (found.revision, found.facts.items["카메라"]) == (2, "living-0001-1 (12 m)")


async def test_a_room_is_answered_once_though_it_was_gathered_twice(
    database: Database, ledger: Ledger
) -> None:
    (incident_id,) = await wanted(database, ledger, 1)
    near: Any = Near()
    answering = Answering(
        database, near, WOKEN, SceneSettings(), VehicleSettings(), CaseSettings(), [], ENVELOPE
    )
    for attempt in (1, 2):
        await answering.gather(Request(incident_id, "asks", attempt, 0, None), "asks")
    async with database.transaction() as connection:
        rows = await connection.execute(
            "select revision, body from room_message where incident_id = %s and answer",
            (incident_id,),
        )
        (row,) = await rows.fetchall()
    assert row["revision"] == 1
    assert "카메라" not in row["body"]
    assert "카메라" in ENVELOPE.open("asks", incident_id, 1, row["body"])


async def test_replicas_share_the_work(database: Database, ledger: Ledger) -> None:
    taken: list[UUID] = []

    async def gather(incident_id: UUID) -> None:
        taken.append(incident_id)

    async with running(database, gather) as one, running(database, gather) as other:
        opened = await wanted(database, ledger, 10)

        async def all_done() -> bool:
            return len(one.done) + len(other.done) >= 10

        await eventually(all_done)
    assert sorted(taken) == sorted(opened)
