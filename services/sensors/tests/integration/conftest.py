"""The department on the real parts, and what its tests say to it and read from its topics."""

import io
import json
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fastavro
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, TopicPartition
from city.sensors.v1 import sensors_pb2 as pb
from city.sensors.v1.sensors_pb2_grpc import SensorsServiceStub
from city.type.v1.position_pb2 import Position
from city_backbone.registration import load
from city_backbone.testing import Mesh, RunningService, eventually, run_service
from google.protobuf.timestamp_pb2 import Timestamp
from sensors import facts
from sensors.bootstrap import bootstrap
from sensors.settings import SensorsSettings

if TYPE_CHECKING:
    from city.sensors.v1.sensors_pb2_grpc import SensorsServiceAsyncStub

ROOT = Path(__file__).parents[2]
PRODUCED = load(ROOT / "service.yaml").produces
PARTITIONS = {produced.topic: produced.partitions for produced in PRODUCED}
SCHEMAS = {
    produced.topic: fastavro.parse_schema(
        json.loads((ROOT / "events" / produced.schema_file).read_text())
    )
    for produced in PRODUCED
}
DEAD_LETTERS = f"{facts.READING_TAKEN}.sensors.dlt"
SCHEMAS[DEAD_LETTERS] = SCHEMAS[facts.READING_TAKEN]
PARTITIONS[DEAD_LETTERS] = PARTITIONS[facts.READING_TAKEN]
START = datetime(2021, 5, 7, tzinfo=UTC)
DEADLINE = 20.0


def at(minutes: float) -> datetime:
    """Event time: minutes after START, which ends an hour."""
    return START + timedelta(minutes=minutes)


def unique(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:8]}"


def reading(station_id: str, when: datetime, **values: float) -> pb.Reading:
    time = Timestamp()
    time.FromDatetime(when)
    return pb.Reading(
        station_id=station_id,
        measured_at=time,
        measurements=[
            pb.Measurement(pollutant=pb.Pollutant.Value(f"POLLUTANT_{name}"), value=value)
            for name, value in values.items()
        ],
    )


class Listener:
    """Reads topics as the operator, from where they were when the tests began."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=environment["OPERATOR_KAFKA__BOOTSTRAP_SERVERS"],
            security_protocol=environment["OPERATOR_KAFKA__SECURITY_PROTOCOL"],
            sasl_mechanism=environment["OPERATOR_KAFKA__SASL_MECHANISM"],
            sasl_plain_username=environment["OPERATOR_KAFKA__USERNAME"],
            sasl_plain_password=environment["OPERATOR_KAFKA__PASSWORD"],
            enable_auto_commit=False,
        )
        self._seen: dict[str, list[dict[str, Any]]] = {topic: [] for topic in PARTITIONS}

    async def start(self) -> None:
        await self._consumer.start()
        every = [part for topic in PARTITIONS for part in _partitions(topic)]
        self._consumer.assign(every)
        for partition, end in (await self._consumer.end_offsets(every)).items():
            self._consumer.seek(partition, end)

    async def stop(self) -> None:
        await self._consumer.stop()

    async def events(self, topic: str) -> Sequence[dict[str, Any]]:
        """All of the topic up to now, in the order of each partition."""
        for partition, end in (await self._consumer.end_offsets(_partitions(topic))).items():
            while await self._consumer.position(partition) < end:
                record = await self._consumer.getone(partition)
                self._seen[topic].append(_decoded(topic, record))
        return self._seen[topic]


def _partitions(topic: str) -> list[TopicPartition]:
    return [TopicPartition(topic, number) for number in range(PARTITIONS[topic])]


@dataclass(frozen=True)
class Department:
    """The running service as its callers and listeners see it."""

    service: RunningService[SensorsSettings]
    stub: "SensorsServiceAsyncStub"
    listener: Listener

    async def register(self, station_id: str, dong: str | None = None, **changes: Any) -> str:
        await self.stub.RegisterStation(
            pb.RegisterStationRequest(
                idempotency_key=str(uuid.uuid4()), station=station(station_id, dong, **changes)
            ),
            timeout=DEADLINE,
        )
        return station_id

    async def publish(self, *readings: pb.Reading) -> pb.PublishReadingsResponse:
        async def request() -> AsyncIterator[pb.PublishReadingsRequest]:
            yield pb.PublishReadingsRequest(readings=readings)

        return await self.stub.PublishReadings(request(), timeout=DEADLINE)

    async def one(self, query: str, *parameters: object) -> Any:
        """The first column of the first row."""
        async with self.service.backbone.database.transaction() as connection:
            row = await (await connection.execute(query, parameters)).fetchone()
        return None if row is None else next(iter(row.values()))

    async def processed(self, station_id: str) -> None:
        """Returns when all that was accepted of the station has been folded and published."""

        async def done() -> bool:
            behind = await self.one(
                "select (select count(*) from accepted_reading where station_id = %s)"
                " <> (select coalesce(sum(readings), 0) from hour_window where station_id = %s)"
                " or exists (select from outbox)",
                station_id,
                station_id,
            )
            return not behind

        await eventually(done)

    async def events(self, topic: str, **where: object) -> Sequence[dict[str, Any]]:
        """All of a topic so far whose fields are as given, in the order of each partition."""
        return [
            event
            for event in await self.listener.events(topic)
            if all(event[name] == value for name, value in where.items())
        ]


def _decoded(topic: str, record: Any) -> dict[str, Any]:
    body: Any = fastavro.schemaless_reader(io.BytesIO(record.value[5:]), SCHEMAS[topic], None)
    headers = {name: value.decode() for name, value in record.headers}
    return {**body, "key": record.key.decode(), "ce_id": headers["ce_id"], "headers": headers}


def station(station_id: str, dong: str | None = None, **changes: Any) -> pb.Station:
    fields: dict[str, Any] = {
        "station_id": station_id,
        "name": station_id,
        "dong": dong or f"동-{station_id}",
        "position": Position(latitude=36.48, longitude=127.25),
        "kind": pb.STATION_KIND_IOT,
        "pollutants": [pb.POLLUTANT_PM10, pb.POLLUTANT_PM25, pb.POLLUTANT_O3],
        "interval_minutes": 60,
    }
    return pb.Station(**{**fields, **changes})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def department(mesh: Mesh) -> AsyncIterator[Department]:
    overrides = {
        "SENSORS_SILENCE_EVERY_SECONDS": "0.2",
        "SENSORS_WATCH_EVERY_SECONDS": "0.05",
        "SENSORS_CLOSE_EVERY_SECONDS": "0.2",
        "SENSORS_MAX_CALLS": "8",
    }
    listener = Listener(mesh.environment("operator"))
    async with run_service(mesh, SensorsSettings, bootstrap, "sensors", overrides) as service:
        await listener.start()
        try:
            yield Department(service, SensorsServiceStub(service.channel), listener)
        finally:
            await listener.stop()
