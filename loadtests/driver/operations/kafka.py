"""Events written straight to a topic, by its owner's identity: `kafka:cameras.object-detected.v1`.

Only a topic's owner may write to it, so the run's environment has the owner's variables, as
`meshctl env sensors` prints them. The schema is the registry's newest. `settings.kafka` has for
each topic `key` and `data` (JSON with holes, see template.py; times are microseconds), `keys` for
{key}, `pad` (a text field that is filled up to a size), `pad_bytes` (its mean), and a
`malformed_share` of its own.
"""

import asyncio
import io
import json
import struct
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Any

import aiohttp
import fastavro
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, TopicAuthorizationFailedError
from aiokafka.helpers import create_ssl_context
from city_backbone.events import OutgoingEvent, cloudevents_headers, event_id
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from loadtests.city.seeded import draws
from loadtests.driver.operation import Operation, Outcome, World, attempting
from loadtests.driver.operations.calling import (
    SettingError,
    deadline,
    malformed_share,
    size,
    skew,
    variable,
)
from loadtests.driver.operations.template import Filling, fill

PREFIX = "kafka:"
INTENDED = "city-intended"
"""Header: microseconds since 1970 UTC, ASCII."""
_FRAME = struct.Struct(">bI")
_MOST = 900_000


class Topic(BaseModel):
    """A topic's part of `settings.kafka`."""

    model_config = ConfigDict(extra="forbid")

    key: str
    data: dict[str, Any]
    keys: int = Field(default=1_000, ge=1)
    pad: str = ""
    pad_bytes: float = Field(default=0, ge=0)
    malformed_share: float | None = Field(default=None, ge=0, le=1)


def offers(name: str) -> bool:
    return name.startswith(PREFIX)


async def prepare(world: World, names: Collection[str]) -> None:
    """Only looks whether the settings are right."""
    for name in names:
        topic_of(world, name.removeprefix(PREFIX))
        variable(world, f"{owner(name)}_KAFKA__USERNAME")


@asynccontextmanager
async def open(world: World, names: Collection[str]) -> AsyncIterator[Mapping[str, Operation]]:
    producers: dict[str, AIOKafkaProducer] = {}
    async with AsyncExitStack() as stack:
        made: dict[str, Operation] = {}
        for name in names:
            topic, who = name.removeprefix(PREFIX), owner(name)
            if who not in producers:
                producers[who] = await stack.enter_async_context(_producer(world, who))
            schema_id, schema = await newest(variable(world, f"{who}_REGISTRY__URL"), topic)
            made[name] = Events(topic, schema_id, schema, producers[who], world)
        yield made


class Events:
    """Ok when all replicas have it. What is malformed is no Avro: it must end as a dead letter."""

    def __init__(
        self, topic: str, schema_id: int, schema: Any, producer: AIOKafkaProducer, world: World
    ) -> None:
        self.name = PREFIX + topic
        self._topic = topic
        self._schema = fastavro.parse_schema(schema)
        self._frame = _FRAME.pack(0, schema_id)
        self._producer = producer
        self._seed = world.seed
        self._settings = topic_of(world, topic)
        self._skew = skew(world, topic, self._settings.keys)
        own = self._settings.malformed_share
        self._malformed = malformed_share(world) if own is None else own
        self._deadline = deadline(world)

    async def __call__(self, intended: datetime, number: int) -> Outcome:
        draw = draws(self._seed, self.name, number)
        filling = Filling.of(draw, self._skew, intended, number)
        key, data = (fill(part, filling) for part in (self._settings.key, self._settings.data))
        if self._settings.pad:
            length = size(draw, self._settings.pad_bytes, _MOST)
            data[self._settings.pad] = "x" * length
        # A run of the same seed is another day: its events are others.
        micros = filling.values["micros"]
        event = OutgoingEvent(
            self._topic, str(key), event_id("load", self._topic, micros, number), intended, data
        )
        bad = draw.random() < self._malformed
        headers = cloudevents_headers(event, "loadtests", [])
        attempting(str(event.id))
        try:
            await self._sent(event, headers, str(micros), bad=bad)
        except (TopicAuthorizationFailedError, MessageSizeTooLargeError) as error:
            return Outcome("failed", f"{type(error).__name__}: {error}"[:300], key=event.key)
        except (KafkaError, TimeoutError) as error:
            return Outcome("unknown", f"{type(error).__name__}: {error}"[:300], key=event.key)
        return Outcome("ok", "malformed" if bad else "", (str(event.id),), event.key)

    async def _sent(
        self, event: OutgoingEvent, headers: list[tuple[str, bytes]], micros: str, *, bad: bool
    ) -> None:
        async with asyncio.timeout(self._deadline):
            await self._producer.send_and_wait(
                self._topic,
                self._frame + b"\xff" if bad else self._encoded(event.data),
                key=event.key.encode(),
                headers=[*headers, (INTENDED, micros.encode())],
            )

    def _encoded(self, data: Mapping[str, Any]) -> bytes:
        buffer = io.BytesIO(self._frame)
        buffer.seek(len(self._frame))
        fastavro.schemaless_writer(buffer, self._schema, data)
        return buffer.getvalue()


def owner(name: str) -> str:
    """The prefix of the owner's variables."""
    return name.removeprefix(PREFIX).partition(".")[0].upper()


def topic_of(world: World, topic: str) -> Topic:
    """Raises SettingError."""
    known = world.settings.get("kafka", {})
    if not isinstance(known, Mapping) or topic not in known:
        raise SettingError(f"settings.kafka.{topic}: expected its key and data")
    try:
        return Topic.model_validate(known[topic])
    except ValidationError as error:
        wrong = error.errors()[0]
        where = ".".join(map(str, wrong["loc"]))
        raise SettingError(f"settings.kafka.{topic}.{where}: {wrong['msg']}") from error


async def newest(registry: str, topic: str) -> tuple[int, Any]:
    """Id and schema. Raises SettingError when the registry has none."""
    url = f"{registry.rstrip('/')}/subjects/{topic}-value/versions/latest"
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
        if response.status != 200:
            raise SettingError(f"{topic}: the registry answers {response.status}")
        answer = await response.json(content_type=None)
    return int(answer["id"]), json.loads(answer["schema"])


def kafka_options(world: World, prefix: str) -> dict[str, Any]:
    """How to reach the broker as whose variables these are. Raises SettingError."""
    security = variable(world, f"{prefix}_KAFKA__SECURITY_PROTOCOL")
    ca = world.environment.get(f"{prefix}_KAFKA__CA_FILE")
    return {
        "bootstrap_servers": variable(world, f"{prefix}_KAFKA__BOOTSTRAP_SERVERS"),
        "security_protocol": security,
        "sasl_mechanism": variable(world, f"{prefix}_KAFKA__SASL_MECHANISM"),
        "sasl_plain_username": variable(world, f"{prefix}_KAFKA__USERNAME"),
        "sasl_plain_password": variable(world, f"{prefix}_KAFKA__PASSWORD"),
        "ssl_context": create_ssl_context(cafile=ca) if security == "SASL_SSL" else None,
    }


@asynccontextmanager
async def _producer(world: World, prefix: str) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        **kafka_options(world, prefix), acks="all", enable_idempotence=True, linger_ms=0
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()
