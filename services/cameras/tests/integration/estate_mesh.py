"""The estate on the real parts, and what its tests say to it and read from its topics."""

import io
import json
import random
import socket
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fastavro
import grpc
from aiokafka import AIOKafkaConsumer, TopicPartition
from cameras.directory import Directory
from cameras.estate import facts
from cameras.estate.wiring import estate
from cameras.settings import CamerasSettings
from city.cameras.v1 import camera_pb2 as pb
from city.cameras.v1.camera_pb2_grpc import CameraServiceStub
from city.type.v1.position_pb2 import Position
from city_backbone.registration import load
from city_backbone.runtime import Backbone, Service
from city_backbone.testing import Mesh, RunningService, eventually, run_service
from google.rpc import error_details_pb2
from grpc_status import rpc_status

if TYPE_CHECKING:
    from city.cameras.v1.camera_pb2_grpc import CameraServiceAsyncStub

ROOT = Path(__file__).parents[2]
TOPICS = {
    produced.topic: produced
    for produced in load(ROOT / "service.yaml").produces
    if produced.topic in (facts.CAMERA_OFFLINE, facts.CAMERA_ONLINE)
}
SCHEMAS = {
    topic: fastavro.parse_schema(json.loads((ROOT / "events" / one.schema_file).read_text()))
    for topic, one in TOPICS.items()
}
DEADLINE = 20.0


def unique(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:12]}"


def key() -> str:
    return str(uuid.uuid4())


def somewhere() -> Position:
    """In the southern ocean, where no other camera stands."""
    return Position(latitude=random.uniform(-60, -40), longitude=random.uniform(-150, 150))


def site(site_id: str, **changes: Any) -> pb.Site:
    fields: dict[str, Any] = {
        "site_id": site_id,
        "name": "직동근린공원",
        "purpose": pb.PURPOSE_PARK,
        "position": Position(latitude=37.7381, longitude=127.0338),
    }
    return pb.Site(**{**fields, **changes})


def camera(camera_id: str, site_id: str, **changes: Any) -> pb.Camera:
    fields: dict[str, Any] = {
        "camera_id": camera_id,
        "site_id": site_id,
        "purpose": pb.PURPOSE_PARK,
        "position": Position(latitude=37.7381, longitude=127.0338),
        "heading_degrees": 90.0,
        "field_of_view_degrees": 60.0,
        "range_metres": 50.0,
        "retention_days": 30,
        "stream_address": "rtsp://10.20.7.2:554/ch1",
    }
    return pb.Camera(**{**fields, **changes})


def heartbeat(camera_id: str, sent_at: datetime) -> pb.Heartbeat:
    message = pb.Heartbeat(camera_id=camera_id)
    message.sent_at.FromDatetime(sent_at)
    return message


def violations(error: grpc.aio.AioRpcError) -> list[str]:
    """`field: expected …` of google.rpc.BadRequest."""
    status = rpc_status.from_call(error)
    assert status is not None
    request = error_details_pb2.BadRequest()
    for detail in status.details:
        detail.Unpack(request)
    return [f"{found.field}: {found.description}" for found in request.field_violations]


