"""Reading topics from the beginning of a run to where they end now."""

import asyncio
import io
import json
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import fastavro
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from city_backbone.publisher import kafka_arguments
from city_backbone.settings import KafkaSettings

from loadtests.checker import facts
from loadtests.checker.facts import Seen

_FRAME = struct.Struct(">bI")
_SECONDS = 30.0
_INTENDED = "city-intended"


class ReadError(RuntimeError):
    """A topic or database that cannot be read, named."""


class Schemas:
    """Writer schemas by id, from the registry."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = url
        self._session = session
        self._parsed: dict[int, Any] = {}

    async def decode(self, value: bytes) -> dict[str, Any] | None:
        """None when it is no event, as malformed ones are. Raises ReadError."""
        if len(value) <= _FRAME.size or value[0] != 0:
            return None
        _, identity = _FRAME.unpack_from(value)
        if identity not in self._parsed:
            self._parsed[identity] = await self._schema(identity)
        if self._parsed[identity] is None:
            return None
        body = io.BytesIO(value[_FRAME.size :])
        try:
            data = fastavro.schemaless_reader(body, self._parsed[identity], None)
        except Exception:  # any byte may be wrong, and fastavro lets each error through
            return None
        return data if isinstance(data, dict) and not body.read(1) else None

    async def _schema(self, identity: int) -> Any:
        try:
            async with self._session.get(f"{self._url}/schemas/ids/{identity}") as answer:
                if answer.status == 404:
                    return None
                answer.raise_for_status()
                return fastavro.parse_schema(json.loads((await answer.json())["schema"]))
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError) as error:
            raise ReadError(f"registry: schema {identity}: {error!r}") from error


class Topics:
    """As one principal; its variables are those `meshctl env` prints."""

    def __init__(self, consumer: AIOKafkaConsumer, schemas: Schemas) -> None:
        self._consumer = consumer
        self._schemas = schemas

    async def read(self, topic: str, began: int, until: int | None = None) -> AsyncIterator[Seen]:
        """What came since `began`, microseconds since 1970: partition by partition, each in its
        order. What came after `until` need not be found elsewhere. Raises ReadError."""
        try:
            for partition in await self._partitions(topic):
                async for record in self._records(TopicPartition(topic, partition), began):
                    found = await self._seen(record)
                    late = until is not None and record.timestamp * 1000 > until
                    yield replace(found, needs=()) if late else found
        except (KafkaError, TimeoutError) as error:
            raise ReadError(f"{topic}: {error!r}") from error

    async def _partitions(self, topic: str) -> list[int]:
        # aiokafka has no public way to ask for the partitions of a topic that is not assigned yet.
        async with asyncio.timeout(_SECONDS):
            await self._consumer._client.set_topics([topic])
            found = self._consumer.partitions_for_topic(topic)
        if not found:
            raise ReadError(f"{topic}: not there, or not to be read")
        return sorted(found)

    async def _records(self, part: TopicPartition, began: int) -> AsyncIterator[ConsumerRecord]:
        consumer = self._consumer
        async with asyncio.timeout(_SECONDS):
            end = (await consumer.end_offsets([part]))[part]
            first = (await consumer.offsets_for_times({part: began // 1000}))[part]
        if first is None:
            return
        consumer.assign([part])
        consumer.seek(part, first.offset)
        while True:
            async with asyncio.timeout(_SECONDS):
                if await consumer.position(part) >= end:
                    return
                batches = await consumer.getmany(part, timeout_ms=500, max_records=2000)
            for record in batches.get(part, ()):
                if record.offset < end:
                    yield record

    async def _seen(self, record: ConsumerRecord) -> Seen:
        headers = {
            name: value.decode("utf-8", "replace") for name, value in record.headers if value
        }
        identity, intended = headers.get("ce_id", ""), headers.get(_INTENDED, "")
        at = int(intended) if intended.isdecimal() else None
        value = record.value or b""
        data = await self._schemas.decode(value)
        key = (record.key or b"").decode("utf-8", "replace")
        place = (record.topic, record.partition, record.offset)
        try:
            return facts.seen(*place, key, identity, value, data, at)
        except (KeyError, TypeError, ValueError):  # decodes, and is not this topic's event
            return facts.seen(*place, key, identity, value, None, at)


@asynccontextmanager
async def topics(environment: Mapping[str, str], principal: str) -> AsyncIterator[Topics]:
    """Raises ReadError when the broker cannot be reached."""
    prefix = f"{principal.upper()}_KAFKA__"
    settings = KafkaSettings.model_validate(
        {
            name.removeprefix(prefix).lower(): value
            for name, value in environment.items()
            if name.startswith(prefix)
        }
    )
    consumer = AIOKafkaConsumer(
        enable_auto_commit=False,
        client_id="loadtests-checker",
        check_crcs=False,
        fetch_max_wait_ms=100,
        **kafka_arguments(settings),
    )
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        try:
            async with asyncio.timeout(_SECONDS):
                await consumer.start()
        except (KafkaError, TimeoutError) as error:
            await consumer.stop()
            raise ReadError(f"broker, as {principal}: {error!r}") from error
        try:
            schemas = Schemas(environment[f"{principal.upper()}_REGISTRY__URL"], session)
            yield Topics(consumer, schemas)
        finally:
            await consumer.stop()
