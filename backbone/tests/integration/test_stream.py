"""The promises of the stream, on the real broker, registry and database."""

import asyncio
import io
import json
import os
import signal
import struct
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import fastavro
import pytest
from aiokafka import AIOKafkaProducer
from city_backbone.events import OutgoingEvent, cloudevents_headers, event_id
from city_backbone.testing import Mesh, eventually, run_service
from probe.bootstrap import ProbeSettings, bootstrap

from .conftest import read_all

PROBE = Path(__file__).parent.parent / "departments" / "probe"
TOPIC = "probe.thing-counted.v1"
DEAD = f"{TOPIC}.probe.dlt"
SCHEMA = fastavro.parse_schema(json.loads((PROBE / "events/thing_counted.v1.avsc").read_text()))


async def schema_id(environment: Mapping[str, str]) -> int:
    url = f"{environment['PROBE_REGISTRY__URL']}/subjects/{TOPIC}-value/versions/latest"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return int((await answer.json(content_type=None))["id"])


def framed(identity: int, data: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO(struct.pack(">bI", 0, identity))
    buffer.seek(5)
    fastavro.schemaless_writer(buffer, SCHEMA, dict(data))
    return buffer.getvalue()


class Source:
    """Writes things to the topic, each run under names of its own."""

    def __init__(self, producer: AIOKafkaProducer, identity: int, run: str) -> None:
        self._producer = producer
        self._identity = identity
        self.run = run

    def id(self, number: int) -> UUID:
        return event_id(self.run, number)

    async def send(self, numbers: range, key: str = "thing-{}", count: int | None = None) -> None:
        from datetime import UTC, datetime

        sent = []
        for number in numbers:
            name = f"{self.run}-{key.format(number % 7)}"
            data = {"thing_id": name, "count": number if count is None else count, "note": ""}
            event = OutgoingEvent(TOPIC, name, self.id(number), datetime.now(UTC), data)
            sent.append(
                await self._producer.send(
                    TOPIC,
                    value=framed(self._identity, data),
                    key=name.encode(),
                    headers=cloudevents_headers(event, "probe"),
                )
            )
        await asyncio.gather(*sent)


@pytest.fixture
async def source(
    producer: AIOKafkaProducer, environment: dict[str, str], request: pytest.FixtureRequest
) -> Source:
    return Source(
        producer, await schema_id(environment), f"{request.node.name}-{os.urandom(4).hex()}"
    )


async def effects(database: Any, source: Source) -> list[dict[str, Any]]:
    rows = await database.execute(
        "select * from effect where thing_id like %s order by id", (f"{source.run}-%",)
    )
    found: list[dict[str, Any]] = await rows.fetchall()
    return found


async def test_each_event_takes_effect_once_though_it_is_sent_twice(
    mesh: Mesh, source: Source, database: Any, environment: dict[str, str]
) -> None:
    async with run_service(mesh, ProbeSettings, bootstrap, "probe"):
        await source.send(range(50))
        await source.send(range(60))

        async def all_in() -> bool:
            return len(await effects(database, source)) >= 60

        await eventually(all_in)
        await source.send(range(60, 61))

        async def last_in() -> bool:
            return source.id(60) in {row["event_id"] for row in await effects(database, source)}

        await eventually(last_in)
        rows = await effects(database, source)
        assert sorted(row["event_id"] for row in rows) == sorted(map(source.id, range(61)))

        async def outbox_empty() -> bool:
            answer = await (await database.execute("select count(*) from outbox")).fetchone()
            return bool(answer["count"] == 0)

        await eventually(outbox_empty)
    doubled = {
        dict(record.headers)["ce_id"]
        for record in await read_all(environment, "probe.thing-doubled.v1")
        if record.key.startswith(source.run.encode())
    }
    assert len(doubled) == 61


async def test_order_of_a_key_is_kept_from_topic_to_effect(
    mesh: Mesh, source: Source, database: Any
) -> None:
    await source.send(range(300))
    async with run_service(mesh, ProbeSettings, bootstrap, "probe"):

        async def all_in() -> bool:
            return len(await effects(database, source)) == 300

        await eventually(all_in)
    by_key: dict[str, list[int]] = {}
    for row in await effects(database, source):
        by_key.setdefault(row["thing_id"], []).append(row["count"])
    assert all(counts == sorted(counts) for counts in by_key.values())


async def test_poison_goes_to_the_dead_letter_topic_and_stops_nobody(
    mesh: Mesh,
    source: Source,
    database: Any,
    environment: dict[str, str],
    producer: AIOKafkaProducer,
) -> None:
    key = f"{source.run}-poison".encode()
    await source.send(range(5))
    await producer.send_and_wait(TOPIC, value=b"no avro", key=key, headers=[("a", b"1")])
    await producer.send_and_wait(TOPIC, value=None, key=key)
    await source.send(range(5, 6), count=-1)
    await source.send(range(6, 10))
    async with run_service(mesh, ProbeSettings, bootstrap, "probe"):

        async def rest_in() -> bool:
            return len(await effects(database, source)) == 9

        await eventually(rest_in)

        async def buried() -> list[Any]:
            mine = [
                record
                for record in await read_all(environment, DEAD)
                if record.key.startswith(source.run.encode())
            ]
            return mine if len(mine) == 3 else []

        dead = await eventually(buried)
    reasons = {record.value: dict(record.headers)["dlt_reason"].decode() for record in dead}
    assert "Confluent framing" in reasons[b"no avro"]
    assert "missing" in reasons[None]
    assert any("expected at least 0, got -1" in reason for reason in reasons.values())
    original = next(record for record in dead if record.value == b"no avro")
    assert original.key == key
    assert ("a", b"1") in original.headers


async def test_a_worker_killed_again_and_again_loses_and_doubles_nothing(
    mesh: Mesh, source: Source, database: Any, environment: dict[str, str]
) -> None:
    """Two dozen SIGKILLs over a backlog: what must match is the count, to the last event."""
    total, kills = 24_000, 24
    started = {
        **os.environ,
        **environment,
        "PROBE_GRPC__PORT": "0",
        "PROBE_HTTP__PORT": "0",
        "PROBE_KAFKA__SESSION_TIMEOUT_SECONDS": "6",
        "PROBE_KAFKA__MAX_POLL_RECORDS": "100",
        "PYTHONPATH": str(PROBE),
    }
    await source.send(range(total // 2))

    async def count() -> int:
        row = await (
            await database.execute(
                "select count(*) from effect where thing_id like %s", (f"{source.run}-%",)
            )
        ).fetchone()
        return int(row["count"])

    async def spawn() -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "probe",
            env=started,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )

    for kill in range(kills):
        process = await spawn()
        before = await count()
        await source.send(range(total // 2 + kill * 500, total // 2 + (kill + 1) * 500))

        async def moved(before: int = before) -> bool:
            return await count() > before

        try:
            await eventually(moved, seconds=60)
        finally:
            process.send_signal(signal.SIGKILL)
            await process.wait()
    process = await spawn()
    try:

        async def all_in() -> bool:
            return await count() >= total

        await eventually(all_in, seconds=90)

        async def outbox_empty() -> bool:
            answer = await (await database.execute("select count(*) from outbox")).fetchone()
            return bool(answer["count"] == 0)

        await eventually(outbox_empty, seconds=30)
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 15) == 0
    rows = await effects(database, source)
    assert len(rows) == total
    assert len({row["event_id"] for row in rows}) == total
    doubled = [
        dict(record.headers)["ce_id"]
        for record in await read_all(environment, "probe.thing-doubled.v1")
        if record.key.startswith(source.run.encode())
    ]
    assert len(set(doubled)) == total
