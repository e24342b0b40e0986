"""The part on the real parts, and what its tests say to it and read from its topics."""

import io
import json
import random
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fastavro
import grpc
from aiokafka import AIOKafkaConsumer, TopicPartition
from city.parking.v1 import occupancy_pb2 as pb
from city.parking.v1.occupancy_pb2_grpc import OccupancyServiceStub
from city_backbone.registration import load
from city_backbone.runtime import Backbone, Service
from city_backbone.testing import Mesh, RunningService, eventually, run_service
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from parking.lots.fees import FeeKind, FeeSchedule
from parking.lots.hours import ALWAYS
from parking.lots.rows import fees_json, hours_json
from parking.occupancy import facts
from parking.occupancy.wiring import occupancy
from parking.settings import ParkingSettings
from psycopg.types.json import Jsonb

if TYPE_CHECKING:
    from city.parking.v1.occupancy_pb2_grpc import OccupancyServiceAsyncStub

ROOT = Path(__file__).parents[2]
OURS = (facts.BAY_STATUS_CHANGED, facts.LOT_OCCUPANCY_CHANGED, facts.DISPUTE_OPENED)
TOPICS = {one.topic: one for one in load(ROOT / "service.yaml").produces if one.topic in OURS}
SCHEMAS = {
    topic: fastavro.parse_schema(json.loads((ROOT / "events" / one.schema_file).read_text()))
    for topic, one in TOPICS.items()
}
DEADLINE = 20.0
GRACE = timedelta(minutes=5)
APART = timedelta(seconds=1)
ALL_WEEK = [[day, 0, 1440] for day in range(1, 8)]
START = datetime(2026, 11, 1, tzinfo=UTC)
OWNER = uuid.UUID(int=7)
VEHICLE = uuid.UUID(int=8)


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def unique(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:12]}"


def key() -> str:
    return str(uuid.uuid4())


