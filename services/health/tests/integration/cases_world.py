"""Cases on the real broker, registry and database, behind PersonService; what emergency says of
incidents is published as emergency."""

import io
import json
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import aiohttp
import fastavro
from aiokafka import AIOKafkaProducer
from city.health.v1 import person_pb2 as pb
from city.health.v1.person_pb2_grpc import PersonServiceStub
from city_backbone.events import OutgoingEvent, cloudevents_headers, event_id
from city_backbone.rpc.channel import open_channel
from city_backbone.runtime import Backbone, Service
from city_backbone.settings import TlsSettings
from city_backbone.testing import Mesh, eventually, run_service
from health.cases.stream import INCIDENT_CHANGED
from health.cases.wiring import cases
from health.measuring.measurement import Code
from health.people.wiring import people
from health.settings import HealthSettings
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from .people_world import (
    DEADLINE,
    SERVICE,
    SLOW,
    Clock,
    Enrolled,
    Scissors,
    World,
    policy,
    reading,
)

if TYPE_CHECKING:
    from city.health.v1.person_pb2_grpc import PersonServiceAsyncStub

PLACE = "조치원읍 행정복지센터"
_SCHEMA = fastavro.parse_schema(
    json.loads(
        (
            Path(__file__).parents[3] / "emergency" / "events" / "incident_changed.v1.avsc"
        ).read_text()
    )
)


@dataclass
class CasesWorld(World):
    # As the department emergency calls it.
    emergency: "PersonServiceAsyncStub" = field(kw_only=True)
    producer: AIOKafkaProducer = field(kw_only=True)
    schema_id: int = field(kw_only=True)
    revisions: dict[UUID, int] = field(default_factory=dict)

    async def acute(self, who: Enrolled) -> UUID:
        """The case of somebody whose readings call 119."""
        await self.measure(
            who,
            reading(Code.OXYGEN_SATURATION, 88),
            reading(Code.BLOOD_PRESSURE, 85, diastolic=50),
        )
        case_id = event_id("case", who.session_id)
        assert await self.rows("select from acute_case where case_id = %s", case_id)
        return case_id

    async def incident(
        self,
        case_id: UUID | None,
        status: str = "OCCURRED",
        incident_id: UUID | None = None,
        revision: int | None = None,
        source: str = "health",
    ) -> UUID:
        """What emergency says of an incident; returns when it is known here."""
        identity = incident_id or uuid4()
        number = revision or self.revisions.get(identity, 0) + 1
        self.revisions[identity] = number
        now = datetime.now(UTC)
        data = {
            "incident_id": str(identity),
            "revision": number,
            "kind": "health.acute",
            "status": status,
            "grade": "URGENT",
            "title": "건강 이상 감지(키오스크)",
            "place": PLACE,
            "latitude": 36.6,
            "longitude": 127.3,
            "occurred_at": now,
            "changed_at": now,
            "source": source,
            "source_reference": str(case_id or identity),
            "police_code": None,
            "desks": ["119"],
        }
        event = OutgoingEvent(
            INCIDENT_CHANGED, str(identity), event_id(identity, number, status), now, data
        )
        value = io.BytesIO()
        value.write(struct.pack(">bI", 0, self.schema_id))
        fastavro.schemaless_writer(value, _SCHEMA, data)
        await self.producer.send_and_wait(
            INCIDENT_CHANGED,
            key=event.key.encode(),
            value=value.getvalue(),
            headers=cloudevents_headers(event, "emergency"),
        )

        async def taken() -> bool:
            return bool(await self.rows("select from inbox where event_id = %s", event.id))

        await eventually(taken, seconds=40)
        return identity

    async def case(
        self, case_id: object, incident_id: object, requester: str = "119", stub: Any = None
    ) -> pb.GetCaseResponse:
        request = pb.GetCaseRequest(
            case_id=str(case_id), incident_id=str(incident_id), requester=requester
        )
        answer = await (stub or self.emergency).GetCase(request, timeout=DEADLINE)
        assert isinstance(answer, pb.GetCaseResponse)
        return answer


def _tls(mesh: Mesh, name: str) -> TlsSettings:
    environment = mesh.environment(name)
    cert, key, ca = (
        Path(environment[f"{name.upper()}_TLS__{part}_FILE"]) for part in ("CERT", "KEY", "CA")
    )
    return TlsSettings(cert_file=cert, key_file=key, ca_file=ca)


def _wildcard_policy(mesh: Mesh, folder: Path) -> dict[str, str]:
    """As if an operator's registration had a wildcard: the service itself must refuse then."""
    known = json.loads(Path(mesh.environment("health")["HEALTH_POLICY_FILE"]).read_text())
    assert known[f"{SERVICE}/GetCase"] == ["emergency"]
    return policy(mesh, folder)


@asynccontextmanager
async def opened(mesh: Mesh, folder: Path) -> AsyncIterator[CasesWorld]:
    environment = mesh.environment("emergency")
    url = f"{environment['EMERGENCY_REGISTRY__URL']}/subjects/{INCIDENT_CHANGED}-value"
    async with aiohttp.ClientSession() as session, session.get(f"{url}/versions/latest") as answer:
        schema_id = int((await answer.json(content_type=None))["id"])
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    clock, scissors = Clock(), Scissors()

    async def bootstrap(backbone: Backbone[HealthSettings]) -> Service:
        part = people(backbone, clock=clock, after=scissors)
        return Service(servicers=part.servicers, subscriptions=cases(backbone).subscriptions)

    settings = {**SLOW, **_wildcard_policy(mesh, folder), "HEALTH_GRPC__PORT": str(port)}
    async with (
        AIOKafkaProducer(
            bootstrap_servers=environment["EMERGENCY_KAFKA__BOOTSTRAP_SERVERS"],
            security_protocol=environment["EMERGENCY_KAFKA__SECURITY_PROTOCOL"],
            sasl_mechanism="SCRAM-SHA-512",
            sasl_plain_username=environment["EMERGENCY_KAFKA__USERNAME"],
            sasl_plain_password=environment["EMERGENCY_KAFKA__PASSWORD"],
            acks="all",
        ) as producer,
        run_service(mesh, HealthSettings, bootstrap, "health", settings) as service,
        open_channel(f"127.0.0.1:{port}", _tls(mesh, "emergency"), server_name="health") as channel,
    ):
        world = CasesWorld(
            mesh,
            service,
            PersonServiceStub(service.channel),
            clock,
            scissors,
            InMemoryMetricReader(),
            emergency=PersonServiceStub(channel),
            producer=producer,
            schema_id=schema_id,
        )
        await world.execute(
            "insert into kiosk (kiosk_id, place, zone, position, devices)"
            " values (%s, %s, '조치원', point(127.3, 36.6), '[]')",
            *(world.kiosk_id, PLACE),
        )
        yield world
