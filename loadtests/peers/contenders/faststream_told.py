"""What FastStream's own subscriber makes of values on standard input, without broker or database.

For the agreement test: FastStream's test client hands batches to the subscriber that is measured;
the states are in a dict. Standard input: a Task in JSON, a line; then msgpack, a list of batches of
values. Standard output: msgpack, a list of the told events' headers and values.
"""

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

import msgspec
from aiokafka import ConsumerRecord
from city_backbone.events import OutgoingEvent

from loadtests.peers import task, wire
from loadtests.peers.contenders.faststream_batch import create, fold
from loadtests.peers.jobs import stage
from loadtests.peers.jobs.stage import Stage, by_key


class InMemory:
    """Batches."""

    def __init__(self, of: Stage[Any, Any]) -> None:
        self._stage = of
        self._states: dict[str, bytes] = {}
        self.told: list[OutgoingEvent] = []

    async def take(self, records: Sequence[ConsumerRecord[Any, Any]]) -> None:
        taken = by_key(self._stage, (record.value for record in records))
        folded = fold(self._stage, taken, self._states)
        self._states.update(folded.states)
        self.told += folded.told


async def told(what: task.Task, batches: Sequence[Sequence[bytes]]) -> Sequence[OutgoingEvent]:
    from faststream.kafka import TestKafkaBroker  # type: ignore[import-not-found]

    memory = InMemory(stage.create(what.job, bytes(what.places)))
    broker = create(what, memory)
    async with TestKafkaBroker(broker):
        for values in batches:
            await broker.publish_batch(*values, topic=what.topic)
    return memory.told


if __name__ == "__main__":
    what = task.read()
    batches = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=list[list[bytes]])
    events = asyncio.run(told(what, batches))
    pairs = [(wire.headers(event), wire.encoded(event)) for event in events]
    sys.stdout.buffer.write(msgspec.msgpack.encode(pairs))
