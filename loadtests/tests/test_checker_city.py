"""On the real parts: a short real run is clean, and what is planted in it is found."""

import asyncio
import io
import json
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fastavro
import pytest
from aiokafka import AIOKafkaProducer
from city_backbone.events import OutgoingEvent, cloudevents_headers, event_id
from city_backbone.testing import Mesh

from loadtests.checker.__main__ import main
from loadtests.city.cameras.estate import estate
from loadtests.driver.history import Call
from loadtests.driver.operations.kafka import kafka_options, newest
from loadtests.driver.result import Check

from .checker_city import DEPARTMENTS, Short, city
from .checker_run import found

DETECTIONS = "cameras.object-detected.v1"
PUBLISH = "cameras.PublishDetections"
EACH = {
    PUBLISH: 5,
    "cameras.Arson": 2,
    "sensors.PublishReadings": 8,
    "parking.Trip": 2,
    "health.Session": 1,
    "health.Acute": 2,
}


def environments(mesh: Mesh, folder: Path) -> Path:
    file = folder / "environments.json"
    names = ("operator", *DEPARTMENTS)
    file.write_text(json.dumps({name: mesh.environment(name) for name in names}))
    return file


class Planter:
    """Writes to the cameras' topic with the cameras' identity, past the service."""

    def __init__(self, short: Short) -> None:
        self._short = short

    async def write(self, *events: OutgoingEvent) -> None:
        world = self._short.world
        schema_id, schema = await newest(world.environment["CAMERAS_REGISTRY__URL"], DETECTIONS)
        parsed = fastavro.parse_schema(schema)
        producer = AIOKafkaProducer(**kafka_options(world, "CAMERAS"), acks="all")
        await producer.start()
        try:
            for event in events:
                buffer = io.BytesIO()
                buffer.write(struct.pack(">bI", 0, schema_id))
                fastavro.schemaless_writer(buffer, parsed, event.data)
                await producer.send_and_wait(
                    DETECTIONS,
                    buffer.getvalue(),
                    key=event.key.encode(),
                    headers=cloudevents_headers(event, "cameras", []),
                )
        finally:
            await producer.stop()

    def detection(self, camera_id: str, identity: Any, after: float) -> OutgoingEvent:
        camera = next(one for one in estate(1).cameras if one.camera_id == camera_id)
        at = datetime.now(UTC) + timedelta(milliseconds=after)
        data = {
            "detection_id": str(identity),
            "camera_id": camera_id,
            "site_id": camera.site_id,
            "purpose": "PARK",
            "kind": "LOITERING",
            "track_id": str(identity),
            "confidence": 0.3,
            "box": None,
            "detected_at": at,
            "received_at": at,
        }
        return OutgoingEvent(DETECTIONS, camera.site_id, identity, at, data)


@pytest.mark.timeout(360)
async def test_a_real_run_is_clean_and_what_is_planted_in_it_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    with city(tmp_path / "state") as mesh:
        short = Short(mesh, folder)
        arguments = [str(folder), "--environments", str(environments(mesh, tmp_path)), "--alone"]
        await short.make(EACH)

        assert await asyncio.to_thread(main, arguments) == 0, capsys.readouterr().out
        clean = Check.read(folder)
        assert clean.checked["calls"] == sum(EACH.values())
        acknowledged = [identity for call in short.calls for identity in call.acknowledged]
        assert clean.checked["acknowledged ids"] == len(acknowledged) > 30
        assert clean.checked["cameras.alarm-escalated.v1"] == 2
        assert clean.checked["health.acute-reading-detected.v1"] == 2
        assert clean.checked["emergency.incident-changed.v1"] >= 4

        seen = next(call for call in short.calls if call.op == PUBLISH)
        planter = Planter(short)
        ids = {name: event_id(name, folder) for name in ("first", "second", "stranger")}
        first, second, stranger = (
            planter.detection(seen.key, identity, after)
            for after, identity in enumerate(ids.values())
        )
        again = planter.detection(seen.key, seen.acknowledged[0], 10)
        await planter.write(second, first, stranger, again)

        last = max(call.done for call in short.calls)
        lost = str(event_id("never sent", folder))
        short.write(
            *(
                Call(PUBLISH, 100 + n, seen.key, at, at, at + 10, "ok", "", (str(identity),))
                for n, (at, identity) in enumerate(
                    [(last, ids["first"]), (last + 20, ids["second"]), (last + 40, lost)]
                )
            )
        )
        assert await asyncio.to_thread(main, [*arguments, "--wait", "3"]) == 1

    planted = Check.read(folder)
    assert found(planted) == {
        ("lost", PUBLISH, lost),
        ("doubled", DETECTIONS, seen.acknowledged[0]),
        ("reordered", DETECTIONS, str(ids["first"])),
        ("unseen", DETECTIONS, str(ids["stranger"])),
    }
    assert planted.complete
    said = capsys.readouterr().out
    for kind, subject, identity in found(planted):
        assert f"{kind}: {subject} {identity}" in said
