"""Stock Faust: an event is a message, the state a table in memory with a changelog."""

import asyncio
from typing import Any

import faust
import msgspec
import uvloop
from city_backbone.events import OutgoingEvent
from faust.serializers import codecs
from faust.types.auth import SASLMechanism

from services.cameras.benchmarks import job, wire
from services.cameras.benchmarks.rule import Place, Rule


class _Packed(codecs.Codec):  # type: ignore[misc]
    """A Place as MessagePack, made only for the changelog."""

    def _dumps(self, obj: Any) -> bytes:
        return msgspec.msgpack.encode(obj)

    def _loads(self, s: bytes) -> Any:
        return msgspec.msgpack.decode(s, type=Place)


class Table:
    """One detection after the other, as the agent gets them; `places` is the table."""

    def __init__(self, rule: Rule, places: Any) -> None:
        self._rule = rule
        self._places = places

    def take(self, value: bytes) -> list[OutgoingEvent]:
        seen = self._rule.see(wire.detected(value))
        if seen is None:
            return []
        key = f"{seen.site_id}/{seen.kind}".encode()
        place = self._places.get(key) or Place()
        told = self._rule.add(place, seen)
        place.prune()
        self._places[key] = place  # tells the changelog
        return list(told)


def create(task: job.Job) -> Any:
    """With the settings that were measured as best (the backbone's own stream/app.py)."""
    codecs.register("place", _Packed())
    return faust.App(
        task.group,
        broker=f"kafka://{task.bootstrap}",
        broker_credentials=faust.SASLCredentials(
            username=task.username,
            password=task.password,
            mechanism=SASLMechanism.SCRAM_SHA_512,
        ),
        consumer_auto_offset_reset="earliest",
        broker_max_poll_records=500,
        broker_commit_interval=job.COMMIT_SECONDS,
        producer_acks=-1,
        processing_guarantee="at_least_once",
        stream_wait_empty=False,
        topic_replication_factor=1,
        topic_partitions=task.partitions,
        topic_disable_leader=True,
        web_enabled=False,
        store="memory://",
        datadir=f"{task.folder}/faust",
        logging_config=None,
        loghandlers=[],
        autodiscover=False,
    )


async def run(task: job.Job) -> job.Result:
    app = create(task)
    watch, finished = job.Stopwatch(), asyncio.Event()
    places = app.Table("places", partitions=task.partitions, key_type=bytes, value_type=bytes)
    places.value_serializer = "place"
    table = Table(Rule(task.sites), places)
    output = app.topic(task.output, key_serializer="raw", value_serializer="raw")
    done = 0

    async def detections(stream: Any) -> None:
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
            if done >= task.events:
                finished.set()

    app.agent(app.topic(task.topic, key_serializer="raw", value_serializer="raw"))(detections)
    app.finalize()
    await app.start()
    try:
        async with asyncio.timeout(900):
            await finished.wait()
            consumer = app.consumer
            while sum(consumer._committed_offset.values()) < task.events:
                await asyncio.sleep(0)
                await consumer.commit()
            return watch.stop()
    finally:
        await app.stop()


if __name__ == "__main__":
    job.answer(uvloop.run(run(job.read())))
