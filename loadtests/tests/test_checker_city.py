"""On the real parts: a short real run is clean, and what is planted in it is found."""

import asyncio
import io
import json
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import fastavro
import psycopg
import pytest
from aiokafka import AIOKafkaProducer
from city_backbone.events import OutgoingEvent, cloudevents_headers, event_id
from city_backbone.testing import Mesh
from psycopg import sql

from loadtests.checker import rooms
from loadtests.checker.__main__ import main
from loadtests.checker.topics import topics
from loadtests.city.cameras.estate import estate
from loadtests.driver import resources
from loadtests.driver.history import Call
from loadtests.driver.operations.kafka import kafka_options, newest
from loadtests.driver.result import Check

from .checker_city import DEPARTMENTS, Short, city
from .checker_run import found
from .conftest import Peer, event_body

DETECTIONS = "cameras.object-detected.v1"
INCIDENTS = "emergency.incident-changed.v1"
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
    """Writes to a department's topic with its identity, past the service."""

    def __init__(self, short: Short) -> None:
        self._short = short

    async def write(self, *events: OutgoingEvent) -> None:
        world = self._short.world
        (topic,) = {event.topic for event in events}
        department = topic.partition(".")[0]
        registry = world.environment[f"{department.upper()}_REGISTRY__URL"]
        schema_id, schema = await newest(registry, topic)
        parsed = fastavro.parse_schema(schema)
        producer = AIOKafkaProducer(**kafka_options(world, department.upper()), acks="all")
        await producer.start()
        try:
            for event in events:
                buffer = io.BytesIO()
                buffer.write(struct.pack(">bI", 0, schema_id))
                fastavro.schemaless_writer(buffer, parsed, event.data)
                await producer.send_and_wait(
                    topic,
                    buffer.getvalue(),
                    key=event.key.encode(),
                    headers=cloudevents_headers(event, department, []),
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


async def changed_incident(short: Short) -> None:
    """One that occurred before the run and changes in it, for the third time."""
    now = datetime.now(UTC)
    identity = event_id("old", short.folder)
    data = {
        "incident_id": str(identity),
        "revision": 3,
        "kind": "fire",
        "status": "CHANGED",
        "grade": "NORMAL",
        "title": "화재",
        "place": "보람동",
        "occurred_at": now - timedelta(hours=1),
        "changed_at": now,
        "source": "report",
        "source_reference": str(identity),
    }
    row = {**data, "description": "", "items": "{}", "changed_by": "test", "source_sequence": 3}
    row["number"] = int(data["occurred_at"].timestamp() * 1000)  # type: ignore[attr-defined]
    with psycopg.connect(short.world.environment["EMERGENCY_DATABASE__DSN"]) as connection:
        names = sql.SQL(", ").join(map(sql.Identifier, row))
        values = sql.SQL(", ").join(map(sql.Placeholder, row))
        connection.execute(
            sql.SQL("insert into incident ({}) values ({})").format(names, values), row
        )
    event = OutgoingEvent(INCIDENTS, str(identity), event_id(INCIDENTS, identity, 3), now, data)
    await Planter(short).write(event)


class Room:
    """The 112 room and what `emergency` says of it: plants what the two do not agree on."""

    NAME = "room-112"

    def __init__(self, short: Short) -> None:
        self.url = resources.room_urls(short.mesh.state)[self.NAME]
        self._dsn = short.world.environment["EMERGENCY_DATABASE__DSN"]
        told = json.loads((short.mesh.state / "env" / "emergency.json").read_bytes())
        rooms = json.loads(told["EMERGENCY_ROOMS"])
        self._key = next(one["api_key"] for one in rooms if one["name"] == "112")

    def acknowledged(self, *revisions: int) -> str:
        """Of an incident that the room knows, in the database alone; its id."""
        with psycopg.connect(self._dsn) as connection:
            row = connection.execute(
                "select incident_id::text from room_message where room = '112' order by id limit 1"
            ).fetchone()
            assert row is not None
            for revision in revisions:
                connection.execute(
                    "insert into room_message (room, incident_id, revision, status_code, body,"
                    " state, acknowledged_at) values ('112', %s, %s, '40', '', 'acknowledged',"
                    " now())",
                    (row[0], revision),
                )
        return str(row[0])

    async def tell(self, incident: str, *revisions: int) -> None:
        """The room alone."""
        async with aiohttp.ClientSession() as http:
            peer = Peer(http, self.url)
            assert (await peer.auth(self._key))["result"] == "0"
            for revision in revisions:
                items = {"incidentId": incident, "revision": str(revision)}
                listed = [{"key": name, "val": value} for name, value in items.items()]
                body = event_body(status="40", ocrEvtItem=listed, ocrEvtItemCnt="2")
                assert (await peer.event(body))["message"] == "received"


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
        # Its first two revisions are from before: they are not lost.
        await changed_incident(short)
        room = Room(short)
        for name, url in resources.room_urls(mesh.state).items():
            arguments += ["--room", f"{name}={url}"]

        assert await asyncio.to_thread(main, arguments) == 0, capsys.readouterr().out
        clean = Check.read(folder)
        assert clean.checked["calls"] == sum(EACH.values())
        acknowledged = [identity for call in short.calls for identity in call.acknowledged]
        assert clean.checked["acknowledged ids"] == len(acknowledged) > 30
        assert clean.checked["cameras.alarm-escalated.v1"] == 2
        assert clean.checked["health.acute-reading-detected.v1"] == 2
        assert clean.checked["emergency.incident-changed.v1"] >= 4
        assert clean.checked["messages in rooms"] >= 4
        assert clean.detail == ""

        # Of what came after the databases were read they could tell nothing.
        url = resources.room_urls(mesh.state)["room-112"]
        async with topics(short.world.environment, "operator") as reader:
            for until, judged in ((None, True), (0, False)):
                raised = [one async for one in reader.read("cameras.alarm-raised.v1", 0, until)]
                assert [bool(one.needs) for one in raised] == [judged] * 2
                told = [one async for one in rooms.read("room-112", url, 0, until)]
                assert {one.new for one in told} == {judged}

        seen = next(call for call in short.calls if call.op == PUBLISH)
        planter = Planter(short)
        ids = {name: event_id(name, folder) for name in ("first", "second", "stranger")}
        first, second, stranger = (
            planter.detection(seen.key, identity, after)
            for after, identity in enumerate(ids.values())
        )
        again = planter.detection(seen.key, seen.acknowledged[0], 10)
        await planter.write(second, first, stranger, again)

        incident = room.acknowledged(107, 108, 109)
        await room.tell(incident, 1, 108, 107)
        await room.tell("nobody's", 1)

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
        ("lost", Room.NAME, f"{incident}#109"),
        ("doubled", Room.NAME, f"{incident}#1"),
        ("reordered", Room.NAME, f"{incident}#107"),
        ("unseen", Room.NAME, "nobody's#1"),
    }
    assert planted.complete
    said = capsys.readouterr().out
    for kind, subject, identity in found(planted):
        assert f"{kind}: {subject} {identity}" in said
