"""Leases on the real broker, registry and database, with a clock that the tests move.

Nothing ends by the task but where a test asks for it: what is read must be right without it.
"""

import io
import json
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import aiohttp
import fastavro
from aiokafka import AIOKafkaProducer
from cameras.estate import store as estate
from cameras.estate.camera import Camera
from cameras.leases.act import REGISTER
from cameras.leases.wiring import leases
from cameras.settings import CamerasSettings
from city.cameras.v1 import lease_pb2 as pb
from city.cameras.v1.lease_pb2_grpc import LeaseServiceStub
from city_backbone.events import OutgoingEvent, cloudevents_headers, event_id
from city_backbone.rpc.channel import open_channel
from city_backbone.runtime import Backbone, Service
from city_backbone.settings import TlsSettings
from city_backbone.testing import Mesh, RunningService, eventually, run_service

from .leases_requests import anywhere, asking, camera_at, site_of

if TYPE_CHECKING:
    from city.cameras.v1.lease_pb2_grpc import LeaseServiceAsyncStub

INCIDENTS = "emergency.incident-changed.v1"
DEADLINE = 20.0
_SCHEMA = fastavro.parse_schema(
    json.loads(
        (
            Path(__file__).parents[3] / "emergency" / "events" / "incident_changed.v1.avsc"
        ).read_text()
    )
)


class Clock:
    """Shows what it was set to."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class World:
    service: RunningService[CamerasSettings]
    clock: Clock
    stub: "LeaseServiceAsyncStub"
    # As the department emergency calls it.
    emergency: "LeaseServiceAsyncStub"
    producer: AIOKafkaProducer
    schema_id: int
    revisions: dict[UUID, int] = field(default_factory=dict)

    async def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        async with self.service.backbone.database.transaction() as connection:
            return await (await connection.execute(query, values)).fetchall()

    async def execute(self, statement: str, *values: object) -> None:
        async with self.service.backbone.database.transaction() as connection:
            await connection.execute(statement, values)

    async def head(self) -> int:
        """Number of the register's newest record."""
        query = "select coalesce(max(sequence), 0) as n from register_record where register = %s"
        (row,) = await self.rows(query, REGISTER)
        return int(row["n"])

    async def entries(self, after: int) -> list[dict[str, Any]]:
        return await self.rows(
            "select * from register_record where register = %s and sequence > %s order by sequence",
            REGISTER,
            after,
        )

    async def actions(self, after: int) -> list[str]:
        return [entry["action"] for entry in await self.entries(after)]

    async def incident(
        self,
        status: str = "OCCURRED",
        police_code: int | None = 1,
        incident_id: UUID | None = None,
        revision: int | None = None,
        known: bool = True,
    ) -> UUID:
        """What emergency says of an incident; returns when it is known here."""
        identity = incident_id or uuid4()
        number = revision or self.revisions.get(identity, 0) + 1
        self.revisions[identity] = number
        now = datetime.now(UTC)
        data = {
            "incident_id": str(identity),
            "revision": number,
            "kind": "fight",
            "status": status,
            "grade": "URGENT",
            "title": "싸움",
            "place": "의정부역 앞",
            "latitude": 37.738,
            "longitude": 127.034,
            "occurred_at": now,
            "changed_at": now,
            "source": "cameras",
            "source_reference": str(identity),
            "police_code": police_code,
            "desks": ["112"],
        }
        event = OutgoingEvent(
            INCIDENTS, str(identity), event_id(identity, number, status), now, data
        )
        value = io.BytesIO()
        value.write(struct.pack(">bI", 0, self.schema_id))
        fastavro.schemaless_writer(value, _SCHEMA, data)
        await self.producer.send_and_wait(
            INCIDENTS,
            key=event.key.encode(),
            value=value.getvalue(),
            headers=cloudevents_headers(event, "emergency"),
        )

        async def taken() -> bool:
            query = "select from inbox where event_id = %s"
            return bool(await self.rows(query, event.id))

        if known:
            await eventually(taken)
        return identity

    async def cameras(self, *placed: Camera) -> None:
        async with self.service.backbone.database.transaction() as connection:
            sites = [site_of(one) for one in placed]
            await estate.save_sites(connection, sites)
            await estate.save_cameras(connection, placed)

    async def camera(self) -> str:
        """A camera of its own, wherever."""
        one = camera_at(anywhere())
        await self.cameras(one)
        return one.camera_id

    async def ask(self, camera_id: str, incident_id: UUID | str, **changes: Any) -> pb.Lease:
        request = asking(camera_id, incident_id, **changes)
        return (await self.stub.RequestLease(request, timeout=DEADLINE)).lease

    async def approve(self, lease_id: str, approver: str = "lee") -> pb.Lease:
        request = pb.ApproveLeaseRequest(
            idempotency_key=str(uuid4()), lease_id=lease_id, approver=approver
        )
        return (await self.stub.ApproveLease(request, timeout=DEADLINE)).lease

    async def refuse(self, lease_id: str, approver: str = "lee", reason: str = "no") -> pb.Lease:
        request = pb.RefuseLeaseRequest(
            idempotency_key=str(uuid4()), lease_id=lease_id, approver=approver, reason=reason
        )
        return (await self.stub.RefuseLease(request, timeout=DEADLINE)).lease

    async def revoke(self, lease_id: str, by: str = "park", reason: str = "found") -> pb.Lease:
        request = pb.RevokeLeaseRequest(
            idempotency_key=str(uuid4()), lease_id=lease_id, revoked_by=by, reason=reason
        )
        return (await self.stub.RevokeLease(request, timeout=DEADLINE)).lease

    async def get(self, lease_id: str) -> pb.Lease:
        request = pb.GetLeaseRequest(lease_id=lease_id)
        return (await self.stub.GetLease(request, timeout=DEADLINE)).lease

    async def token(self, lease_id: str, viewer: str = "kim") -> pb.IssueStreamTokenResponse:
        request = pb.IssueStreamTokenRequest(lease_id=lease_id, viewer=viewer)
        return await self.stub.IssueStreamToken(request, timeout=DEADLINE)

    async def authorise(self, token: str, camera_id: str) -> pb.AuthorizeStreamResponse:
        request = pb.AuthorizeStreamRequest(token=token, camera_id=camera_id)
        return await self.stub.AuthorizeStream(request, timeout=DEADLINE)

    async def verify(self, *heads: pb.RegisterHead) -> pb.VerifyRegisterResponse:
        return await self.stub.VerifyRegister(
            pb.VerifyRegisterRequest(heads=heads), timeout=DEADLINE
        )


