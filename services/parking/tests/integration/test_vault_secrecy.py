"""Plates, names and contacts are nowhere in clear: not in the database, on a topic, in a log or in
a trace. The search is shown to find what is planted there."""

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Iterable
from datetime import UTC, datetime
from typing import TypeAlias
from uuid import uuid4

import grpc
import pytest
import pytest_asyncio
import structlog
from city.parking.v1 import vault_pb2 as pb
from city_backbone.events import OutgoingEvent
from city_backbone.telemetry import Wordless
from city_backbone.testing import Mesh, eventually
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from .vault_requests import anywhere, around, new_contact, new_plate, of_plate
from .vault_world import DEADLINE, World, opened, records

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def spans() -> AsyncIterator[InMemorySpanExporter]:
    """What the service would send to a collector."""
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        trace.set_tracer_provider(TracerProvider())
    provider, exporter = trace.get_tracer_provider(), InMemorySpanExporter()
    assert isinstance(provider, TracerProvider)
    provider.add_span_processor(SimpleSpanProcessor(Wordless(exporter)))
    yield exporter
    exporter.shutdown()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(
    mesh: Mesh, spans: InMemorySpanExporter, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    async with opened(mesh, tmp_path_factory.mktemp("vault")) as world:
        yield world


Request: TypeAlias = pb.RegisterVehicleRequest | pb.RegisterOwnerRequest


class Secret:
    """Something nobody may find, in every form that it could be kept in by mistake.

    Digests too: of so few possible plates one can try out which has it.
    """

    def __init__(self, *texts: str, requests: Iterable[Request] = ()) -> None:
        self._forms: set[bytes] = set()
        for text in texts:
            for written in {text, text.replace("-", ""), json.dumps(text)[1:-1]}:
                self._add(written.encode())
                self._add(hashlib.sha256(written.encode()).digest())
        for request in requests:
            said = type(request).FromString(request.SerializeToString())
            for key in (request.idempotency_key, ""):
                said.idempotency_key = key
                self._add(hashlib.sha256(said.SerializeToString(deterministic=True)).digest())

    def _add(self, form: bytes) -> None:
        self._forms |= {form, form.hex().encode()}

    def within(self, content: bytes) -> bool:
        return any(form in content for form in self._forms)


async def database(world: World) -> bytes:
    """Every row of every table, byte strings as hexadecimal digits."""
    tables = await world.rows(
        "select format('%%I.%%I', schemaname, tablename) as name from pg_tables"
        " where schemaname not in ('pg_catalog', 'information_schema')"
    )
    assert {"public.vehicle", "public.idempotency", "public.outbox"} <= {t["name"] for t in tables}
    content = []
    for table in tables:
        rows = await world.rows(f"select t::text as content from {table['name']} t")
        content += [str(row["content"]) for row in rows]
    return "\n".join(content).encode()


def files(mesh: Mesh) -> Iterable[bytes]:
    """The database server's own files, and what all parts logged: the write-ahead log holds what
    was deleted long ago."""
    for folder in (mesh.state / "postgres" / "data", mesh.state / "logs"):
        for path in folder.rglob("*"):
            if path.is_file():
                yield path.read_bytes()


async def topics(mesh: Mesh) -> bytes:
    """Whatever parking wrote, dead letters and headers too."""
    written = [
        record
        for prefix in ("parking.", "emergency.incident-changed.v1.parking")
        for record in await records(mesh, prefix)
    ]
    return b"\n".join(
        part
        for record in written
        for part in (record.key, record.value, *(value for _, value in record.headers))
        if part
    )


def traced(spans: InMemorySpanExporter) -> bytes:
    return "\n".join(span.to_json() for span in spans.get_finished_spans()).encode()


async def everything_there_is_to_do(
    world: World, vehicle: pb.RegisterVehicleRequest, owner: pb.RegisterOwnerRequest
) -> None:
    """With one person's data: registered, again, wrongly, looked up, refused."""
    plate, contact = vehicle.plate, vehicle.contact
    stub, place = world.stub, anywhere()
    incident = await world.incident(place)

    async def register(key: str, plate: str, contact: str) -> str:
        request = pb.RegisterVehicleRequest(idempotency_key=key, plate=plate, contact=contact)
        return (await stub.RegisterVehicle(request, timeout=DEADLINE)).vehicle_id

    async def refused(call: Awaitable[object]) -> None:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call
        assert plate not in str(raised.value)

    identity = (await stub.RegisterVehicle(vehicle, timeout=DEADLINE)).vehicle_id
    assert await register(vehicle.idempotency_key, plate, contact) == identity
    assert await register(str(uuid4()), f"{plate[:4]} {plate[4:]}", contact) == identity
    await refused(register(vehicle.idempotency_key, plate, new_contact()))
    await refused(register(str(uuid4()), f"{plate}x", contact))
    await refused(register(str(uuid4()), plate, f"{contact}x"))
    await stub.RegisterOwner(owner, timeout=DEADLINE)
    await world.stands(identity, place)

    (near,) = (await world.find(around(place, incident))).vehicles
    (found,) = (await world.find(of_plate(plate, incident))).vehicles
    assert (near.plate, near.contact) == (found.plate, found.contact) == (plate, contact)
    await refused(world.find(of_plate(f"{plate}x", incident)))
    await refused(world.find(of_plate(plate, uuid4())))
    await refused(world.find(of_plate(plate, incident), stub))
    await world.incident(place, "COMPLETED", incident)
    await refused(world.find(of_plate(plate, incident)))
    await refused(world.find(around(place, incident)))


async def test_nothing_is_anywhere_in_clear(
    world: World, mesh: Mesh, spans: InMemorySpanExporter, capfd: pytest.CaptureFixture[str]
) -> None:
    plate, contact, name = new_plate(), new_contact(), f"김{uuid4().hex[:8]}"
    vehicle = pb.RegisterVehicleRequest(idempotency_key=str(uuid4()), plate=plate, contact=contact)
    owner = pb.RegisterOwnerRequest(idempotency_key=str(uuid4()), name=name, contact=contact)
    secret = Secret(plate, contact, name, requests=[vehicle, owner])
    await everything_there_is_to_do(world, vehicle, owner)
    logged = "".join(capfd.readouterr()).encode()

    assert b"call refused" in logged
    assert not secret.within(logged)
    assert b"VaultService/FindBlockingVehicles" in traced(spans)
    assert not secret.within(traced(spans))
    assert not secret.within(await database(world))
    assert not any(map(secret.within, files(mesh)))
    assert not secret.within(await topics(mesh))


async def test_what_is_planted_is_found(
    world: World, mesh: Mesh, spans: InMemorySpanExporter, capfd: pytest.CaptureFixture[str]
) -> None:
    plate = new_plate()
    secret = Secret(plate)
    structlog.get_logger().info("planted", plate=plate)
    assert secret.within("".join(capfd.readouterr()).encode())

    with trace.get_tracer("test").start_as_current_span("planted", attributes={"plate": plate}):
        pass
    assert secret.within(traced(spans))

    for kept in (plate.encode(), hashlib.sha256(plate.encode()).digest()):
        identity = uuid4()
        await world.execute(
            "insert into vehicle (vehicle_id, plate_mac, plate, contact) values (%s, %s, %s, %s)",
            *(identity, kept, b"", b""),
        )
        assert secret.within(await database(world))
        await world.execute("delete from vehicle where vehicle_id = %s", identity)
        assert not secret.within(await database(world))
    assert any(map(secret.within, files(mesh)))

    sealed = "parking.register-sealed.v1"
    now = datetime.now(UTC)
    data = {
        "register": plate,
        "day": now.date(),
        "sequence": 0,
        "head_hash": "",
        "sealed_at": now,
    }
    event = OutgoingEvent(sealed, "planted", uuid4(), now, data)
    async with world.service.backbone.database.transaction() as connection:
        await world.service.backbone.outbox.add(connection, [event])

    async def published() -> bool:
        return secret.within(await topics(mesh))

    assert await eventually(published)
