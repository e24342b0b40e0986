"""A short run against a running mesh with `sensors` and `cameras`: all is answered, what was
acknowledged is on its topic, and freshness is seen."""

import asyncio
import gzip
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
from aiokafka import AIOKafkaConsumer
from city_backbone.testing import Mesh, eventually
from hdrh.histogram import HdrHistogram

from loadtests.driver import freshness, resources
from loadtests.driver.operation import World
from loadtests.driver.operations.kafka import INTENDED, kafka_options
from loadtests.driver.plan import Plan, PlannedPhase, Rate
from loadtests.driver.result import (
    FRESHNESS,
    HISTORY,
    INTERVALS,
    SHARDS,
    LagSample,
    ResourceSample,
    read_samples,
)
from loadtests.driver.run import run
from loadtests.report.histograms import add, read

_LIST = "grpc:city.sensors.v1.SensorsService/ListStations"
_READINGS, _DETECTIONS = "sensors.reading-taken.v1", "cameras.object-detected.v1"
_SECONDS = 5.0
_DIRECT = {
    "key": "load-{key}",
    "keys": 10,
    "data": {
        "station_id": "load-{key}",
        "dong": "보람동",
        "measured_at": "{micros}",
        "received_at": "{micros}",
        "interval_minutes": 10,
        "measurements": [{"pollutant": "PM10", "value": 31.5, "quality": "GOOD"}],
    },
}
_PLAN = Plan(
    scenario="mesh",
    seed=3,
    shards=2,
    phases=(
        PlannedPhase(
            name="steady",
            seconds=_SECONDS,
            rates={
                "cameras.PublishDetections": Rate(rate=10, arrivals="poisson"),
                "cameras.SendHeartbeats": Rate(rate=4),
                "sensors.PublishReadings": Rate(rate=8, arrivals="minute", minute_seconds=2),
                f"kafka:{_READINGS}": Rate(rate=10),
                _LIST: Rate(rate=2),
            },
        ),
    ),
    settings={
        "malformed_share": 0.1,
        "kafka": {_READINGS: _DIRECT},
        "grpc": {"city.sensors.v1.SensorsService/ListStations": {"body": {"page_size": 5}}},
    },
)


class _Running(NamedTuple):
    metrics: str
    pid: int


@asynccontextmanager
async def _service(mesh: Mesh, name: str) -> AsyncIterator[_Running]:
    """A department as a process."""
    own = mesh.environment(name)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", name),
        env={**os.environ, **own},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{own[f'{name.upper()}_HTTP__PORT']}"

    async def ready() -> bool:
        assert process.returncode is None, f"{name} has ended"
        try:
            async with aiohttp.ClientSession() as http, http.get(f"{url}/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    try:
        await eventually(ready, seconds=90, interval=0.3)
        yield _Running(f"{url}/metrics", process.pid)
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), 30)


async def _on_topics(world: World, topics: tuple[str, ...]) -> dict[str, dict[str, bytes]]:
    """All that is on the topics: headers by event id."""
    consumer = AIOKafkaConsumer(
        *topics, **kafka_options(world, "OPERATOR"), auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        found: dict[str, dict[str, bytes]] = {}
        await consumer.seek_to_beginning()
        while any([await consumer.position(one) < end for one, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    headers = dict(record.headers)
                    found[headers["ce_id"].decode()] = headers
        return found
    finally:
        await consumer.stop()


def _history(folder: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for path in (folder / SHARDS).glob(f"*/{HISTORY}")
        for line in gzip.decompress(path.read_bytes()).splitlines()
    ]


async def test_what_a_run_has_acknowledged_is_on_the_topics(mesh: Mesh, tmp_path: Path) -> None:
    environment = {
        name: value
        for who in ("loadtests", "operator", "sensors")
        for name, value in mesh.environment(who).items()
    }
    world = World(environment, 3)
    async with _service(mesh, "sensors") as sensors, _service(mesh, "cameras") as cameras:
        metrics = {"sensors": sensors.metrics, "cameras": cameras.metrics}
        async with (
            resources.sampling(tmp_path, mesh.state, metrics),
            freshness.watching(world, tmp_path) as seen,
        ):
            await run(_PLAN, tmp_path, environment)
        calls = _history(tmp_path)
        assert [one for one in calls if one["status"] != "ok"] == []
        by_operation = Counter(one["op"] for one in calls)
        assert set(by_operation) == set(_PLAN.operations)
        assert any("refused" in one["detail"] for one in calls)
        acknowledged = {one for call in calls for one in call["acknowledged"]}

        async def published() -> dict[str, dict[str, bytes]] | None:
            found = await _on_topics(world, (_READINGS, _DETECTIONS))
            return found if acknowledged <= set(found) else None

        found = await eventually(published, seconds=30, interval=1)
        assert found is not None
    direct = [one for one in calls if one["op"].startswith("kafka:")]
    for call in direct:
        headers = found[call["acknowledged"][0]]
        assert headers[INTENDED].decode() == str(call["intended"])
    effects = Counter[str]()
    for interval in read(tmp_path / FRESHNESS):
        effects[interval.tag] += interval.histogram.get_total_count()
    readings = sum(
        len(one["acknowledged"]) for one in calls if one["op"] == "sensors.PublishReadings"
    )
    assert effects[f"{_READINGS}|normal"] == readings + len(direct)
    assert effects[f"{_DETECTIONS}|bulk"] > 0
    assert seen.seen.total() == effects.total()
    assert {one.process for one in read_samples(ResourceSample, tmp_path)} >= {"driver", "kafka"}
    assert {one.topic for one in read_samples(LagSample, tmp_path)} >= {_READINGS, _DETECTIONS}


async def test_a_service_that_stands_still_shows_in_every_call_that_was_due_meanwhile(
    mesh: Mesh, tmp_path: Path
) -> None:
    """A closed loop would have waited with the first of them, and asked nothing more."""
    stood: list[int] = []
    rate, about = 50.0, 1.0
    plan = _PLAN.model_copy(
        update={
            "shards": 1,
            "phases": (PlannedPhase(name="steady", seconds=4, rates={_LIST: Rate(rate=rate)}),),
        }
    )
    async with _service(mesh, "sensors") as sensors:

        async def freeze(began: datetime) -> None:
            await asyncio.sleep(max(0.0, (began - datetime.now(UTC)).total_seconds()) + about)
            os.kill(sensors.pid, signal.SIGSTOP)
            try:
                stood.append(time.time_ns() // 1000)
                await asyncio.sleep(about)
                stood.append(time.time_ns() // 1000)
            finally:
                os.kill(sensors.pid, signal.SIGCONT)

        await run(plan, tmp_path, mesh.environment("loadtests"), started=freeze)
    stopped, went_on = stood
    due = [one for one in _history(tmp_path) if stopped <= one["intended"] < went_on]
    assert len(due) >= rate * (went_on - stopped) / 1_000_000 - 1, "some were not sent"
    assert {one["status"] for one in due} == {"ok"}
    early = [one for one in due if one["done"] < went_on]
    # One or two may have been answered in the moment before it stopped.
    assert len(early) <= 2
    totals: dict[str, HdrHistogram] = {}
    for one in read(tmp_path / SHARDS / "0" / INTERVALS):
        add(totals, one.tag, one.histogram)
    slow = sum(1 for one in due if one["done"] - one["intended"] > about * 500_000)
    # The first half of those that were due in the stop have waited for more than half of it.
    assert slow >= rate * about / 2 - 3
    assert totals[f"{_LIST}|response"].get_value_at_percentile(90) > about * 500_000
