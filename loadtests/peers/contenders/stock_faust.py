"""Stock Faust: an event is a message, the state a table in memory with a changelog."""

import asyncio
from typing import Any, Generic, TypeVar

import faust
import uvloop
from city_backbone.events import OutgoingEvent
from faust.serializers import codecs
from faust.types.auth import SASLMechanism

from loadtests.peers import task, wire
from loadtests.peers.jobs import stage
from loadtests.peers.jobs.stage import Stage
from loadtests.peers.task import Result, Stopwatch, Task

S = TypeVar("S")
In = TypeVar("In")
_SECONDS = 900


class _Packed(codecs.Codec):  # type: ignore[misc]
    """A key's state as bytes, made only for the changelog."""

    def __init__(self, of: Stage[Any, Any]) -> None:
        super().__init__()
        self._stage = of

    def _dumps(self, obj: Any) -> bytes:
        return self._stage.pack(obj)

    def _loads(self, s: bytes) -> Any:
        return self._stage.unpack(s)


class Table(Generic[S, In]):
    """One event after the other, as the agent gets them; `states` is the table."""

    def __init__(self, of: Stage[S, In], states: Any) -> None:
        self._stage = of
        self._states = states

    def take(self, value: bytes) -> list[OutgoingEvent]:
        taken = self._stage.read(value)
        if taken is None:
            return []
        key = taken.key.encode()
        state = self._states.get(key) or self._stage.fresh()
        told = list(self._stage.take(state, [taken.input]))
        self._states[key] = state  # tells the changelog
        return told


def create(what: Task) -> Any:
    """With the settings that were measured as best (the backbone's own stream/app.py)."""
    return faust.App(
        what.group,
        broker=f"kafka://{what.bootstrap}",
        broker_credentials=faust.SASLCredentials(
            username=what.username,
            password=what.password,
            mechanism=SASLMechanism.SCRAM_SHA_512,
        ),
        consumer_auto_offset_reset="earliest",
        broker_max_poll_records=500,
        broker_commit_interval=task.COMMIT_SECONDS,
        producer_acks=-1,
        processing_guarantee="at_least_once",
        stream_wait_empty=False,
        topic_replication_factor=1,
        topic_partitions=what.partitions,
        topic_disable_leader=True,
        web_enabled=False,
        store="memory://",
        datadir=f"{what.folder}/faust",
        logging_config=None,
        loghandlers=[],
        autodiscover=False,
    )


async def run(what: Task) -> Result:
    of = stage.create(what.job, bytes(what.places))
    codecs.register("state", _Packed(of))
    app = create(what)
    watch, finished = Stopwatch(), asyncio.Event()
    states = app.Table("states", partitions=what.partitions, key_type=bytes, value_type=bytes)
    states.value_serializer = "state"
    table = Table(of, states)
    output = app.topic(what.output, key_serializer="raw", value_serializer="raw")
    done = 0

    async def events(stream: Any) -> None:
        nonlocal done
        async for value in stream:
            watch.start()
            sent = [
                await output.send(
                    key=event.key.encode(),
                    value=wire.encoded(event),
                    headers=dict(wire.headers(event)),
                )
                for event in table.take(value)
            ]
            for confirmation in sent:
                await confirmation
            done += 1
            if done >= what.events:
                finished.set()

    app.agent(app.topic(what.topic, key_serializer="raw", value_serializer="raw"))(events)
    app.finalize()
    await app.start()
    try:
        async with asyncio.timeout(_SECONDS):
            await finished.wait()
            consumer = app.consumer
            while sum(consumer._committed_offset.values()) < what.events:
                await asyncio.sleep(0)
                await consumer.commit()
            return watch.stop()
    finally:
        await app.stop()


if __name__ == "__main__":
    task.answer(uvloop.run(run(task.read())))
