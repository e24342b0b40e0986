"""The part on the real broker, registry and database; what is measured goes the way a kiosk's
session goes, through the directory and the intake."""

import base64
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import grpc
import grpc.aio
import pytest
from city.health.v1 import person_pb2 as pb
from city.health.v1.person_pb2_grpc import PersonServiceStub
from city_backbone.errors import PermissionDenied
from city_backbone.runtime import Backbone, Service
from city_backbone.testing import Mesh, RunningService, eventually, run_service
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from health.measuring.intake import Taken
from health.measuring.measurement import Code, Measurement
from health.measuring.wiring import intake
from health.people.directory import People
from health.people.keyring import FileKeyring
from health.people.reads import REGISTER
from health.people.wiring import directory, people
from health.people.withdrawal import Step
from health.settings import HealthSettings
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricReader

from .people_topics import read_to_the_end, records

if TYPE_CHECKING:
    from city.health.v1.person_pb2_grpc import PersonServiceAsyncStub

SERVICE = "city.health.v1.PersonService"
DEADLINE = 20.0
# The tests start what the clock would start.
SLOW = {
    "HEALTH_PEOPLE__WITHDRAW_EVERY_SECONDS": "3600",
    "HEALTH_PEOPLE__FOLLOW_UP_EVERY_SECONDS": "3600",
    "HEALTH_PEOPLE__SEAL_EVERY_SECONDS": "3600",
}
_numbers = itertools.count(1)


class Clock:
    """The time, or what a test says it is."""

    def __init__(self) -> None:
        self.now: datetime | None = None

    def __call__(self) -> datetime:
        return self.now or datetime.now(UTC)


class Interrupted(Exception):
    """As if the process had ended."""


class Scissors:
    """Cuts off once after the step it is set to."""

    def __init__(self) -> None:
        self.at: Step | None = None

    def __call__(self, step: Step) -> None:
        if step is self.at:
            self.at = None
            raise Interrupted(step)


@dataclass(frozen=True)
class Enrolled:
    token: str
    person_id: UUID
    request: pb.EnrolPersonRequest
    session_id: UUID


def application(**changes: Any) -> pb.EnrolPersonRequest:
    """Somebody whom nobody else is."""
    number = next(_numbers)
    consented_at = Timestamp()
    consented_at.FromDatetime(datetime.now(UTC) - timedelta(days=1))
    fields = {
        "idempotency_key": str(uuid4()),
        "name": f"김철수{number}",
        "birth_date": "1948-03-01",
        "contact": f"010-7777-{number:04}",
        "medical_note": f"와파린 {number}mg",
        "purposes": [pb.CONSENT_PURPOSE_MEASUREMENT, pb.CONSENT_PURPOSE_REMINDER],
        "consent_version": "2026-1",
        "consented_at": consented_at,
        "zone": "조치원",
    }
    return pb.EnrolPersonRequest(**{**fields, **changes})


def reading(
    code: Code = Code.HEART_RATE,
    value: float = 70,
    taken_at: datetime | None = None,
    diastolic: float | None = None,
) -> Measurement:
    taken = taken_at or datetime.now(UTC)
    return Measurement(code, value, diastolic, None, taken, "device-1")


