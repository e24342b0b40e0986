"""What the backbone's integration tests share: the probe's clients and its database."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import psycopg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from city_backbone.testing import Mesh
from psycopg.rows import dict_row


def kafka_client(environment: Mapping[str, str], name: str) -> dict[str, Any]:
    return {
        "bootstrap_servers": environment[f"{name}_KAFKA__BOOTSTRAP_SERVERS"],
        "security_protocol": environment[f"{name}_KAFKA__SECURITY_PROTOCOL"],
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": environment[f"{name}_KAFKA__USERNAME"],
        "sasl_plain_password": environment[f"{name}_KAFKA__PASSWORD"],
    }


@pytest.fixture
def environment(mesh: Mesh) -> dict[str, str]:
    return mesh.environment("probe")


@pytest.fixture
async def producer(environment: dict[str, str]) -> AsyncIterator[AIOKafkaProducer]:
    async with AIOKafkaProducer(**kafka_client(environment, "PROBE"), acks="all") as producer:
        yield producer


@pytest.fixture
async def database(
    environment: dict[str, str],
) -> AsyncIterator[psycopg.AsyncConnection[dict[str, Any]]]:
    connection = await psycopg.AsyncConnection.connect(
        environment["PROBE_DATABASE__DSN"], autocommit=True, row_factory=dict_row
    )
    async with connection:
        yield connection


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
