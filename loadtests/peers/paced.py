"""One run at a fixed rate: an open-loop producer, the contender, and a reader of what it tells."""

import asyncio
import gc
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka import Producer

from loadtests.driver.sleeper import Sleeper
from loadtests.peers import latency, wire
from loadtests.peers.jobs.city import City
from loadtests.peers.jobs.stage import Memory, create, places_json
from loadtests.peers.latency import MICROS, Paced
from loadtests.peers.stack import Stack
from loadtests.peers.turn import Turn
from loadtests.peers.wire import Headers

WARM_SECONDS = 3
_READY_SECONDS = 90.0
_SETTLE_SECONDS = 1.0
"""From having its partitions to having what the contender makes of that, such as a table."""
_END_SECONDS = 60.0


class NotReadyError(Exception):
    """A contender did not take its partitions."""


@dataclass(frozen=True)
class Sent:
    """A record to be sent."""

    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


class Plan:
    """What is sent at `rate` for `seconds` and a warm-up, and what it leads to."""

    def __init__(self, city: City, frame: bytes, rate: float, seconds: float) -> None:
        self.rate = rate
        self.warm = round(rate * WARM_SECONDS)
        events = city.eventful(self.warm + round(rate * seconds))
        self.records = [
            Sent(
                event.key.encode(),
                frame + wire.encoded(event)[len(frame) :],
                wire.headers(event),
            )
            for event in events
        ]
        stage = create(city.job, bytes(places_json(city.places())))
        self.causes = latency.causes(city, Memory(stage), (one.value for one in self.records))


def run(now: Turn, plan: Plan) -> Paced:
    """The turn's task must end with the plan's last event."""
    process = now.contender.start(now.environment())
    # A collection over all the records would be the harness's own lag.
    gc.collect()
    gc.disable()
    try:
        return uvloop.run(_run(now, plan, process))
    finally:
        gc.enable()
        process.kill()


async def _run(now: Turn, plan: Plan, process: "subprocess.Popen[bytes]") -> Paced:
    given = msgspec.json.encode(now.task) + b"\n"
    ended = asyncio.create_task(asyncio.to_thread(process.communicate, given))
    stack, topic = now.stack, now.task.topic
    deadline = time.monotonic() + _READY_SECONDS
    while (await asyncio.to_thread(stack.members, now.task.group, topic))[1] < now.task.partitions:
        if ended.done() or time.monotonic() > deadline:
            break
        await asyncio.sleep(0.1)
    if ended.done():
        out, error = await ended
        now.contender.result(process.returncode or 1, out, error)
    if time.monotonic() > deadline:
        raise NotReadyError(f"{now.contender.name}: no partitions within {_READY_SECONDS:.0f} s")
    await asyncio.sleep(_SETTLE_SECONDS)
    seen: list[tuple[int, Headers, bytes]] = []
    started = asyncio.Event()
    reading = asyncio.create_task(_read(stack, now, seen, started))
    await started.wait()
    due, sent = await _send(stack, topic, plan)
    async with asyncio.timeout(_END_SECONDS):
        out, error = await ended
    result = now.contender.result(process.returncode, out, error)
    await asyncio.sleep(_SETTLE_SECONDS)
    reading.cancel()
    found = latency.first_seen(
        stack.city, ((at, wire.told(headers, value)) for at, headers, value in seen)
    )
    return latency.paced(plan.causes, found, due, sent, plan.warm, result.cpu)


async def _send(stack: Stack, topic: str, plan: Plan) -> tuple[Sequence[int], Sequence[int]]:
    """Each at its instant, whatever became of those before; microseconds, intended and real."""
    producer = Producer({**stack.librdkafka, "linger.ms": 0, "partitioner": "murmur2_random"})
    producer.list_topics(topic, _READY_SECONDS)  # so that the first event does not wait for it
    sent: list[int] = []
    start = _now() + MICROS // 10
    due = [latency.intended(start, plan.rate, number) for number in range(len(plan.records))]
    with Sleeper(asyncio.get_running_loop()) as sleeper:
        for at, record in zip(due, plan.records, strict=True):
            if (wait := at - _now()) > 0:
                await sleeper.sleep(wait)
            sent.append(_now())
            producer.produce(topic, record.value, record.key, headers=list(record.headers))
            producer.poll(0)
    if await asyncio.to_thread(producer.flush, _END_SECONDS):
        raise NotReadyError("the broker did not take all events")
    return due, sent


async def _read(
    stack: Stack, now: Turn, seen: list[tuple[int, Headers, bytes]], started: asyncio.Event
) -> None:
    """Until it is cancelled."""
    async with AIOKafkaConsumer(enable_auto_commit=False, **stack.login) as consumer:
        parts = [
            TopicPartition(topic, number)
            for topic in now.topics
            for number in range(stack.partitions(topic))
        ]
        consumer.assign(parts)
        for part in parts:
            consumer.seek(part, now.since.get((part.topic, part.partition), 0))
        started.set()
        while True:
            batches = await consumer.getmany(timeout_ms=100)
            at = _now()
            for records in batches.values():
                seen += [(at, list(one.headers), one.value) for one in records]


def _now() -> int:
    return time.time_ns() // 1000


async def frame(stack: Stack) -> bytes:
    """How values of the job's topic begin: with the registry's id of their schema."""
    async with AIOKafkaConsumer(enable_auto_commit=False, **stack.login) as consumer:
        topic = stack.city.topic
        consumer.assign([TopicPartition(topic, n) for n in range(stack.partitions(topic))])
        await consumer.seek_to_beginning()
        async with asyncio.timeout(_READY_SECONDS):
            record = await consumer.getone()
        return bytes(record.value[: wire.FRAME_BYTES])