@dataclass
class World:
    mesh: Mesh
    service: RunningService[HealthSettings]
    stub: "PersonServiceAsyncStub"
    clock: Clock
    scissors: Scissors
    reader: InMemoryMetricReader
    kiosk_id: str = field(default_factory=lambda: f"people-{uuid4()}")

    @property
    def people(self) -> People:
        return directory(self.service.backbone)

    @property
    def keyring(self) -> FileKeyring:
        settings = self.service.backbone.settings.people
        return FileKeyring(settings.keyring, base64.b64decode(settings.key.get_secret_value()))

    @property
    def keys(self) -> Path:
        return self.service.backbone.settings.people.keyring

    async def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        async with self.service.backbone.database.transaction() as connection:
            return await (await connection.execute(query, values)).fetchall()

    async def execute(self, statement: str, *values: object) -> None:
        async with self.service.backbone.database.transaction() as connection:
            await connection.execute(statement, values)

    async def enrol(self, **changes: Any) -> Enrolled:
        """With a session that has begun."""
        request = application(**changes)
        token = (await self.stub.EnrolPerson(request, timeout=DEADLINE)).person_token
        person_id = await self.who(token)
        return Enrolled(token, person_id, request, await self.session(person_id))

    async def who(self, token: str) -> UUID:
        async with self.service.backbone.database.transaction() as connection:
            return (await self.people.by_token(connection, token)).person_id

    async def session(self, person_id: UUID) -> UUID:
        session_id = uuid4()
        await self.execute(
            "insert into kiosk_session (session_id, kiosk_id, person_id, began_at)"
            " values (%s, %s, %s, now())",
            *(session_id, self.kiosk_id, person_id),
        )
        return session_id

    @asynccontextmanager
    async def measuring(
        self, who: Enrolled, *measurements: Measurement
    ) -> AsyncIterator[Callable[[], Awaitable[list[UUID]]]]:
        """A transaction in which a kiosk found the person, and stores when told so.

        Raises PermissionDenied once the person has withdrawn.
        """
        service, taken = self.service.backbone, []
        for measurement in measurements or [reading()]:
            number = next(_numbers)
            taken.append(Taken(uuid4(), measurement, self.kiosk_id, who.session_id, number))
        async with service.database.transaction() as connection:
            person = await self.people.by_token(connection, who.token)
            box = await self.people.box(person.person_id)
            if box is None:
                raise PermissionDenied("NO_KEY", "the keyring has none")

            async def store() -> list[UUID]:
                await intake(service).take(connection, person, box, taken, [])
                return [one.measurement_id for one in taken]

            yield store

    async def measure(self, who: Enrolled, *measurements: Measurement) -> list[UUID]:
        """All in one. Raises as `measuring` does."""
        async with self.measuring(who, *measurements) as store:
            return await store()

    async def withdraw(self, who: Enrolled) -> pb.ForgettingCertificate:
        request = pb.WithdrawConsentRequest(person_token=who.token)
        return (await self.stub.WithdrawConsent(request, timeout=DEADLINE)).certificate

    async def trend(self, token: str, code: Any, **changes: Any) -> pb.GetTrendResponse:
        request = pb.GetTrendRequest(person_token=token, code=code, **changes)
        return await self.stub.GetTrend(request, timeout=DEADLINE)

    async def entries(self, after: int = 0) -> list[dict[str, Any]]:
        return await self.rows(
            "select * from register_record where register = %s and sequence > %s order by sequence",
            *(REGISTER, after),
        )

    async def follow_ups(self, who: Enrolled) -> dict[str, dict[str, Any]]:
        rows = await self.rows("select * from follow_up where person_id = %s", who.person_id)
        return {row["kind"]: row for row in rows}

    async def published(self) -> None:
        """Whatever was committed is on its topic."""

        async def empty() -> bool:
            return not await self.rows("select from outbox")

        await eventually(empty)

    async def taken_in(self) -> None:
        """The stream has handled all that is on the topic of measurements."""
        await self.published()
        await read_to_the_end(self.mesh)

    async def topic(self, topic: str, name: str = "operator") -> Sequence[Any]:
        """Every record on it, oldest first in each partition."""
        await self.published()
        return await records(self.mesh, topic, name)


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


async def refusal(call: Any) -> str:
    """Why it is refused."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    return reason(raised.value)


@asynccontextmanager
async def running(
    mesh: Mesh,
    overrides: Mapping[str, str] | None = None,
    *,
    stream: bool = True,
    clock: Callable[[], datetime] | None = None,
    after: Callable[[Step], None] = lambda step: None,
    reader: MetricReader | None = None,
) -> AsyncIterator[RunningService[HealthSettings]]:
    """The part alone; without its stream it is a second replica."""

    async def bootstrap(backbone: Backbone[HealthSettings]) -> Service:
        if reader:
            backbone = replace(backbone, meter=MeterProvider([reader]).get_meter("health"))
        part = people(backbone, clock=clock or Clock(), after=after)
        if stream:
            return part
        return Service(servicers=part.servicers, tasks=part.tasks)

    async with run_service(
        mesh, HealthSettings, bootstrap, "health", {**SLOW, **(overrides or {})}
    ) as service:
        yield service


def policy(mesh: Mesh, folder: Path) -> dict[str, str]:
    """The operator may call all of it."""
    known = json.loads(Path(mesh.environment("health")["HEALTH_POLICY_FILE"]).read_text())
    path = folder / "policy.json"
    path.write_text(json.dumps({**known, f"{SERVICE}/*": ["operator"]}))
    return {"HEALTH_POLICY_FILE": str(path)}


@asynccontextmanager
async def opened(
    mesh: Mesh, folder: Path, overrides: Mapping[str, str] | None = None
) -> AsyncIterator[World]:
    clock, scissors, reader = Clock(), Scissors(), InMemoryMetricReader()
    changed = {**policy(mesh, folder), **(overrides or {})}
    async with running(mesh, changed, clock=clock, after=scissors, reader=reader) as service:
        stub = PersonServiceStub(service.channel)
        world = World(mesh, service, stub, clock, scissors, reader)
        await world.execute(
            "insert into kiosk (kiosk_id, place, zone, position, devices)"
            " values (%s, '조치원읍 행정복지센터', '조치원', point(127.3, 36.6), '[]')",
            world.kiosk_id,
        )
        yield world
