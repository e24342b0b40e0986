"""aiokafka as the peers use it: the login, and a producer that sends batches by partition."""

import time
from collections.abc import Awaitable, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner
from city_backbone.events import OutgoingEvent

from loadtests.peers import wire
from loadtests.peers.deadletter import Letter
from loadtests.peers.task import Task


def login(task: Task) -> dict[str, Any]:
    return {
        "bootstrap_servers": task.bootstrap,
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": task.username,
        "sasl_plain_password": task.password,
    }


class Sender:
    """With aiokafka's batch builder, which costs half of sending each record."""

    def __init__(self, task: Task) -> None:
        self._topic = task.output
        self._producer = AIOKafkaProducer(
            acks="all", enable_idempotence=True, max_batch_size=1_000_000, **login(task)
        )
        self._pick = DefaultPartitioner()
        self._partition_of: dict[bytes, int] = {}
        self._partitions: list[int] = []

    async def start(self) -> None:
        await self._producer.start()
        self._partitions = sorted(await self._producer.partitions_for(self._topic))

    async def stop(self) -> None:
        await self._producer.stop()

    async def send(self, events: Sequence[OutgoingEvent]) -> list[Awaitable[Any]]:
        """Await what it returns: then they are confirmed."""
        return await self.send_records(
            [(event.key.encode(), wire.encoded(event), wire.headers(event)) for event in events]
        )

    async def send_records(
        self, records: Sequence[tuple[bytes, bytes, list[tuple[str, bytes]]]]
    ) -> list[Awaitable[Any]]:
        """Of key, value and headers."""
        by_partition: dict[int, list[Any]] = {}
        for record in records:
            by_partition.setdefault(self._partition(record[0]), []).append(record)
        confirmations: list[Awaitable[Any]] = []
        for partition, those in by_partition.items():
            batch, now = self._producer.create_batch(), int(time.time() * 1000)
            for key, value, headers in those:
                arguments = {"timestamp": now, "key": key, "value": value, "headers": headers}
                if batch.append(**arguments) is None:
                    confirmations.append(await self._sent(batch, partition))
                    batch = self._producer.create_batch()
                    batch.append(**arguments)
            confirmations.append(await self._sent(batch, partition))
        return confirmations

    async def send_letters(self, topic: str, letters: Sequence[Letter]) -> list[Awaitable[Any]]:
        """Few, so each alone. Await what it returns: then they are confirmed."""
        return [
            await self._producer.send(topic, one.value, key=one.key, headers=one.headers)
            for one in letters
        ]

    async def _sent(self, batch: Any, partition: int) -> Awaitable[Any]:
        confirmation: Awaitable[Any] = await self._producer.send_batch(
            batch, self._topic, partition=partition
        )
        return confirmation

    def _partition(self, key: bytes) -> int:
        partition = self._partition_of.get(key)
        if partition is None:
            partition = int(self._pick(key, self._partitions, self._partitions))
            self._partition_of[key] = partition
        return partition
