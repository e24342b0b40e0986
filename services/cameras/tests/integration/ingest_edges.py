"""The part on the real parts, and what its tests say to it and read from its topic."""

import io
import json
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import fastavro
from aiokafka import AIOKafkaConsumer, TopicPartition
from cameras.directory import Directory
from cameras.ingest.facts import OBJECT_DETECTED
from cameras.ingest.wiring import ingest
from cameras.settings import CamerasSettings
from city.cameras.v1 import detection_pb2 as pb
from city_backbone.runtime import Backbone, Service
from city_backbone.testing import Mesh, RunningService
from google.protobuf.timestamp_pb2 import Timestamp
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, Sum

if TYPE_CHECKING:
    from city.cameras.v1.detection_pb2_grpc import DetectionServiceAsyncStub

ROOT = Path(__file__).parents[2]
SCHEMA = fastavro.parse_schema(json.loads((ROOT / "events/object_detected.v1.avsc").read_text()))
PARTITIONS = [TopicPartition(OBJECT_DETECTED, number) for number in range(6)]
KEY = "sesame-open-up-0123456789"
DEADLINE = 20.0
SECOND = timedelta(seconds=1)
OVERRIDES = {
    "CAMERAS_INGEST__ONVIF_KEY": KEY,
    "CAMERAS_INGEST__HOLD_EVERY_SECONDS": "0.1",
    "CAMERAS_INGEST__REFRESH_SECONDS": "0.000001",
    "CAMERAS_INGEST__DIRECTORY_SECONDS": "3600",
}


_READER = InMemoryMetricReader()
_METER = MeterProvider(metric_readers=[_READER]).get_meter("cameras")


async def bootstrap(backbone: Backbone[CamerasSettings]) -> Service:
    """The part alone, with metrics that counted() reads; all is urgent."""
    directory = Directory(backbone.database, backbone.settings.ingest.directory_seconds)
    return ingest(replace(backbone, meter=_METER), directory, lambda *_: True)


def counted(metric: str, **labels: str) -> int:
    """A counter of this process, so far; of the points with these labels."""
    data = _READER.get_metrics_data()
    if data is None:
        return 0
    return sum(
        int(point.value)
        for found in data.resource_metrics[0].scope_metrics[0].metrics
        if found.name == metric and isinstance(found.data, Sum)
        for point in found.data.data_points
        if labels.items() <= dict(point.attributes or {}).items()
    )


class Topic:
    """Reads the topic as the operator, from where it was when the tests began."""

    def __init__(self, mesh: Mesh) -> None:
        environment = mesh.environment("operator")
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=environment["OPERATOR_KAFKA__BOOTSTRAP_SERVERS"],
            security_protocol=environment["OPERATOR_KAFKA__SECURITY_PROTOCOL"],
            sasl_mechanism=environment["OPERATOR_KAFKA__SASL_MECHANISM"],
            sasl_plain_username=environment["OPERATOR_KAFKA__USERNAME"],
            sasl_plain_password=environment["OPERATOR_KAFKA__PASSWORD"],
            enable_auto_commit=False,
        )
        self._seen: list[dict[str, Any]] = []

    async def start(self) -> None:
        await self._consumer.start()
        self._consumer.assign(PARTITIONS)
        for partition, end in (await self._consumer.end_offsets(PARTITIONS)).items():
            self._consumer.seek(partition, end)

    async def stop(self) -> None:
        await self._consumer.stop()

    async def of(self, camera_id: str) -> Sequence[dict[str, Any]]:
        """All that is on the topic now, of one camera; in the order of its partition."""
        for partition, end in (await self._consumer.end_offsets(PARTITIONS)).items():
            while await self._consumer.position(partition) < end:
                record = await self._consumer.getone(partition)
                body: Any = fastavro.schemaless_reader(io.BytesIO(record.value[5:]), SCHEMA, None)
                headers = {name: value.decode() for name, value in record.headers}
                self._seen.append(
                    {
                        **body,
                        "key": record.key.decode(),
                        "partition": record.partition,
                        "headers": headers,
                    }
                )
        return [event for event in self._seen if event["camera_id"] == camera_id]


