"""What the backbone's integration tests share: the probe's clients and its database."""

import os
from collections.abc import AsyncIterator

import aiohttp
import psycopg
import pytest
from aiokafka import AIOKafkaProducer
from city_backbone.testing import Mesh
from psycopg.rows import dict_row

from .things import TOPIC, Database, Source, kafka_client


@pytest.fixture
def environment(mesh: Mesh) -> dict[str, str]:
    return mesh.environment("probe")


@pytest.fixture
async def producer(environment: dict[str, str]) -> AsyncIterator[AIOKafkaProducer]:
    async with AIOKafkaProducer(**kafka_client(environment, "PROBE"), acks="all") as producer:
        yield producer


@pytest.fixture
async def database(environment: dict[str, str]) -> AsyncIterator[Database]:
    connection = await psycopg.AsyncConnection.connect(
        environment["PROBE_DATABASE__DSN"], autocommit=True, row_factory=dict_row
    )
    async with connection:
        yield connection


@pytest.fixture
async def source(
    producer: AIOKafkaProducer, environment: dict[str, str], request: pytest.FixtureRequest
) -> Source:
    url = f"{environment['PROBE_REGISTRY__URL']}/subjects/{TOPIC}-value/versions/latest"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        identity = int((await answer.json(content_type=None))["id"])
    name = request.function.__name__.removeprefix("test_")[:20]
    return Source(producer, identity, f"{name}-{os.urandom(4).hex()}")
