"""The promises of the stream, on the real broker, registry and database."""

import asyncio
import dataclasses
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from city_backbone.events import Event
from city_backbone.runtime import Backbone, Service
from city_backbone.testing import Mesh, eventually, run_service
from probe.bootstrap import ProbeSettings, bootstrap

from .things import (
    DEAD,
    DOUBLED,
    TOPIC,
    Database,
    Source,
    framed,
    kafka_client,
    outbox_is_empty,
    process_environment,
)


class Committed:
    """What the probe's group has committed of the topic."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self._partitions = [TopicPartition(TOPIC, partition) for partition in range(3)]

    async def offsets(self) -> list[int | None]:
        return [await self._consumer.committed(partition) for partition in self._partitions]

    async def ends(self) -> list[int]:
        return list((await self._consumer.end_offsets(self._partitions)).values())

    async def has_moved(self, before: list[int | None]) -> None:
        """Wait until an offset is committed that was not in `before`."""

        async def moved() -> bool:
            return await self.offsets() != before

        await eventually(moved)


@asynccontextmanager
async def committed(environment: dict[str, str]) -> AsyncIterator[Committed]:
    async with AIOKafkaConsumer(
        **kafka_client(environment, "PROBE"), group_id="probe", enable_auto_commit=False
    ) as consumer:
        yield Committed(consumer)


async def test_each_event_takes_effect_once_though_it_is_sent_twice(
    mesh: Mesh, source: Source, database: Database, environment: dict[str, str]
) -> None:
    async with run_service(mesh, ProbeSettings, bootstrap, "probe"):
        await source.send(range(50))
        await source.send(range(60))
        await source.has_counted(database, 60)
        await source.send(range(60, 61))

        async def last_in() -> bool:
            return source.id(60) in {row["event_id"] for row in await source.effects(database)}

        await eventually(last_in)
        rows = await source.effects(database)
        assert sorted(row["event_id"] for row in rows) == sorted(map(source.id, range(61)))
        await outbox_is_empty(database)
    doubled = await source.records(environment, DOUBLED)
    assert len({dict(record.headers)["ce_id"] for record in doubled}) == 61


async def test_few_events_wait_for_one_that_is_urgent(
    mesh: Mesh, source: Source, database: Database
) -> None:
    def urgent(events: Sequence[Event]) -> bool:
        return any(event.data["count"] == 6 for event in events)

    async def patient(backbone: Backbone[ProbeSettings]) -> Service:
        service = await bootstrap(backbone)
        (counted,) = service.subscriptions
        waits = dataclasses.replace(counted, linger=3_600.0, urgent=urgent)
        return dataclasses.replace(service, subscriptions=[waits])

    async with run_service(mesh, ProbeSettings, patient, "probe"):
        await source.send([0], key="one")  # its schema is not known yet, so it does not wait
        await source.has_counted(database, 1)
        for number in range(1, 7):
            await source.send([number], key="one")
        await source.has_counted(database, 7)
    rows = await database.execute(
        "select count, xmin::text from effect where thing_id = %s order by id",
        (f"{source.run}-one",),
    )
    effects = [(row["count"], row["xmin"]) for row in await rows.fetchall()]
    assert [count for count, _ in effects] == list(range(7))
    assert len({transaction for _, transaction in effects[1:]}) == 1


async def test_order_of_a_key_is_kept_from_topic_to_effect(
    mesh: Mesh, source: Source, database: Database
) -> None:
    await source.send(range(300))
    async with run_service(mesh, ProbeSettings, bootstrap, "probe"):
        await source.has_counted(database, 300)
    by_key: dict[str, list[int]] = {}
    for row in await source.effects(database):
        by_key.setdefault(row["thing_id"], []).append(row["count"])
    assert sum(map(len, by_key.values())) == 300
    assert all(counts == sorted(counts) for counts in by_key.values())


NULL_HEADERS = [("ce_id", None), ("ce_time", None), ("traceparent", None)]


async def test_poison_goes_to_the_dead_letter_topic_and_stops_nobody(
    mesh: Mesh,
    source: Source,
    database: Database,
    environment: dict[str, str],
    producer: AIOKafkaProducer,
) -> None:
    key = f"{source.run}-poison".encode()
    no_such_schema = b"\0\x7f\xff\xff\xffab"
    await source.send(range(5))
    await producer.send_and_wait(TOPIC, value=b"no avro", key=key, headers=[("a", b"1")])
    await producer.send_and_wait(TOPIC, value=None, key=key)
    await producer.send_and_wait(TOPIC, value=no_such_schema, key=key)
    await source.send(range(5, 6), count=-1)
    await source.send(range(6, 10))
    async with run_service(mesh, ProbeSettings, bootstrap, "probe"):
        await source.has_counted(database, 9)
        value = framed(source.identity, {"thing_id": "a", "count": 1, "note": ""})
        for headers in (NULL_HEADERS, [("ce_time", b"0001-01-01T00:00:00")]):
            await producer.send_and_wait(TOPIC, value=value, key=key, headers=headers)

        async def all_buried() -> bool:
            return len(await source.records(environment, DEAD)) == 6

        await eventually(all_buried, interval=0.5)
        await source.send(range(10, 17))
        await source.has_counted(database, 16)
        await outbox_is_empty(database)
    async with committed(environment) as group:
        assert await group.offsets() == await group.ends()
    dead = await source.records(environment, DEAD)
    reasons = {record.value: dict(record.headers)["dlt_reason"].decode() for record in dead}
    assert len(dead) == 6
    assert "Confluent framing" in reasons[b"no avro"]
    assert "missing" in reasons[None]
    assert "unknown to the registry" in reasons[no_such_schema]
    assert any("expected at least 0, got -1" in reason for reason in reasons.values())
    original = next(record for record in dead if record.value == b"no avro")
    assert original.key == key
    assert ("a", b"1") in original.headers
    assert await source.count(database) == 16


class Nursery:
    """Starts probes one after the other, each a process of its own."""

    def __init__(self, asked: asyncio.StreamWriter, told: asyncio.StreamReader) -> None:
        self._asked = asked
        self._told = told
        self._child = 0

    async def spawn(self) -> None:
        self._asked.write(b"\n")
        self._child = int(await self._told.readline())

    async def end(self, number: signal.Signals) -> int:
        """The exit code, negative for a signal."""
        os.kill(self._child, number)
        return int(await asyncio.wait_for(self._told.readline(), 15))


@asynccontextmanager
async def nursery(environment: dict[str, str]) -> AsyncIterator[Nursery]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "probe.nursery",
        env={**process_environment(environment), "PROBE_KAFKA__MAX_POLL_RECORDS": "20"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin
    assert process.stdout
    try:
        yield Nursery(process.stdin, process.stdout)
    finally:
        process.kill()
        await process.wait()


@pytest.mark.timeout(400)
async def test_a_worker_killed_again_and_again_loses_and_doubles_nothing(
    mesh: Mesh, source: Source, database: Database, environment: dict[str, str]
) -> None:
    """Two dozen SIGKILLs over a backlog, as soon as it moves or when offsets were committed.

    What must match is the count, to the last event.
    """
    total, kills = 4_801, 24
    backlog, each = total // 2, total // 2 // kills
    await source.send(range(backlog))
    async with nursery(environment) as probe, committed(environment) as group:
        for kill in range(kills):
            before, offsets = await source.count(database), await group.offsets()
            await probe.spawn()
            try:
                await source.send(range(backlog + kill * each, backlog + (kill + 1) * each))
                await source.has_counted(database, before + 1, seconds=60)
                if kill % 4 == 3:
                    await group.has_moved(offsets)
            finally:
                code = await probe.end(signal.SIGKILL)
            assert code == -signal.SIGKILL
        await probe.spawn()
        try:
            # One more, so that it is this one that counts the last.
            await source.send([total - 1])
            await source.has_counted(database, total, seconds=90)
            await outbox_is_empty(database, seconds=30)
        finally:
            code = await probe.end(signal.SIGTERM)
        assert code == 0
    rows = await source.effects(database)
    assert len(rows) == total
    assert {row["event_id"] for row in rows} == set(map(source.id, range(total)))
    doubled = await source.records(environment, DOUBLED)
    assert len({dict(record.headers)["ce_id"] for record in doubled}) == total
