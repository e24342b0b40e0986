"""The vault on the real broker, registry and database; bays and bookings are rows of this file.

They are taken away at the end, so that no other test meets cars that nobody booked.
"""

import io
import itertools
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
import grpc
import grpc.aio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from city.parking.v1 import vault_pb2 as pb
from city.parking.v1.vault_pb2_grpc import VaultServiceStub
from city_backbone.events import OutgoingEvent, cloudevents_headers, event_id
from city_backbone.geo import Point
from city_backbone.rpc.channel import open_channel
from city_backbone.runtime import Backbone, Service
from city_backbone.settings import TlsSettings
from city_backbone.testing import Mesh, RunningService, eventually, run_service
from parking.settings import ParkingSettings
from parking.vault.act import REGISTER
from parking.vault.wiring import vault

from .vault_requests import new_contact, new_plate, reason

if TYPE_CHECKING:
    from city.parking.v1.vault_pb2_grpc import VaultServiceAsyncStub

INCIDENTS = "emergency.incident-changed.v1"
SERVICE = "city.parking.v1.VaultService"
DEADLINE = 20.0
_SCHEMA = fastavro.parse_schema(
    json.loads(
        (
            Path(__file__).parents[3] / "emergency" / "events" / "incident_changed.v1.avsc"
        ).read_text()
    )
)
_numbers = itertools.count()