def reading(sensor_id: str, occupied: bool, observed_at: datetime) -> pb.OccupancyReading:
    message = pb.OccupancyReading(sensor_id=sensor_id, occupied=occupied)
    message.observed_at.FromDatetime(observed_at)
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
class Occupancy:
    """The running part as its callers and listeners see it."""

    service: RunningService[ParkingSettings]
    stub: "OccupancyServiceAsyncStub"
    consumer: AIOKafkaConsumer
    lots: list[str] = field(default_factory=list)
    records: list[Any] = field(default_factory=list)

    async def rows(self, query: str, *parameters: object) -> list[dict[str, Any]]:
        async with self.service.backbone.database.transaction() as connection:
            answer = await connection.execute(query.encode(), parameters)
            return await answer.fetchall() if answer.description else []

    async def lot(
        self, bays: int = 1, kind: str = "SHARED", windows: Sequence[Sequence[int]] = ALL_WEEK
    ) -> tuple[str, list[str]]:
        """A lot of its own and its bays, far from all others; an alley offers them in `windows`."""
        lot_id, shared = unique("lot"), kind == "SHARED"
        self.lots.append(lot_id)
        longitude, latitude = random.uniform(-150, 150), random.uniform(-60, -40)
        await self.rows(
            "insert into lot (lot_id, kind, name, address, position, hours, fees, operator, phone,"
            " remark, district, scheme) values (%s, %s, '삼정동 1길', '삼정동', point(%s, %s),"
            " %s, %s, '마을주차', '', '', '부천시', 'bucheon')",
            lot_id,
            kind,
            longitude,
            latitude,
            Jsonb(hours_json(ALWAYS)),
            Jsonb(fees_json(FeeSchedule(FeeKind.METERED, 0, 0, 10, 200))),
        )
        await self.rows(
            "insert into bay (bay_id, lot_id, number, position, owner_id, unit_fee_won,"
            " weekly_windows) select %s || '-' || number, %s, number, point(%s, %s), %s, %s,"
            " %s from generate_series(1, %s) as number",
            lot_id,
            lot_id,
            longitude,
            latitude,
            OWNER if shared else None,
            200 if shared else None,
            Jsonb([list(one) for one in windows] if shared else []),
            bays,
        )
        return lot_id, [f"{lot_id}-{number}" for number in range(1, bays + 1)]

    async def watch(self, *bay_ids: str) -> list[str]:
        """A new sensor on each bay."""
        sensor_ids = [unique("sensor") for _ in bay_ids]
        await self.register(dict(zip(sensor_ids, bay_ids, strict=True)))
        return sensor_ids

    async def register(self, places: Mapping[str, str]) -> None:
        sensors = [pb.BaySensor(sensor_id=one, bay_id=bay) for one, bay in places.items()]
        await self.stub.RegisterSensors(
            pb.RegisterSensorsRequest(idempotency_key=key(), sensors=sensors), timeout=DEADLINE
        )

    async def report(self, *messages: Iterable[pb.OccupancyReading]) -> pb.ReportOccupancyResponse:
        async def requests() -> AsyncIterator[pb.ReportOccupancyRequest]:
            for readings in messages:
                yield pb.ReportOccupancyRequest(readings=readings)

        return await self.stub.ReportOccupancy(requests(), timeout=DEADLINE)

    async def tidy(self) -> None:
        """Away with all of it: other tests meet neither its bays nor its disputes."""
        bays = "(select bay_id from bay where lot_id = any(%s))"
        for table in ("dispute", "bay_state", "occupancy_reading", "booking"):
            await self.rows(f"delete from {table} where bay_id in {bays}", self.lots)
        await self.rows(f"update bay_sensor set bay_id = null where bay_id in {bays}", self.lots)
        for table in ("bay", "lot_state", "lot_to_count", "lot"):
            await self.rows(f"delete from {table} where lot_id = any(%s)", self.lots)

    async def told(self, topic: str, *keys: str) -> list[dict[str, Any]]:
        """All events of these keys so far, once the outbox is empty; of one key in order."""

        async def published() -> bool:
            return not await self.rows("select id from outbox limit 1")

        await eventually(published)
        ends = await self.consumer.end_offsets(self.consumer.assignment())
        while [one for one, end in ends.items() if await self.consumer.position(one) < end]:
            for records in (await self.consumer.getmany(timeout_ms=100)).values():
                self.records.extend(records)
        return [
            _decoded(record)
            for record in self.records
            if record.topic == topic and record.key.decode() in keys
        ]


def _decoded(record: Any) -> dict[str, Any]:
    body: Any = fastavro.schemaless_reader(
        io.BytesIO(record.value[5:]), SCHEMAS[record.topic], None
    )
    headers = {name: value.decode() for name, value in record.headers}
    return {**body, "ce_id": headers["ce_id"]}


@asynccontextmanager
async def running_occupancy(
    mesh: Mesh, settings: Mapping[str, str] | None = None, *, tasks: bool = False
) -> AsyncIterator[Occupancy]:
    """Counts and judges by itself, or only when a test does."""

    async def bootstrap(backbone: Backbone[ParkingSettings]) -> Service:
        part = occupancy(backbone)
        return part if tasks else replace(part, tasks={})

    operator = mesh.environment("operator")
    consumer = AIOKafkaConsumer(
        bootstrap_servers=operator["OPERATOR_KAFKA__BOOTSTRAP_SERVERS"],
        security_protocol=operator["OPERATOR_KAFKA__SECURITY_PROTOCOL"],
        sasl_mechanism=operator["OPERATOR_KAFKA__SASL_MECHANISM"],
        sasl_plain_username=operator["OPERATOR_KAFKA__USERNAME"],
        sasl_plain_password=operator["OPERATOR_KAFKA__PASSWORD"],
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=50,
    )
    async with run_service(mesh, ParkingSettings, bootstrap, "parking", settings) as service:
        await consumer.start()
        try:
            consumer.assign(
                [
                    TopicPartition(topic, number)
                    for topic, one in TOPICS.items()
                    for number in range(one.partitions)
                ]
            )
            running = Occupancy(service, OccupancyServiceStub(service.channel), consumer)
            yield running
            await running.tidy()
        finally:
            await consumer.stop()
