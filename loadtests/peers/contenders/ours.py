"""The service's own stage: engine, worker, state, outbox and relay, as the service runs them."""

import asyncio
import io
import sys
from typing import Any
from unittest import mock

import uvloop
from cameras.alarms.store_rules import Rules
from cameras.alarms.wiring import alarms
from cameras.settings import CamerasSettings
from city_backbone import logging, telemetry
from city_backbone.database import Database
from city_backbone.runtime import Backbone, Service, pause, running
from city_backbone.settings import load
from city_backbone.stream.transport import Consumer
from city_backbone.stream.worker import Worker
from sensors.bootstrap import bootstrap as sensors
from sensors.settings import SensorsSettings

from loadtests.peers import task
from loadtests.peers.task import Result, Stopwatch, Task

_SECONDS = 600
_TELL_SECONDS = 0.05


async def cameras(backbone: Backbone[CamerasSettings]) -> Service:
    """The alarms' part of the department alone."""
    return alarms(backbone, Rules())


async def run(what: Task) -> Result:
    """With `held`: begins at a line on standard input, tells how many it has done, ends at one."""
    stage: tuple[Any, Any, str] = {
        "alarms": (CamerasSettings, cameras, "cameras"),
        "means": (SensorsSettings, sensors, "sensors"),
    }[what.job]
    settings_type, bootstrap, name = stage
    settings = load(settings_type)
    watch, finished, stopping = Stopwatch(), asyncio.Event(), asyncio.Event()
    go = asyncio.Event()
    consumers: list[Consumer] = []
    handle, complete, done = Worker.handle, Consumer.complete, 0

    async def started(worker: Worker, *batch: Any) -> None:
        if what.held:
            await go.wait()
        watch.start()
        await handle(worker, *batch)

    def counted(consumer: Consumer, topic: str, partition: int, batch: Any) -> None:
        nonlocal done
        complete(consumer, topic, partition, batch)
        done += len(batch.records)
        if done >= what.events:
            consumers.append(consumer)
            finished.set()

    with (
        mock.patch.object(Worker, "handle", started),
        mock.patch.object(Consumer, "complete", counted),
    ):
        async with running(settings, bootstrap, name, stopping) as service:
            async with asyncio.timeout(_SECONDS):
                if what.held:
                    await _line()
                    go.set()
                    watch.start()
                    telling = asyncio.create_task(_tell(lambda: done))
                    await _line()
                    telling.cancel()
                else:
                    await finished.wait()
                    await consumers[0].commit()
                while await _outbox(service.backbone.database):
                    await pause(stopping, 0.005)
            return watch.stop()


async def _line() -> None:
    await asyncio.to_thread(sys.stdin.buffer.readline)


async def _tell(done: Any) -> None:
    while True:
        print(done(), file=sys.__stdout__, flush=True)
        await asyncio.sleep(_TELL_SECONDS)


async def _outbox(database: Database) -> bool:
    """Whether an event is not yet on its topic."""
    async with database.transaction() as connection:
        rows = await connection.execute("select exists(select from outbox) as waiting")
        row = await rows.fetchone()
    return bool(row and row["waiting"])


def main() -> None:
    what = task.read()
    out, sys.stdout = sys.stdout, io.TextIOWrapper(sys.stderr.buffer, line_buffering=True)
    logging.configure("peers")
    telemetry.configure("peers", "benchmark")
    result = uvloop.run(run(what))
    sys.stdout = out
    task.answer(result)


if __name__ == "__main__":
    main()
