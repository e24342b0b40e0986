"""What FastStream's own subscriber makes of records on standard input, without broker or database.

For the agreement test: FastStream's test broker stands in for Kafka, and the subscriber that is
measured gets batches of records; the states are in a dict. Standard input: a Task in JSON, a line;
then msgpack, a list of batches of records. Standard output: msgpack, a list of the told events'
headers and values, and a list of the dead letters.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from typing import Any

import msgspec
from aiokafka import ConsumerRecord
from city_backbone.events import OutgoingEvent

from loadtests.peers import task, wire
from loadtests.peers.contenders.faststream_batch import create, fold, sort
from loadtests.peers.deadletter import Letter
from loadtests.peers.jobs import stage
from loadtests.peers.jobs.stage import Stage, by_key


class InMemory:
    """Batches."""

    def __init__(self, of: Stage[Any, Any]) -> None:
        self._stage = of
        self._states: dict[str, bytes] = {}
        self.told: list[OutgoingEvent] = []
        self.dead: list[Letter] = []

    async def take(self, records: Sequence[ConsumerRecord[Any, Any]]) -> None:
        events, dead = sort(self._stage, records)
        folded = fold(self._stage, by_key(one for _, one in events), self._states)
        self._states.update(folded.states)
        self.told += folded.told
        self.dead += dead


def consumed(topic: str, letters: Sequence[Letter]) -> list[ConsumerRecord[Any, Any]]:
    """As a consumer has them of one partition."""
    return [
        ConsumerRecord(
            topic=topic,
            partition=0,
            offset=offset,
            timestamp=int(time.time() * 1000),
            timestamp_type=0,
            key=key,
            value=value,
            checksum=None,
            serialized_key_size=len(key or b""),
            serialized_value_size=len(value or b""),
            headers=tuple(headers),
        )
        for offset, (key, value, headers) in enumerate(letters)
    ]


async def taken(what: task.Task, batches: Sequence[Sequence[Letter]]) -> InMemory:
    from faststream.kafka import TestKafkaBroker  # type: ignore[import-not-found]

    memory = InMemory(stage.create(what.job, bytes(what.places)))
    broker = create(what, memory)
    async with TestKafkaBroker(broker):
        (subscriber,) = broker.subscribers
        for letters in batches:
            await subscriber.process_message(consumed(what.topic, letters))
    return memory


if __name__ == "__main__":
    what = task.read()
    batches = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=list[list[Letter]])
    memory = asyncio.run(taken(what, batches))
    pairs = [(wire.headers(event), wire.encoded(event)) for event in memory.told]
    sys.stdout.buffer.write(msgspec.msgpack.encode((pairs, memory.dead)))
