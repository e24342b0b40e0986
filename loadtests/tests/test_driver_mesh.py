"""A short run against a running mesh with `sensors` and `cameras`: all is answered, what was
acknowledged is on its topic, and freshness is seen."""

import asyncio
import gzip
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiokafka import AIOKafkaConsumer
from city_backbone.testing import Mesh, eventually

from loadtests.driver import freshness, resources
from loadtests.driver.operation import World
from loadtests.driver.operations.kafka import INTENDED, kafka_options
from loadtests.driver.plan import Plan, PlannedPhase, Rate
from loadtests.driver.result import (
    FRESHNESS,
    HISTORY,
    SHARDS,
    LagSample,
    ResourceSample,
    read_samples,
)
from loadtests.driver.run import run
from loadtests.report.histograms import read

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
                "grpc:city.sensors.v1.SensorsService/ListStations": Rate(rate=2),
            },
        ),
    ),
    settings={
        "malformed_share": 0.1,
        "kafka": {_READINGS: _DIRECT},
        "grpc": {"city.sensors.v1.SensorsService/ListStations": {"body": {"page_size": 5}}},
    },
)


@asynccontextmanager
async def _service(mesh: Mesh, name: str) -> AsyncIterator[str]:
    """A department as a process; its /metrics."""
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
        yield f"{url}/metrics"
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


async def test_what_a_run_has_acknowledged_is_on_the_topics(mesh: Mesh, tmp_path: Path) -> None:
    environment = {
        name: value
        for who in ("loadtests", "operator", "sensors")
        for name, value in mesh.environment(who).items()
    }
    world = World(environment, 3)
    async with _service(mesh, "sensors") as sensors, _service(mesh, "cameras") as cameras:
        metrics = {"sensors": sensors, "cameras": cameras}
        async with (
            resources.sampling(tmp_path, mesh.state, metrics),
            freshness.watching(world, tmp_path) as seen,
        ):
            await run(_PLAN, tmp_path, environment)
        calls: list[dict[str, Any]] = [
            json.loads(line)
            for path in (tmp_path / SHARDS).glob(f"*/{HISTORY}")
            for line in gzip.decompress(path.read_bytes()).splitlines()
        ]
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
    assert seen.seen == effects.total()
    assert {one.process for one in read_samples(ResourceSample, tmp_path)} >= {"driver", "kafka"}
    assert {one.topic for one in read_samples(LagSample, tmp_path)} >= {_READINGS, _DETECTIONS}
