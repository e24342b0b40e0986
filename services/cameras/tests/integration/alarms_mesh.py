"""Alarms on the real parts: detections go to the topic, alarms are looked for where they end."""

import io
import json
import os
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fastavro
from aiokafka import AIOKafkaConsumer, TopicPartition
from cameras.alarms import facts
from cameras.alarms.store_rules import Rules
from cameras.alarms.wiring import alarms
from cameras.settings import CamerasSettings
from city.cameras.v1.alarm_pb2_grpc import AlarmServiceStub
from city_backbone.events import OutgoingEvent, event_id
from city_backbone.registration import load
from city_backbone.runtime import Backbone, Bootstrap, Service
from city_backbone.testing import Mesh, RunningService, eventually, run_service

if TYPE_CHECKING:
    from city.cameras.v1.alarm_pb2_grpc import AlarmServiceAsyncStub

ROOT = Path(__file__).parents[2]
PRODUCED = {produced.topic: produced for produced in load(ROOT / "service.yaml").produces}
SCHEMAS = {
    topic: fastavro.parse_schema(json.loads((ROOT / "events" / one.schema_file).read_text()))
    for topic, one in PRODUCED.items()
}
DEAD_LETTERS = f"{facts.OBJECT_DETECTED}.cameras.dlt"
ALARM_TOPICS = (facts.ALARM_RAISED, facts.ALARM_CHANGED, facts.ALARM_ESCALATED)
START = datetime(2026, 11, 20, 3, tzinfo=UTC)  # noon in Seoul
DEADLINE = 20.0


def unique(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:8]}"


def key() -> str:
    return str(uuid.uuid4())


def detection(
    site_id: str,
    seconds: float,
    kind: str = "FIGHT",
    camera: str = "1",
    track: str = "a",
    purpose: str = "PARK",
    start: datetime = START,
) -> OutgoingEvent:
    """Seen `seconds` after `start` by a camera of the site."""
    at = start + timedelta(seconds=seconds)
    camera_id = f"{site_id}-{camera}"
    identity = event_id("detection", camera_id, kind, track, at.isoformat())
    data = {
        "detection_id": str(identity),
        "camera_id": camera_id,
        "site_id": site_id,
        "purpose": purpose,
        "kind": kind,
        "track_id": track,
        "confidence": 0.9,
        "box": None,
        "detected_at": at,
        "received_at": at,
    }
    return OutgoingEvent(facts.OBJECT_DETECTED, site_id, identity, at, data)


def persistent(site_id: str, seconds: int = 6, first: float = 0.0, **more: Any) -> Sequence[Any]:
    """One detection a second: by default just longer than a fight's dwell."""
    return [detection(site_id, first + second, **more) for second in range(seconds)]