@asynccontextmanager
async def running(
    mesh: Mesh, clock: Clock, overrides: Mapping[str, str], stream: bool = True
) -> AsyncIterator[RunningService[CamerasSettings]]:
    """The part alone; without its stream it is a second replica that only reads and ends."""

    async def bootstrap(backbone: Backbone[CamerasSettings]) -> Service:
        part = leases(backbone, clock)
        if stream:
            return part
        return Service(servicers=part.servicers, tasks=part.tasks)

    slow = {
        "CAMERAS_LEASES__EXPIRE_EVERY_SECONDS": "3600",
        "CAMERAS_LEASES__SEAL_EVERY_SECONDS": "3600",
        "CAMERAS_LEASES__APPROVE_WITHIN_MINUTES": "10",
        # Who comes back to a group by its name gets what that had, whatever it subscribes to now.
        "CAMERAS_INSTANCE": "leases-0",
    }
    async with run_service(
        mesh, CamerasSettings, bootstrap, "cameras", {**slow, **overrides}
    ) as service:
        yield service


@asynccontextmanager
async def opened(mesh: Mesh) -> AsyncIterator[World]:
    environment = mesh.environment("emergency")
    url = f"{environment['EMERGENCY_REGISTRY__URL']}/subjects/{INCIDENTS}-value/versions/latest"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        schema_id = int((await answer.json(content_type=None))["id"])
    clock = Clock()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with (
        AIOKafkaProducer(
            bootstrap_servers=environment["EMERGENCY_KAFKA__BOOTSTRAP_SERVERS"],
            security_protocol=environment["EMERGENCY_KAFKA__SECURITY_PROTOCOL"],
            sasl_mechanism="SCRAM-SHA-512",
            sasl_plain_username=environment["EMERGENCY_KAFKA__USERNAME"],
            sasl_plain_password=environment["EMERGENCY_KAFKA__PASSWORD"],
            acks="all",
        ) as producer,
        running(mesh, clock, {"CAMERAS_GRPC__PORT": str(port)}) as service,
    ):
        tls = TlsSettings(
            cert_file=Path(environment["EMERGENCY_TLS__CERT_FILE"]),
            key_file=Path(environment["EMERGENCY_TLS__KEY_FILE"]),
            ca_file=Path(environment["EMERGENCY_TLS__CA_FILE"]),
        )
        channel = open_channel(f"127.0.0.1:{port}", tls, server_name="cameras")
        try:
            yield World(
                service,
                clock,
                LeaseServiceStub(service.channel),
                LeaseServiceStub(channel),
                producer,
                schema_id,
            )
        finally:
            await channel.close(None)