@dataclass
class World:
    service: RunningService[ParkingSettings]
    stub: "VaultServiceAsyncStub"
    # As the department emergency calls it.
    emergency: "VaultServiceAsyncStub"
    producer: AIOKafkaProducer
    schema_id: int
    lot_id: str = field(default_factory=lambda: f"vault-{uuid4()}")
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

    async def vehicle(self, plate: str | None = None, contact: str | None = None) -> str:
        request = pb.RegisterVehicleRequest(
            idempotency_key=str(uuid4()),
            plate=plate or new_plate(),
            contact=contact or new_contact(),
        )
        return (await self.stub.RegisterVehicle(request, timeout=DEADLINE)).vehicle_id

    async def stands(self, vehicle_id: str, point: Point, status: str = "OCCUPIED") -> str:
        """The bay of its own where it is booked, in that state."""
        bay_id = f"{self.lot_id}-{next(_numbers)}"
        now = datetime.now(UTC)
        await self.execute(
            "insert into bay (bay_id, lot_id, number, position) values (%s, %s, %s, point(%s, %s))",
            bay_id,
            self.lot_id,
            next(_numbers),
            point.longitude,
            point.latitude,
        )
        await self.execute(
            "insert into booking (booking_id, bay_id, lot_id, vehicle_id, owners, during, status,"
            " revision, price_won, held_at, hold_expires_at, checked_in_at, changed_at)"
            " values (%s, %s, %s, %s, false, tstzrange(%s, %s), %s, 1, 0, %s, %s, %s, %s)",
            *(uuid4(), bay_id, self.lot_id, vehicle_id),
            *(now, now + timedelta(hours=1), status, now, now, now, now),
        )
        return bay_id

    async def incident(
        self,
        point: Point | None,
        status: str = "OCCURRED",
        incident_id: UUID | None = None,
        revision: int | None = None,
    ) -> UUID:
        """What emergency says of an incident; returns when it is known here."""
        identity = incident_id or uuid4()
        number = revision or self.revisions.get(identity, 0) + 1
        self.revisions[identity] = number
        now = datetime.now(UTC)
        data = {
            "incident_id": str(identity),
            "revision": number,
            "kind": "fire",
            "status": status,
            "grade": "URGENT",
            "title": "화재",
            "place": "의정부역 앞",
            "latitude": None if point is None else point.latitude,
            "longitude": None if point is None else point.longitude,
            "occurred_at": now,
            "changed_at": now,
            "source": "cameras",
            "source_reference": str(identity),
            "police_code": None,
            "desks": ["119"],
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
            return bool(await self.rows("select from inbox where event_id = %s", event.id))

        await eventually(taken)
        return identity

    async def find(self, request: Any, stub: Any = None) -> Any:
        return await (stub or self.emergency).FindBlockingVehicles(request, timeout=DEADLINE)

    async def refusal(self, request: Any, stub: Any = None) -> str:
        """Why the call is refused."""
        try:
            await self.find(request, stub)
        except grpc.aio.AioRpcError as error:
            return reason(error)
        raise AssertionError("expected a refusal")

    async def _lot(self) -> None:
        await self.execute(
            "insert into lot (lot_id, kind, name, address, position, hours, fees, operator, phone,"
            " remark, district, scheme) values"
            " (%s, 'PUBLIC', '', '', point(127, 37), '{}', '{}', '', '', '', '', '')",
            self.lot_id,
        )

    async def _clear(self) -> None:
        for table in ("booking", "bay", "lot"):
            await self.execute(f"delete from {table} where lot_id = %s", self.lot_id)


@asynccontextmanager
async def running(
    mesh: Mesh, overrides: Mapping[str, str], *, stream: bool = True, **clock: Any
) -> AsyncIterator[RunningService[ParkingSettings]]:
    """The part alone; without its stream it is a second replica."""

    async def bootstrap(backbone: Backbone[ParkingSettings]) -> Service:
        part = vault(backbone, **clock)
        if stream:
            return part
        return Service(servicers=part.servicers, tasks=part.tasks)

    slow = {"PARKING_VAULT__SEAL_EVERY_SECONDS": "3600"}
    async with run_service(
        mesh, ParkingSettings, bootstrap, "parking", {**slow, **overrides}
    ) as service:
        yield service


def wildcard_policy(mesh: Mesh, folder: Path) -> dict[str, str]:
    """As if an operator's registration had a wildcard: the service itself must refuse then."""
    policy = json.loads(Path(mesh.environment("parking")["PARKING_POLICY_FILE"]).read_text())
    assert policy[f"{SERVICE}/FindBlockingVehicles"] == ["emergency"]
    path = folder / "policy.json"
    path.write_text(json.dumps({**policy, f"{SERVICE}/*": ["operator"]}))
    return {"PARKING_POLICY_FILE": str(path)}


def tls(mesh: Mesh, name: str) -> TlsSettings:
    environment = mesh.environment(name)
    cert, key, ca = (
        Path(environment[f"{name.upper()}_TLS__{part}_FILE"]) for part in ("CERT", "KEY", "CA")
    )
    return TlsSettings(cert_file=cert, key_file=key, ca_file=ca)


@asynccontextmanager
async def opened(
    mesh: Mesh, folder: Path, overrides: Mapping[str, str] | None = None
) -> AsyncIterator[World]:
    environment = mesh.environment("emergency")
    url = f"{environment['EMERGENCY_REGISTRY__URL']}/subjects/{INCIDENTS}-value/versions/latest"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        schema_id = int((await answer.json(content_type=None))["id"])
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    changed = {
        "PARKING_GRPC__PORT": str(port),
        **wildcard_policy(mesh, folder),
        **(overrides or {}),
    }
    async with (
        AIOKafkaProducer(
            bootstrap_servers=environment["EMERGENCY_KAFKA__BOOTSTRAP_SERVERS"],
            security_protocol=environment["EMERGENCY_KAFKA__SECURITY_PROTOCOL"],
            sasl_mechanism="SCRAM-SHA-512",
            sasl_plain_username=environment["EMERGENCY_KAFKA__USERNAME"],
            sasl_plain_password=environment["EMERGENCY_KAFKA__PASSWORD"],
            acks="all",
        ) as producer,
        running(mesh, changed) as service,
    ):
        channel = open_channel(f"127.0.0.1:{port}", tls(mesh, "emergency"), server_name="parking")
        world = World(
            service,
            VaultServiceStub(service.channel),
            VaultServiceStub(channel),
            producer,
            schema_id,
        )
        await world._lot()
        try:
            yield world
        finally:
            await world._clear()
            await channel.close(None)


async def records(mesh: Mesh, prefix: str) -> list[Any]:
    """Everything on the topics whose name begins so, read as the operator."""
    environment = mesh.environment("operator")
    consumer = AIOKafkaConsumer(
        bootstrap_servers=environment["OPERATOR_KAFKA__BOOTSTRAP_SERVERS"],
        security_protocol=environment["OPERATOR_KAFKA__SECURITY_PROTOCOL"],
        sasl_mechanism="SCRAM-SHA-512",
        sasl_plain_username=environment["OPERATOR_KAFKA__USERNAME"],
        sasl_plain_password=environment["OPERATOR_KAFKA__PASSWORD"],
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        topics = [topic for topic in await consumer.topics() if topic.startswith(prefix)]
        consumer.subscribe(topics)
        await consumer.getmany(timeout_ms=0)  # partitions are known of topics subscribed to
        consumer.unsubscribe()
        partitions = [
            TopicPartition(topic, number)
            for topic in topics
            for number in consumer.partitions_for_topic(topic) or ()
        ]
        assert partitions, f"no topic {prefix}*"
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        found: list[Any] = []
        while any([await consumer.position(one) < ends[one] for one in partitions]):
            for batch in (await consumer.getmany(timeout_ms=1000)).values():
                found.extend(batch)
        return found
    finally:
        await consumer.stop()