class Topics:
    """Reads topics as the operator, from where they were at the start."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=environment["OPERATOR_KAFKA__BOOTSTRAP_SERVERS"],
            security_protocol=environment["OPERATOR_KAFKA__SECURITY_PROTOCOL"],
            sasl_mechanism=environment["OPERATOR_KAFKA__SASL_MECHANISM"],
            sasl_plain_username=environment["OPERATOR_KAFKA__USERNAME"],
            sasl_plain_password=environment["OPERATOR_KAFKA__PASSWORD"],
            enable_auto_commit=False,
        )
        self._seen: dict[str, list[dict[str, Any]]] = {}

    async def start(self) -> None:
        await self._consumer.start()
        every = [part for topic in (*ALARM_TOPICS, DEAD_LETTERS) for part in _partitions(topic)]
        self._consumer.assign(every)
        for partition, end in (await self._consumer.end_offsets(every)).items():
            self._consumer.seek(partition, end)

    async def stop(self) -> None:
        await self._consumer.stop()

    async def events(self, topic: str, site_id: str) -> Sequence[dict[str, Any]]:
        """All of a site so far, in order."""
        seen = self._seen.setdefault(topic, [])
        for partition, end in (await self._consumer.end_offsets(_partitions(topic))).items():
            while await self._consumer.position(partition) < end:
                seen.append(_decoded(topic, await self._consumer.getone(partition)))
        return [event for event in seen if event["key"] == site_id]


def _partitions(topic: str) -> list[TopicPartition]:
    source = facts.OBJECT_DETECTED if topic == DEAD_LETTERS else topic
    return [TopicPartition(topic, number) for number in range(PRODUCED[source].partitions)]


def _decoded(topic: str, record: Any) -> dict[str, Any]:
    schema = SCHEMAS[facts.OBJECT_DETECTED if topic == DEAD_LETTERS else topic]
    body: Any = fastavro.schemaless_reader(io.BytesIO(record.value[5:]), schema, None)
    headers = {name: value.decode() for name, value in record.headers}
    return {**body, "key": record.key.decode(), "headers": headers}


@dataclass(frozen=True)
class Centre:
    """The running part as cameras and operators see it."""

    service: RunningService[CamerasSettings]
    stub: "AlarmServiceAsyncStub"
    topics: Topics

    async def site(self, purpose: str = "PARK") -> str:
        """Registers one of its own."""
        site_id = unique("site")
        await self.execute(
            "insert into site (site_id, name, purpose, position)"
            " values (%s, '직동근린공원', %s, point(127.0338, 37.7381))",
            site_id,
            purpose,
        )
        return site_id

    async def see(self, events: Sequence[OutgoingEvent]) -> None:
        """Puts detections on the topic."""
        await self.service.backbone.direct.publish(events)

    async def execute(self, query: str, *parameters: object) -> None:
        async with self.service.backbone.database.transaction() as connection:
            await connection.execute(query, parameters)

    async def rows(self, query: str, *parameters: object) -> list[dict[str, Any]]:
        async with self.service.backbone.database.transaction() as connection:
            return await (await connection.execute(query, parameters)).fetchall()

    async def alarms(
        self, site_id: str, count: int = 1, seconds: float = 20
    ) -> list[dict[str, Any]]:
        """Waits until the site has as many, and returns them, oldest first."""

        async def found() -> list[dict[str, Any]] | None:
            rows = await self.rows(
                "select * from alarm where site_id = %s order by number, kind", site_id
            )
            return rows if len(rows) >= count else None

        rows = await eventually(found, seconds)
        assert rows is not None
        return rows

    async def told(
        self, topic: str, site_id: str, count: int = 1, seconds: float = 20
    ) -> Sequence[dict[str, Any]]:
        """Waits until the topic has as many of the site, and returns them."""

        async def found() -> Sequence[dict[str, Any]] | None:
            events = await self.topics.events(topic, site_id)
            return events if len(events) >= count else None

        events = await eventually(found, seconds)
        assert events is not None
        return events


async def bootstrap(backbone: Backbone[CamerasSettings]) -> Service:
    """Only this part of the department."""
    return alarms(backbone, Rules())


async def watcher(backbone: Backbone[CamerasSettings]) -> Service:
    """Sends and looks, but takes no part in the work."""
    return Service()


@asynccontextmanager
async def open_centre(
    mesh: Mesh, parts: Bootstrap[CamerasSettings] = bootstrap, **overrides: str
) -> AsyncIterator[Centre]:
    topics = Topics(mesh.environment("operator"))
    settings = {
        "CAMERAS_ALARMS__WATCH_EVERY_SECONDS": "0.05",
        "CAMERAS_ALARMS__ESCALATE_EVERY_SECONDS": "0.1",
        **overrides,
    }
    async with run_service(mesh, CamerasSettings, parts, "cameras", settings) as service:
        await topics.start()
        try:
            yield Centre(service, AlarmServiceStub(service.channel), topics)
        finally:
            await topics.stop()


def process_environment(mesh: Mesh, **overrides: str) -> dict[str, str]:
    """For the department in a process of its own, on free ports."""
    ports = [f"CAMERAS_{server}__PORT" for server in ("GRPC", "HTTP")]
    return {
        **os.environ,
        **mesh.environment("cameras"),
        **dict.fromkeys(ports, "0"),
        "CAMERAS_KAFKA__SESSION_TIMEOUT_SECONDS": "6",
        **overrides,
    }
