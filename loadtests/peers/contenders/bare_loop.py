"""A bare aiokafka loop: what the job costs with nothing around it. Its state is only in memory."""

import time

import uvloop
from aiokafka import AIOKafkaConsumer

from loadtests.peers import task
from loadtests.peers.contenders.aio import Sender, login
from loadtests.peers.jobs import stage
from loadtests.peers.jobs.stage import Memory
from loadtests.peers.task import Result, Stopwatch, Task

FETCH = 3_000
"""Records at most of one getmany, over all partitions."""


async def run(what: Task) -> Result:
    memory, watch = Memory(stage.create(what.job, bytes(what.places))), Stopwatch()
    consumer = AIOKafkaConsumer(
        what.topic,
        group_id=what.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        **login(what),
    )
    sender = Sender(what)
    await sender.start()
    await consumer.start()
    try:
        done, committed_at = 0, time.monotonic()
        while done < what.events:
            batches = await consumer.getmany(timeout_ms=1000, max_records=FETCH)
            if batches:
                watch.start()
            sent = []
            for records in batches.values():
                sent += await sender.send(memory.take(record.value for record in records))
                done += len(records)
            for confirmation in sent:
                await confirmation
            if done >= what.events or time.monotonic() - committed_at > task.COMMIT_SECONDS:
                await consumer.commit()
                committed_at = time.monotonic()
        return watch.stop()
    finally:
        await consumer.stop()
        await sender.stop()


if __name__ == "__main__":
    task.answer(uvloop.run(run(task.read())))
