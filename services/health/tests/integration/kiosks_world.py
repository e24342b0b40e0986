"""Kiosks on the real broker, registry and database, and people who measure themselves there.

People are enrolled by the department's own enrolment; every kiosk and person is new.
"""

import asyncio
import io
import itertools
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import fastavro
import grpc
import grpc.aio
from aiokafka import AIOKafkaConsumer, TopicPartition
from city.health.v1 import kiosk_pb2 as pb
from city.health.v1 import person_pb2
from city.health.v1.kiosk_pb2_grpc import KioskServiceStub
from city.type.v1.position_pb2 import Position
from city_backbone.crypto import secret_key
from city_backbone.registration import load
from city_backbone.runtime import Backbone, Service
from city_backbone.testing import Mesh, RunningService, eventually, run_service
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from health.clock import utc_now
from health.kiosks.wiring import IDLE_SECONDS, kiosks
from health.measuring import facts
from health.measuring.measurement import Code, Measurement
from health.measuring.messages import measurement_message
from health.measuring.sealing import open_sealed
from health.messages import timestamp
from health.people.certificate import signer
from health.people.directory import People
from health.people.enrolment import Enrolment
from health.people.keyring import FileKeyring
from health.people.person import Person
from health.people.sealing import PersonalBox
from health.people.token import Tokens
from health.people.withdrawal import Step, Withdrawals
from health.settings import HealthSettings

if TYPE_CHECKING:
    from city.health.v1.kiosk_pb2_grpc import KioskServiceAsyncStub

DEADLINE = 30.0
ROOT = Path(__file__).parents[2]
# Of each kiosk in these tests.
DEVICES = {
    Code.BLOOD_PRESSURE: "cuff-1",
    Code.OXYGEN_SATURATION: "clip-1",
    Code.BODY_TEMPERATURE: "ear-1",
    Code.HEART_RATE: "clip-1",
    Code.BODY_MASS_INDEX: "scale-1",
    Code.GLUCOSE: "strip-1",
}
PLACE = "조치원읍 행정복지센터 1층"
_ticks = itertools.count()


def kiosk_message(kiosk_id: str, **changes: Any) -> pb.Kiosk:
    devices = [
        pb.Device(
            device_id=device_id,
            codes=[
                pb.MeasurementCode.Value(f"MEASUREMENT_CODE_{code}")
                for code, device in DEVICES.items()
                if device == device_id
            ],
            model="K-1",
        )
        for device_id in sorted(set(DEVICES.values()))
    ]
    fields: dict[str, Any] = {
        "kiosk_id": kiosk_id,
        "place": PLACE,
        "zone": "조치원",
        "position": Position(latitude=36.6011, longitude=127.2986),
        "devices": devices,
    }
    return pb.Kiosk(**{**fields, **changes})


def reading(
    code: Code,
    value: float,
    *,
    diastolic: float | None = None,
    fasting: bool | None = None,
    ago: timedelta = timedelta(),
) -> Measurement:
    """No two are taken at the same time."""
    taken_at = utc_now() - ago + next(_ticks) * timedelta.resolution
    return Measurement(code, value, diastolic, fasting, taken_at, DEVICES[code])


def begin(
    session_id: UUID, kiosk_id: str, token: str, changes: Mapping[str, Any] | None = None
) -> pb.SessionRequest:
    fields: dict[str, Any] = {
        "session_id": str(session_id),
        "kiosk_id": kiosk_id,
        "person_token": token,
        "began_at": timestamp(utc_now()),
    }
    return pb.SessionRequest(begin=pb.Begin(**{**fields, **(changes or {})}))


def measured(sequence: int, measurement: Measurement) -> pb.SessionRequest:
    message = pb.Measured(sequence=sequence, measurement=measurement_message(measurement))
    return pb.SessionRequest(measured=message)


def end(last_sequence: int, ended_at: datetime | None = None) -> pb.SessionRequest:
    message = pb.End(last_sequence=last_sequence, ended_at=timestamp(ended_at or utc_now()))
    return pb.SessionRequest(end=message)


def reason(error: grpc.aio.AioRpcError) -> str:
    """The status, and what google.rpc.ErrorInfo or the bad field says."""
    status = rpc_status.from_call(error)
    said: list[str] = []
    for detail in status.details if status else ():
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        if detail.Unpack(bad):
            said = [violation.field for violation in bad.field_violations]
        elif detail.Unpack(info):
            said = [info.reason]
    return ":".join([error.code().name, *said])


