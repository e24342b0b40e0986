"""What the integration tests send to the probe, and where they look for its effects."""

import asyncio
import io
import json
import os
import struct
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

import fastavro
import psycopg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from city_backbone.events import OutgoingEvent, cloudevents_headers, event_id
from city_backbone.settings import load
from city_backbone.testing import Mesh, eventually
from probe.bootstrap import ProbeSettings

PROBE = Path(__file__).parent.parent / "departments" / "probe"
TOPIC = "probe.thing-counted.v1"
DOUBLED = "probe.thing-doubled.v1"
DEAD = f"{TOPIC}.probe.dlt"
WRITER = json.loads((PROBE / "events/thing_counted.v1.avsc").read_text())

Database: TypeAlias = psycopg.AsyncConnection[dict[str, Any]]


def kafka_client(environment: Mapping[str, str], name: str) -> dict[str, Any]:
    return {
        "bootstrap_servers": environment[f"{name}_KAFKA__BOOTSTRAP_SERVERS"],
        "security_protocol": environment[f"{name}_KAFKA__SECURITY_PROTOCOL"],
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": environment[f"{name}_KAFKA__USERNAME"],
        "sasl_plain_password": environment[f"{name}_KAFKA__PASSWORD"],
    }


def process_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """For a probe in a process of its own, on free ports."""
    return {
        **os.environ,
        **environment,
        "PROBE_GRPC__PORT": "0",
        "PROBE_GRPC__HOST": "127.0.0.1",
        "PROBE_HTTP__PORT": "0",
        "PROBE_HTTP__HOST": "127.0.0.1",
        "PROBE_KAFKA__SESSION_TIMEOUT_SECONDS": "6",
        "PROBE_KAFKA__MAX_POLL_RECORDS": "100",
        "PYTHONPATH": os.pathsep.join([str(PROBE), os.environ.get("PYTHONPATH", "")]),
    }


def settings_of(mesh: Mesh, overrides: Mapping[str, str] | None = None) -> ProbeSettings:
    environment = {**process_environment(mesh.environment("probe")), **(overrides or {})}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return load(ProbeSettings)


def framed(identity: int, data: Mapping[str, Any], schema: Any = WRITER) -> bytes:
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(schema), dict(data))
    return struct.pack(">bI", 0, identity) + buffer.getvalue()


class Source:
    """Writes things to the topic, each run under names of its own."""

    def __init__(self, producer: AIOKafkaProducer, identity: int, run: str) -> None:
        self._producer = producer
        self._parsed = fastavro.parse_schema(WRITER)
        self.identity = identity
        self.run = run

    def id(self, number: int) -> UUID:
        return event_id(self.run, number)

    async def send(
        self,
        numbers: Sequence[int],
        key: str = "thing-{}",
        count: int | None = None,
        note: str = "",
        schema: tuple[int, Any] | None = None,
    ) -> None:
        """One event per number, its count; `schema` is another writer's, and its id."""
        identity, parsed = schema or (self.identity, self._parsed)
        sent = []
        for number in numbers:
            name = f"{self.run}-{key.format(number % 7)}"
            data = {"thing_id": name, "count": number if count is None else count, "note": note}
            event = OutgoingEvent(TOPIC, name, self.id(number), datetime.now(UTC), data)
            sent.append(
                await self._producer.send(
                    TOPIC,
                    value=framed(identity, data, parsed),
                    key=name.encode(),
                    headers=cloudevents_headers(event, "probe"),
                )
            )
        await asyncio.gather(*sent)

    async def effects(self, database: Database) -> list[dict[str, Any]]:
        """This run's rows, in the order of their effect."""
        rows = await database.execute(
            "select * from effect where thing_id like %s order by id", (f"{self.run}-%",)
        )
        return await rows.fetchall()

    async def count(self, database: Database) -> int:
        return await number(
            database, "select count(*) from effect where thing_id like %s", f"{self.run}-%"
        )

    async def has_counted(self, database: Database, total: int, seconds: float = 20) -> None:
        """Wait until so many events of this run have taken effect."""

        async def reached() -> bool:
            return await self.count(database) >= total

        await eventually(reached, seconds)

    async def records(self, environment: Mapping[str, str], topic: str) -> list[Any]:
        """What this run has caused on `topic`."""
        return [
            record
            for record in await read_all(environment, topic)
            if record.key and record.key.startswith(self.run.encode())
        ]


async def number(database: Database, query: str, *parameters: object) -> int:
    """The one number that `query` selects."""
    row = await (await database.execute(query, parameters)).fetchone()
    assert row is not None
    (value,) = row.values()
    return int(value)


async def outbox_is_empty(database: Database, seconds: float = 20) -> None:
    async def empty() -> bool:
        return await number(database, "select count(*) from outbox") == 0

    await eventually(empty, seconds)


async def read_all(environment: Mapping[str, str], topic: str) -> list[Any]:
    """Every record now on the topic, read as the probe itself."""
    consumer = AIOKafkaConsumer(
        **kafka_client(environment, "PROBE"), auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    try:
        consumer.subscribe([topic])
        await consumer.getmany(timeout_ms=0)
        numbers = consumer.partitions_for_topic(topic)
        assert numbers, f"{topic} is not on the broker"
        consumer.unsubscribe()
        partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        await consumer.seek_to_beginning(*partitions)
        records: list[Any] = []
        while any([await consumer.position(tp) < ends[tp] for tp in partitions]):
            for batch in (await consumer.getmany(timeout_ms=1000)).values():
                records.extend(batch)
        return records
    finally:
        await consumer.stop()
