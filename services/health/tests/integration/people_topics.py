"""What is on the topics, and how far the stream has read the one of measurements."""

import io
import json
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import fastavro
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError
from city_backbone.registration import load
from city_backbone.testing import Mesh, eventually
from health.measuring.facts import MEASUREMENT_TAKEN

ROOT = Path(__file__).parents[2]
REGISTRATION = load(ROOT / "service.yaml")


def told(record: Any, schema: str) -> dict[str, Any]:
    """What an event says."""
    parsed = fastavro.parse_schema(json.loads((ROOT / "events" / f"{schema}.avsc").read_text()))
    (magic, _) = struct.unpack(">bI", record.value[:5])
    assert magic == 0
    said: Any = fastavro.schemaless_reader(io.BytesIO(record.value[5:]), parsed, None)
    return dict(said)


@asynccontextmanager
async def consumer(
    mesh: Mesh, name: str, *, group: str | None = None
) -> AsyncIterator[AIOKafkaConsumer]:
    """As that department or client; it joins no group and reads nothing yet."""
    environment, prefix = mesh.environment(name), f"{name.upper()}_KAFKA__"
    opened = AIOKafkaConsumer(
        bootstrap_servers=environment[f"{prefix}BOOTSTRAP_SERVERS"],
        security_protocol=environment[f"{prefix}SECURITY_PROTOCOL"],
        sasl_mechanism="SCRAM-SHA-512",
        sasl_plain_username=environment[f"{prefix}USERNAME"],
        sasl_plain_password=environment[f"{prefix}PASSWORD"],
        group_id=group,
        enable_auto_commit=False,
    )
    await opened.start()
    try:
        yield opened
    finally:
        await opened.stop()


def partitions() -> list[TopicPartition]:
    """Of the topic of measurements, as registered."""
    (topic,) = (one for one in REGISTRATION.produces if one.topic == MEASUREMENT_TAKEN)
    return [TopicPartition(topic.topic, number) for number in range(topic.partitions)]


async def records(mesh: Mesh, topic: str, name: str) -> list[Any]:
    async with consumer(mesh, name) as opened:
        opened.subscribe([topic])
        await opened.getmany(timeout_ms=0)  # partitions are known of topics subscribed to
        opened.unsubscribe()
        numbers = opened.partitions_for_topic(topic)
        assert numbers, f"no topic {topic}"
        theirs = [TopicPartition(topic, number) for number in numbers]
        opened.assign(theirs)
        await opened.seek_to_beginning(*theirs)
        ends = await opened.end_offsets(theirs)
        found: list[Any] = []
        while any([await opened.position(one) < ends[one] for one in theirs]):
            for batch in (await opened.getmany(timeout_ms=1000)).values():
                found.extend(batch)
        return found


async def read_to_the_end(mesh: Mesh) -> None:
    """Returns once the stream has handled every measurement."""
    async with consumer(mesh, "health", group="health") as health:
        health.assign(partitions())
        ends = await health.end_offsets(partitions())

        async def level() -> bool:
            return all([(await health.committed(one) or 0) >= end for one, end in ends.items()])

        await eventually(level, seconds=30)


async def read_again(mesh: Mesh) -> None:
    """The topic of measurements from its start; no service may run."""
    async with consumer(mesh, "health", group="health") as health:
        health.assign(partitions())

        async def committed() -> bool:
            """As soon as the broker has noticed that the last one left."""
            try:
                await health.commit(dict.fromkeys(partitions(), 0))
            except CommitFailedError:
                return False
            return True

        await eventually(committed)