@dataclass(frozen=True)
class Estate:
    """The running part as its callers and listeners see it."""

    service: RunningService[CamerasSettings]
    stub: "CameraServiceAsyncStub"
    directory: Directory
    consumer: AIOKafkaConsumer
    port: int

    async def register(self, *cameras: pb.Camera) -> None:
        """With their sites, in as many calls as it takes."""
        sites = [site(site_id) for site_id in sorted({one.site_id for one in cameras})]
        for start in range(0, len(sites), 1000):
            await self.stub.RegisterSites(
                pb.RegisterSitesRequest(idempotency_key=key(), sites=sites[start : start + 1000]),
                timeout=DEADLINE,
            )
        for start in range(0, len(cameras), 1000):
            await self.stub.RegisterCameras(
                pb.RegisterCamerasRequest(
                    idempotency_key=key(), cameras=cameras[start : start + 1000]
                ),
                timeout=DEADLINE,
            )

    async def new_camera(self, **changes: Any) -> str:
        camera_id = unique("cam")
        await self.register(camera(camera_id, unique("site"), **changes))
        return camera_id

    async def send(self, *messages: Iterable[pb.Heartbeat]) -> pb.SendHeartbeatsResponse:
        async def requests() -> AsyncIterator[pb.SendHeartbeatsRequest]:
            for heartbeats in messages:
                yield pb.SendHeartbeatsRequest(heartbeats=heartbeats)

        return await self.stub.SendHeartbeats(requests(), timeout=DEADLINE)

    async def get(self, camera_id: str) -> pb.Camera:
        answer = await self.stub.GetCamera(
            pb.GetCameraRequest(camera_id=camera_id), timeout=DEADLINE
        )
        return answer.camera

    async def rows(self, query: str, *parameters: object) -> Sequence[dict[str, Any]]:
        async with self.service.backbone.database.transaction() as connection:
            answer = await connection.execute(query.encode(), parameters)
            return await answer.fetchall() if answer.description else []

    async def told(self, *camera_ids: str) -> list[tuple[str, dict[str, Any]]]:
        """Topic and event of all changes of these cameras so far, once the outbox is empty, in the
        order of time."""

        async def published() -> bool:
            return not await self.rows("select id from outbox limit 1")

        await eventually(published)
        found = []
        partitions = self.consumer.assignment()
        ends = await self.consumer.end_offsets(partitions)
        for partition, end in ends.items():
            self.consumer.seek(partition, 0)
            while await self.consumer.position(partition) < end:
                record = await self.consumer.getone(partition)
                if record.key.decode() in camera_ids:
                    found.append((record.topic, _decoded(record)))
        return sorted(found, key=lambda one: one[1]["changed_at"])


def _decoded(record: Any) -> dict[str, Any]:
    body: Any = fastavro.schemaless_reader(
        io.BytesIO(record.value[5:]), SCHEMAS[record.topic], None
    )
    headers = {name: value.decode() for name, value in record.headers}
    return {**body, "ce_id": headers["ce_id"]}


@asynccontextmanager
async def running_estate(
    mesh: Mesh, settings: Mapping[str, str] | None = None, *, judging: bool = False
) -> AsyncIterator[Estate]:
    """Judges presence by itself, or only when a test does."""
    directories: list[Directory] = []

    async def bootstrap(backbone: Backbone[CamerasSettings]) -> Service:
        directories.append(Directory(backbone.database, 3600))
        part = estate(backbone, directories[0])
        assert set(part.serving_tasks) == {"judge presence"}
        return part if judging else replace(part, serving_tasks={})

    operator = mesh.environment("operator")
    consumer = AIOKafkaConsumer(
        bootstrap_servers=operator["OPERATOR_KAFKA__BOOTSTRAP_SERVERS"],
        security_protocol=operator["OPERATOR_KAFKA__SECURITY_PROTOCOL"],
        sasl_mechanism=operator["OPERATOR_KAFKA__SASL_MECHANISM"],
        sasl_plain_username=operator["OPERATOR_KAFKA__USERNAME"],
        sasl_plain_password=operator["OPERATOR_KAFKA__PASSWORD"],
        enable_auto_commit=False,
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    overrides = {"CAMERAS_GRPC__PORT": str(port), **(settings or {})}
    async with run_service(mesh, CamerasSettings, bootstrap, "cameras", overrides) as service:
        await consumer.start()
        try:
            consumer.assign(
                [
                    TopicPartition(topic, number)
                    for topic, one in TOPICS.items()
                    for number in range(one.partitions)
                ]
            )
            yield Estate(
                service, CameraServiceStub(service.channel), directories[0], consumer, port
            )
        finally:
            await consumer.stop()