class Line:
    """One stream of the Session call."""

    def __init__(self, stub: "KioskServiceAsyncStub") -> None:
        self._requests: asyncio.Queue[pb.SessionRequest | None] = asyncio.Queue()
        self._call = stub.Session(self._outgoing(), timeout=DEADLINE)

    async def _outgoing(self) -> AsyncIterator[pb.SessionRequest]:
        while request := await self._requests.get():
            yield request

    async def say(self, request: pb.SessionRequest) -> pb.SessionResponse:
        """Its answer; raises grpc.aio.AioRpcError when it is refused."""
        self.send(request)
        return await self.hear()

    def send(self, request: pb.SessionRequest) -> None:
        self._requests.put_nowait(request)

    async def hear(self) -> pb.SessionResponse:
        try:
            answer = await self._call.read()
        except grpc.aio.AioRpcError:
            self._requests.put_nowait(None)
            raise
        assert isinstance(answer, pb.SessionResponse)
        return answer

    async def close(self) -> None:
        """Nothing more comes, and all was answered."""
        self._requests.put_nowait(None)
        assert await self._call.read() is grpc.aio.EOF
        assert await self._call.code() is grpc.StatusCode.OK

    def cut(self) -> None:
        self._requests.put_nowait(None)
        self._call.cancel()


@dataclass(frozen=True)
class Enrolled:
    token: str
    person_id: UUID
    box: PersonalBox


@dataclass(frozen=True)
class World:
    service: RunningService[HealthSettings]
    stub: "KioskServiceAsyncStub"
    people: People
    enrolment: Enrolment
    withdrawals: Withdrawals
    measurements: "Topic"
    acute: "Topic"

    async def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        async with self.service.backbone.database.transaction() as connection:
            return await (await connection.execute(query.encode(), values)).fetchall()

    async def execute(self, *statements: str) -> None:
        async with self.service.backbone.database.transaction() as connection:
            for statement in statements:
                await connection.execute(statement.encode())

    async def kiosk(self, **changes: Any) -> str:
        kiosk_id = f"kiosk-{uuid4().hex[:12]}"
        request = pb.RegisterKiosksRequest(
            idempotency_key=str(uuid4()), kiosks=[kiosk_message(kiosk_id, **changes)]
        )
        await self.stub.RegisterKiosks(request, timeout=DEADLINE)
        return kiosk_id

    async def enrol(self) -> Enrolled:
        request = person_pb2.EnrolPersonRequest(
            name="김복순",
            birth_date="1944-03-01",
            contact="010-1234-5678",
            purposes=[person_pb2.CONSENT_PURPOSE_MEASUREMENT],
            consent_version="1",
            consented_at=timestamp(utc_now()),
            zone="조치원",
        )
        token = await self.enrolment.enrol(request, uuid4(), "operator")
        person = await self.person(token)
        box = await self.people.box(person.person_id)
        assert box is not None
        return Enrolled(token, person.person_id, box)

    async def person(self, token: str) -> Person:
        async with self.service.backbone.database.transaction() as connection:
            return await self.people.by_token(connection, token)

    def line(self) -> Line:
        return Line(self.stub)

    async def refused(self, *requests: pb.SessionRequest) -> str:
        """Why the last is, on a stream of its own; those before it are answered."""
        line = self.line()
        try:
            for request in requests:
                await line.say(request)
        except grpc.aio.AioRpcError as error:
            assert request is requests[-1]
            return reason(error)
        raise AssertionError("it was answered")

    async def session(
        self, kiosk_id: str, token: str, readings: Sequence[Measurement], session_id: UUID
    ) -> list[pb.SessionResponse]:
        """All of it on one stream; the answers."""
        line = self.line()
        answers = [await line.say(begin(session_id, kiosk_id, token))]
        for sequence, one in enumerate(readings, 1):
            answers.append(await line.say(measured(sequence, one)))
        answers.append(await line.say(end(len(readings))))
        await line.close()
        return answers

    async def kept(self, session_id: UUID, box: PersonalBox) -> list[tuple[int, Measurement]]:
        """The session's rows, opened."""
        rows = await self.rows(
            "select sequence, sealed from measurement where session_id = %s order by sequence",
            session_id,
        )
        return [(row["sequence"], open_sealed(box, row["sealed"])) for row in rows]

    async def told(self, person: Enrolled) -> list[Measurement]:
        """What the topic has of the person, each event once, in the order they were taken."""
        await eventually(self._published)
        events = {
            one["ce_id"]: one
            for one in await self.measurements.all()
            if one["person_id"] == str(person.person_id)
        }
        assert len({one["measurement_id"] for one in events.values()}) == len(events)
        opened = [open_sealed(person.box, one["sealed"]) for one in events.values()]
        return sorted(opened, key=lambda one: one.taken_at)

    async def cases(self, session_id: UUID) -> list[dict[str, Any]]:
        """Of the session, each with its `events`, as often as they are on the topic."""
        await eventually(self._published)
        events = await self.acute.all()
        return [
            {**case, "events": [one for one in events if one["key"] == str(case["case_id"])]}
            for case in await self.rows(
                "select * from acute_case where session_id = %s", session_id
            )
        ]

    async def _published(self) -> bool:
        return not await self.rows("select from outbox limit 1")


