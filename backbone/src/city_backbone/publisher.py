"""Writes records to Kafka with aiokafka's batch builder, partition by partition."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import cast

import aiokafka.errors
from aiokafka import AIOKafkaProducer
from aiokafka.helpers import create_ssl_context
from aiokafka.partitioner import DefaultPartitioner

from city_backbone.outbox import Record
from city_backbone.settings import KafkaSettings

MAX_RECORD_BYTES = 900_000
_METADATA_SECONDS = 3.0
_CLOSE_SECONDS = 2.0

#: The broker will never take such a record.
PERMANENT = (aiokafka.errors.MessageSizeTooLargeError, aiokafka.errors.InvalidTopicError)

#: The broker does not take this topic from us now; others may go on.
REFUSED = (
    aiokafka.errors.TopicAuthorizationFailedError,
    aiokafka.errors.UnknownTopicOrPartitionError,
)


class Publisher:
    """acks=all, idempotent; the key's partition is murmur2's, as other clients compute it.

    Not used concurrently: publish() is called again when the last call returned.
    """

    def __init__(self, settings: KafkaSettings, client_id: str, timeout_seconds: float) -> None:
        self._timeout = timeout_seconds
        self._settings = settings
        self._client_id = client_id
        self._producer: AIOKafkaProducer | None = None
        self._partitioner = DefaultPartitioner()
        self._partition_of: dict[tuple[str, bytes | None, int], int] = {}

    async def open(self) -> None:
        """Raises KafkaError when the broker cannot be reached."""
        producer = AIOKafkaProducer(
            client_id=self._client_id,
            acks="all",
            enable_idempotence=True,
            compression_type="lz4",
            max_batch_size=1_000_000,
            max_request_size=1_048_576,
            linger_ms=0,
            request_timeout_ms=int(self._timeout * 1000),
            metadata_max_age_ms=60_000,
            **kafka_arguments(self._settings),
        )
        try:
            async with asyncio.timeout(self._timeout):
                await producer.start()
        except BaseException:
            await producer.stop()
            raise
        self._producer = producer

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await producer.stop()
            except TimeoutError:
                # aiokafka goes on trying; what it still holds must not come behind newer records.
                producer._sender.sender_task.cancel()
                with suppress(TimeoutError):
                    async with asyncio.timeout(_CLOSE_SECONDS):
                        await producer.client.close()

    async def publish(self, records: Sequence[Record]) -> list[Exception | None]:
        """Per record None when the broker has confirmed it, else why not.

        Records of one partition are written in the order given. One that the broker will never
        take is passed over; after any other failure the later ones of its partition are not
        tried, but report the same error.
        """
        outcomes: list[Exception | None] = [None] * len(records)
        by_partition: dict[tuple[str, int], list[int]] = {}
        topics = sorted({record.topic for record in records})
        found = await asyncio.gather(*(self._partitions(topic) for topic in topics))
        partitions = dict(zip(topics, found, strict=True))
        for position, record in enumerate(records):
            existing = partitions[record.topic]
            if isinstance(existing, Exception):
                outcomes[position] = existing
            else:
                place = (record.topic, self._partition(record, existing))
                by_partition.setdefault(place, []).append(position)
        async with asyncio.TaskGroup() as group:
            for (topic, partition), positions in by_partition.items():
                group.create_task(self._write(topic, partition, records, positions, outcomes))
        return outcomes

    async def _partitions(self, topic: str) -> list[int] | Exception:
        assert self._producer, "open() first"
        try:
            async with asyncio.timeout(_METADATA_SECONDS):
                return sorted(await self._producer.partitions_for(topic))
        except TimeoutError:
            # aiokafka asks on and on for a topic that is not there.
            return cast(Exception, aiokafka.errors.UnknownTopicOrPartitionError(topic))
        except aiokafka.errors.KafkaError as error:
            return cast(Exception, error)

    def _partition(self, record: Record, partitions: Sequence[int]) -> int:
        place = (record.topic, record.key, len(partitions))
        partition = self._partition_of.get(place)
        if partition is None:
            partition = int(self._partitioner(record.key, partitions, partitions))
            if len(self._partition_of) > 100_000:
                self._partition_of.clear()
            if record.key is not None:
                self._partition_of[place] = partition
        return partition

    async def _write(
        self,
        topic: str,
        partition: int,
        records: Sequence[Record],
        positions: Sequence[int],
        outcomes: list[Exception | None],
    ) -> None:
        assert self._producer, "open() first"
        start, alone = 0, False
        while start < len(positions):
            batch = self._producer.create_batch()
            end = start
            while end < len(positions) and not (alone and end > start):
                record = records[positions[end]]
                if _size(record) > MAX_RECORD_BYTES:
                    break
                if (
                    batch.append(
                        timestamp=int(time.time() * 1000),
                        key=record.key,
                        value=record.value,
                        headers=list(record.headers),
                    )
                    is None
                ):
                    break
                end += 1
            if end == start:
                outcomes[positions[start]] = aiokafka.errors.MessageSizeTooLargeError(
                    f"{_size(records[positions[start]])} bytes, expected at most {MAX_RECORD_BYTES}"
                )
                start += 1
                continue
            try:
                async with asyncio.timeout(self._timeout):
                    delivered = await self._producer.send_batch(batch, topic, partition=partition)
                    await delivered
            except (aiokafka.errors.KafkaError, TimeoutError) as error:
                if isinstance(error, PERMANENT) and end - start > 1:
                    alone = True  # only the one at fault is to be rejected, not its batch
                    continue
                if not isinstance(error, PERMANENT):
                    for position in positions[start:]:
                        outcomes[position] = error
                    return
                outcomes[positions[start]] = error
            start = end


def kafka_arguments(settings: KafkaSettings) -> dict[str, object]:
    """What any aiokafka client needs to reach the broker as this department."""
    arguments: dict[str, object] = {
        "bootstrap_servers": settings.bootstrap_servers,
        "security_protocol": settings.security_protocol,
        "sasl_mechanism": settings.sasl_mechanism,
        "sasl_plain_username": settings.username,
        "sasl_plain_password": settings.password.get_secret_value(),
    }
    if settings.security_protocol == "SASL_SSL":
        arguments["ssl_context"] = create_ssl_context(
            cafile=str(settings.ca_file) if settings.ca_file else None
        )
    return arguments


def _size(record: Record) -> int:
    headers = sum([len(name) + len(value) for name, value in record.headers])
    return len(record.key or b"") + len(record.value or b"") + headers + 64
