"""The outbox relay on the real database and broker: all is published, in order, and nobody waits
for what the broker refuses."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

import pytest
from city_backbone.database import Database as Pool
from city_backbone.database import migrate
from city_backbone.outbox import Record, add_records, unpack_headers
from city_backbone.publisher import Publisher
from city_backbone.relay import Relay
from city_backbone.testing import Mesh, eventually
from opentelemetry.metrics import Meter, get_meter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from probe.bootstrap import ProbeSettings

from .things import DOUBLED, Database, Source, number, outbox_is_empty, settings_of

RELAY = "select pid from pg_locks where locktype = 'advisory' and classid = %s and objid = %s"
LOCK = 0x6F7574626F78
HEADER = ("any", bytes(range(256)))


@pytest.fixture
async def settings(mesh: Mesh) -> ProbeSettings:
    settings = settings_of(mesh, {"PROBE_OUTBOX__POLL_SECONDS": "0.2", "PROBE_OUTBOX__BATCH": "20"})
    await migrate(settings.database, "probe")
    return settings


@asynccontextmanager
async def relaying(
    settings: ProbeSettings, meter: Meter | None = None, *, gives_way: bool = False
) -> AsyncIterator[Pool]:
    """One relay, as a service runs it; at the end it empties the outbox and stops."""
    pool = Pool(settings.database)
    await pool.open()
    publisher = Publisher(settings.kafka, "trial", settings.outbox.send_timeout_seconds)
    meter = meter or get_meter("trial")
    relay = Relay(pool, publisher, settings.outbox, meter, gives_way=gives_way)
    stopping = asyncio.Event()
    task = asyncio.create_task(relay.run(stopping))
    try:
        yield pool
    finally:
        stopping.set()
        await asyncio.wait_for(task, 20)
        await pool.close()


async def put(
    database: Database, source: Source, numbers: Sequence[int], topic: str = DOUBLED
) -> None:
    records = [
        Record(topic, f"{source.run}-{place % 5}".encode(), str(place).encode(), [HEADER])
        for place in numbers
    ]
    async with database.transaction():
        await add_records(database, records)


async def published(source: Source, environment: dict[str, str]) -> list[int]:
    records = await source.records(environment, DOUBLED)
    assert all(record.headers == (HEADER,) for record in records)
    return [int(record.value) for record in records]


def assert_in_order(records: Sequence[int]) -> None:
    for key in range(5):
        mine = [value for value in records if value % 5 == key]
        assert mine == sorted(mine)


async def test_a_replica_that_does_not_relay_tells_the_age_of_the_outbox_too(
    settings: ProbeSettings, source: Source, database: Database
) -> None:
    """Else what it saw last, before another took over, would stand and grow for ever."""
    reader = InMemoryMetricReader()

    async def age() -> float:
        data = reader.get_metrics_data()
        assert data
        (value,) = [
            cast(Any, point).value
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == "city.outbox.oldest_age"
            for point in metric.data.data_points
        ]
        return float(value)

    async def old() -> bool:
        return await age() > 0.5

    async def settled() -> bool:
        return await age() == 0

    await database.execute("select pg_advisory_lock(%s)", (LOCK,))
    async with relaying(settings, MeterProvider([reader]).get_meter("trial")):
        await put(database, source, range(3))
        await eventually(old)
        async with database.transaction():
            await database.execute("delete from outbox")
        await eventually(settled)
        await database.execute("select pg_advisory_unlock(%s)", (LOCK,))


async def test_the_commit_of_an_event_wakes_the_relay(
    settings: ProbeSettings, source: Source, database: Database
) -> None:
    """Not the poll: that is an hour away. So its end is not waited for either."""
    outbox = settings.outbox.model_copy(update={"poll_seconds": 3600.0})
    pool = Pool(settings.database)
    await pool.open()
    publisher = Publisher(settings.kafka, "trial", outbox.send_timeout_seconds)
    relay = asyncio.create_task(
        Relay(pool, publisher, outbox, get_meter("trial")).run(asyncio.Event())
    )
    try:
        for number in range(3):
            await put(database, source, [number])
            await outbox_is_empty(database)
    finally:
        relay.cancel()
        await asyncio.gather(relay, return_exceptions=True)
        await pool.close()


async def test_two_relays_publish_each_event_just_once(
    settings: ProbeSettings, source: Source, database: Database, environment: dict[str, str]
) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(relaying(settings))
        for start in range(0, 400, 50):
            await put(database, source, range(start, start + 50))
            await asyncio.sleep(0)
        await outbox_is_empty(database)
    records = await published(source, environment)
    assert sorted(records) == list(range(400))
    assert_in_order(records)


async def test_the_other_relay_takes_over(
    settings: ProbeSettings, source: Source, database: Database, environment: dict[str, str]
) -> None:
    async with relaying(settings):
        async with relaying(settings):
            await put(database, source, range(10))
            await outbox_is_empty(database)
        await put(database, source, range(10, 20))
        await outbox_is_empty(database)
    assert sorted(await published(source, environment)) == list(range(20))


async def relay_pids(database: Database) -> set[int]:
    rows = await database.execute(RELAY, (LOCK >> 32, LOCK & 0xFFFFFFFF))
    return {row["pid"] for row in await rows.fetchall()}


async def test_one_that_gives_way_relays_only_while_no_other_is_there(
    settings: ProbeSettings, source: Source, database: Database, environment: dict[str, str]
) -> None:
    seen: list[set[int]] = []

    async def another() -> bool:
        now = await relay_pids(database)
        return bool(now) and now not in seen

    async with relaying(settings, gives_way=True):
        for turn in range(2):
            await put(database, source, range(turn * 20, turn * 20 + 10))
            await outbox_is_empty(database)
            seen.append(await relay_pids(database))
            async with relaying(settings):
                await eventually(another)
                seen.append(await relay_pids(database))
                await put(database, source, range(turn * 20 + 10, turn * 20 + 20))
                await outbox_is_empty(database)
                assert await relay_pids(database) == seen[-1]
    records = await published(source, environment)
    assert sorted(records) == list(range(40))
    assert_in_order(records)


async def test_a_relay_whose_session_is_terminated_loses_nothing(
    settings: ProbeSettings, source: Source, database: Database, environment: dict[str, str]
) -> None:
    killed: set[int] = set()
    async with relaying(settings):

        async def relays_anew() -> set[int]:
            return await relay_pids(database) - killed

        for start in range(0, 600, 200):
            await put(database, source, range(start, start + 200))
            (pid,) = await eventually(relays_anew)
            await database.execute("select pg_terminate_backend(%s)", (pid,))
            killed.add(pid)
        await outbox_is_empty(database)
        assert await eventually(relays_anew)
    assert len(killed) == 3
    assert set(await published(source, environment)) == set(range(600))


async def test_what_the_broker_refuses_stands_in_nobodys_way(
    settings: ProbeSettings, source: Source, database: Database, environment: dict[str, str]
) -> None:
    others = ("sensors.reading-taken.v1", "probe.no-such-thing.v1")
    large = Record(DOUBLED, f"{source.run}-0".encode(), b"x" * 950_000, [HEADER])
    mine = f"{source.run}-%"
    try:
        async with relaying(settings):
            await put(database, source, [0])
            for topic in others:
                await put(database, source, [1], topic)
            async with database.transaction():
                await add_records(database, [large])
            await put(database, source, range(2, 40))

            async def only_others_left() -> bool:
                rows = await database.execute("select topic from outbox order by topic")
                return [row["topic"] for row in await rows.fetchall()] == sorted(others)

            await eventually(only_others_left, seconds=30)
            await put(database, source, range(40, 50))
            await eventually(only_others_left, seconds=30)
        kept = "select count(*) from outbox where convert_from(key, 'UTF8') like %s"
        assert await number(database, kept, mine) == 2
        rows = await database.execute(
            "select * from outbox_rejected where convert_from(key, 'UTF8') like %s", (mine,)
        )
        (rejected,) = await rows.fetchall()
    finally:
        for topic in others:
            await database.execute("delete from outbox where topic = %s", (topic,))
    assert "expected at most 900000" in rejected["reason"]
    assert bytes(rejected["value"]) == large.value
    assert unpack_headers(rejected["headers"]) == [HEADER]
    records = await published(source, environment)
    assert sorted(records) == [0, *range(2, 50)]
    assert_in_order(records)