class Topic:
    """Reads one of the part's topics, all there is, as somebody who may."""

    def __init__(self, mesh: Mesh, name: str, reader: str) -> None:
        environment, prefix = mesh.environment(reader), f"{reader.upper()}_KAFKA__"
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=environment[f"{prefix}BOOTSTRAP_SERVERS"],
            security_protocol=environment[f"{prefix}SECURITY_PROTOCOL"],
            sasl_mechanism=environment[f"{prefix}SASL_MECHANISM"],
            sasl_plain_username=environment[f"{prefix}USERNAME"],
            sasl_plain_password=environment[f"{prefix}PASSWORD"],
            enable_auto_commit=False,
            fetch_max_wait_ms=50,
        )
        produced = next(one for one in load(ROOT / "service.yaml").produces if one.topic == name)
        schema = json.loads((ROOT / "events" / produced.schema_file).read_text())
        self._schema = fastavro.parse_schema(schema)
        self._partitions = [TopicPartition(name, one) for one in range(produced.partitions)]
        self._reading = asyncio.Lock()
        self._seen: list[dict[str, Any]] = []
        self.raw: list[bytes] = []
        """Keys, values and headers as they are."""

    async def start(self) -> None:
        await self._consumer.start()
        self._consumer.assign(self._partitions)
        await self._consumer.seek_to_beginning(*self._partitions)

    async def stop(self) -> None:
        await self._consumer.stop()

    async def all(self) -> list[dict[str, Any]]:
        """Events so far; `key` and `ce_id` beside the fields. Tombstones are left out."""
        async with self._reading:
            for partition, last in (await self._consumer.end_offsets(self._partitions)).items():
                while await self._consumer.position(partition) < last:
                    batch = await self._consumer.getmany(partition, timeout_ms=500)
                    for record in batch.get(partition, ()):
                        self._take(record)
        return self._seen

    def _take(self, record: Any) -> None:
        headers = {name: value.decode() for name, value in record.headers}
        self.raw += [record.key, record.value or b"", *(value for _, value in record.headers)]
        if record.value is not None:
            body: Any = fastavro.schemaless_reader(io.BytesIO(record.value[5:]), self._schema, None)
            self._seen.append({**body, "key": record.key.decode(), "ce_id": headers["ce_id"]})


@asynccontextmanager
async def opened(
    mesh: Mesh, idle_seconds: float = IDLE_SECONDS, **overrides: str
) -> AsyncIterator[World]:
    """The part alone."""

    async def bootstrap(backbone: Backbone[HealthSettings]) -> Service:
        return kiosks(backbone, idle_seconds=idle_seconds)

    measurements = Topic(mesh, facts.MEASUREMENT_TAKEN, "health")
    acute = Topic(mesh, facts.ACUTE_READING_DETECTED, "operator")
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(
            run_service(mesh, HealthSettings, bootstrap, "health", overrides)
        )
        keyring, tokens = keys(service.backbone.settings)
        for topic in (measurements, acute):
            stack.push_async_callback(topic.stop)
            await topic.start()
        enrolment = Enrolment(
            service.backbone.database,
            service.backbone.idempotency,
            keyring,
            tokens,
            timedelta(days=90),
            utc_now,
        )
        yield World(
            service,
            KioskServiceStub(service.channel),
            People(keyring, tokens),
            enrolment,
            withdrawals(service),
            measurements,
            acute,
        )


def keys(settings: HealthSettings) -> tuple[FileKeyring, Tokens]:
    key = secret_key("PEOPLE__KEY", settings.people.key.get_secret_value())
    return FileKeyring(settings.people.keyring, key), Tokens(key)


def withdrawals(
    service: RunningService[HealthSettings], after: Callable[[Step], None] = lambda step: None
) -> Withdrawals:
    settings, database = service.backbone.settings, service.backbone.database
    certifying = signer(settings.tls.key_file)
    return Withdrawals(database, *keys(settings), certifying, utc_now, after)
