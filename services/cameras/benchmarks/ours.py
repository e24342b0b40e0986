"""The service's own stage: engine, worker, alarms, outbox and relay, as it runs them."""

import asyncio
import io
import sys
from typing import Any
from unittest import mock

import uvloop
from cameras.alarms.wiring import alarms
from cameras.settings import CamerasSettings
from city_backbone import logging, telemetry
from city_backbone.runtime import Backbone, Service, pause, running
from city_backbone.settings import load
from city_backbone.stream.transport import Consumer
from city_backbone.stream.worker import Worker

from services.cameras.benchmarks import job


async def bootstrap(backbone: Backbone[CamerasSettings]) -> Service:
    return alarms(backbone)


async def run(task: job.Job) -> job.Result:
    settings = load(CamerasSettings)
    watch, finished, stopping = job.Stopwatch(), asyncio.Event(), asyncio.Event()
    consumers: list[Consumer] = []
    handle, complete, done = Worker.handle, Consumer.complete, 0

    async def started(worker: Worker, *batch: Any) -> None:
        watch.start()
        await handle(worker, *batch)

    def counted(consumer: Consumer, topic: str, partition: int, batch: Any) -> None:
        nonlocal done
        complete(consumer, topic, partition, batch)
        done += len(batch.records)
        if done >= task.events:
            consumers.append(consumer)
            finished.set()

    with (
        mock.patch.object(Worker, "handle", started),
        mock.patch.object(Consumer, "complete", counted),
    ):
        async with running(settings, bootstrap, "cameras", stopping) as service:
            async with asyncio.timeout(600):
                await finished.wait()
                await consumers[0].commit()
                while await _outbox(service.backbone):
                    await pause(stopping, 0.005)
            return watch.stop()


async def _outbox(backbone: Backbone[CamerasSettings]) -> bool:
    """Whether an alarm is not yet on its topic."""
    async with backbone.database.transaction() as connection:
        rows = await connection.execute("select exists(select from outbox) as waiting")
        row = await rows.fetchone()
    return bool(row and row["waiting"])


def main() -> None:
    task = job.read()
    out, sys.stdout = sys.stdout, io.TextIOWrapper(sys.stderr.buffer, line_buffering=True)
    logging.configure("cameras")
    telemetry.configure("cameras", "benchmark")
    result = uvloop.run(run(task))
    sys.stdout = out
    job.answer(result)


if __name__ == "__main__":
    main()