@dataclass(frozen=True)
class Edges:
    """The part as cameras and operators see it."""

    service: RunningService[CamerasSettings]
    stub: "DetectionServiceAsyncStub"
    topic: Topic

    async def camera(self, retired: bool = False) -> str:
        camera_id = f"cam-{uuid.uuid4().hex[:8]}"
        async with self.service.backbone.database.transaction() as connection:
            await connection.execute(
                "insert into site (site_id, name, purpose, position)"
                " values (%s, '직동근린공원', 'PARK', point(127.03, 37.74))",
                (f"site-{camera_id}",),
            )
            await connection.execute(
                "insert into camera (camera_id, site_id, purpose, position,"
                " field_of_view_degrees, range_metres, retention_days, stream_address, retired)"
                " values (%s, %s, 'PARK', point(127.03, 37.74), 360, 30, 30, 'rtsp://x/1', %s)",
                (camera_id, f"site-{camera_id}", retired),
            )
        return camera_id

    async def publish(self, *detections: pb.Detection) -> pb.PublishDetectionsResponse:
        async def stream() -> AsyncIterator[pb.PublishDetectionsRequest]:
            yield pb.PublishDetectionsRequest(detections=detections)

        return await self.stub.PublishDetections(stream(), timeout=DEADLINE)

    async def notify(self, camera_id: str, *messages: str) -> int:
        body = (
            '<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"'
            ' xmlns:w="http://docs.oasis-open.org/wsn/b-2"'
            ' xmlns:t="http://www.onvif.org/ver10/schema"'
            ' xmlns:tns1="http://www.onvif.org/ver10/topics">'
            f"<e:Body><w:Notify>{''.join(messages)}</w:Notify></e:Body></e:Envelope>"
        )
        url = f"{self.service.http_url}/onvif/notify"
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=DEADLINE)) as session,
            session.post(
                url, params={"camera_id": camera_id, "key": KEY}, data=body.encode()
            ) as response,
        ):
            return response.status

    async def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        async with self.service.backbone.database.transaction() as connection:
            found = await (await connection.execute(query, parameters)).fetchall()
        return [tuple(row.values()) for row in found]

    async def held(self, camera_id: str) -> list[tuple[Any, ...]]:
        return await self.rows(
            "select topic, track_id from held_state where camera_id = %s order by 1, 2", camera_id
        )

    async def parked(self, camera_id: str) -> list[tuple[Any, ...]]:
        return await self.rows(
            "select topic, reason, count from parked_notification where camera_id = %s"
            " order by 1, 2",
            camera_id,
        )


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=123_456)


def detection(camera_id: str, when: datetime, **changes: Any) -> pb.Detection:
    time = Timestamp()
    time.FromDatetime(when)
    fields: dict[str, Any] = {
        "camera_id": camera_id,
        "kind": pb.DETECTION_KIND_FALL,
        "track_id": "t-1",
        "confidence": 0.9,
        "box": pb.Box(x=0.25, y=0.5, width=0.125, height=0.25),
        "detected_at": time,
    }
    return pb.Detection(**{**fields, **changes})


def message(
    state: str,
    when: datetime,
    topic: str = "tns1:RuleEngine/FallDetector/Fall",
    operation: str = "Changed",
    rule: str = "r1",
    more: str = "",
) -> str:
    return (
        f"<w:NotificationMessage><w:Topic>{topic}</w:Topic><w:Message>"
        f'<t:Message UtcTime="{when.isoformat()}" PropertyOperation="{operation}"><t:Source>'
        f'<t:SimpleItem Name="Rule" Value="{rule}"/></t:Source><t:Data>'
        f'<t:SimpleItem Name="State" Value="{state}"/>{more}</t:Data></t:Message></w:Message>'
        "</w:NotificationMessage>"
    )
