"""What somebody says and what is measured is nowhere in clear: not in the database and its files,
on a topic, in a log, a trace, a metric or the keyring. The search is shown to find what is planted
there."""

import base64
import hashlib
import json
import re
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from uuid import uuid4

import pytest
import pytest_asyncio
import structlog
from aiohttp import ClientSession
from city.health.v1 import kiosk_pb2
from city.health.v1 import person_pb2 as pb
from city_backbone.outbox import Record, add_records
from city_backbone.telemetry import Wordless
from city_backbone.testing import Mesh
from health.measuring.facts import MEASUREMENT_TAKEN
from health.measuring.measurement import Code
from health.people.reads import REGISTER_SEALED
from health.people.reminders import FOLLOW_UP_DUE
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import Counter

from .people_world import DEADLINE, World, application, opened, reading, refusal

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOPICS = {
    MEASUREMENT_TAKEN: "health",
    f"{MEASUREMENT_TAKEN}.health.dlt": "health",
    FOLLOW_UP_DUE: "operator",
    REGISTER_SEALED: "operator",
}


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
    async with opened(mesh, tmp_path_factory.mktemp("people")) as world:
        yield world


class Secret:
    """Something nobody may find, in every form that it could be kept in by mistake."""

    def __init__(self, *texts: str | bytes) -> None:
        self._forms: set[bytes] = set()
        for text in texts:
            plain = text if isinstance(text, bytes) else text.encode()
            written = {plain}
            if isinstance(text, str):
                written |= {text.replace("-", "").encode(), json.dumps(text)[1:-1].encode()}
            for one in written:
                digest = hashlib.sha256(one).digest()
                self._forms |= {one, one.hex().encode(), digest, digest.hex().encode()}
                if len(one) >= 16:
                    self._forms.add(base64.b64encode(one))

    def within(self, content: bytes) -> bool:
        return any(_stands(form, content) for form in self._forms)


def _stands(form: bytes, content: bytes) -> bool:
    """Eight digits are within long hexadecimal numbers by chance: they stand by themselves."""
    if form.isdigit() and len(form) <= 8:
        return bool(re.search(rb"(?<![0-9a-f])" + form + rb"(?![0-9a-f])", content))
    return form in content


async def database(world: World) -> bytes:
    """Every row of every table, byte strings as hexadecimal digits."""
    tables = await world.rows(
        "select format('%%I.%%I', schemaname, tablename) as name from pg_tables"
        " where schemaname not in ('pg_catalog', 'information_schema')"
    )
    assert {"public.person", "public.idempotency", "public.outbox"} <= {t["name"] for t in tables}
    content = []
    for table in tables:
        rows = await world.rows(f"select t::text as content from {table['name']} t")
        content += [str(row["content"]) for row in rows]
    return "\n".join(content).encode()


def files(world: World, mesh: Mesh) -> Iterable[bytes]:
    """The database server's own files, whose write-ahead log holds what was deleted long ago; what
    all parts logged; and the keyring."""
    for folder in (mesh.state / "postgres" / "data", mesh.state / "logs", world.keys):
        for path in folder.rglob("*"):
            if path.is_file():
                yield path.read_bytes()


async def topics(world: World) -> bytes:
    """Whatever is on the topics, headers too."""
    written = [
        record for topic, name in TOPICS.items() for record in await world.topic(topic, name)
    ]
    return b"\n".join(
        part
        for one in written
        for part in (one.key, one.value, *(value for _, value in one.headers))
        if part
    )


def traced(spans: InMemorySpanExporter) -> bytes:
    return "\n".join(span.to_json() for span in spans.get_finished_spans()).encode()


async def metrics(world: World) -> bytes:
    """What Prometheus is given, and all that the part counts."""
    async with ClientSession() as http, http.get(f"{world.service.http_url}/metrics") as answer:
        assert answer.status == 200
        given = await answer.read()
    counted = world.reader.get_metrics_data()
    return given + (counted.to_json().encode() if counted else b"")


async def everything_there_is_to_do(world: World) -> Secret:
    """With one person's data: enrolled, again, wrongly, measured, shown, refused, forgotten."""
    request = application(
        name="남궁옥분",
        birth_date="1931-07-19",
        contact="010-2468-1357",
        medical_note="디곡신 복용",
    )
    other = pb.EnrolPersonRequest()
    other.CopyFrom(request)
    other.zone = "한솔동"

    async def enrol(request: pb.EnrolPersonRequest) -> str:
        return (await world.stub.EnrolPerson(request, timeout=DEADLINE)).person_token

    token = await enrol(request)
    assert await enrol(request) == token
    await refusal(enrol(other))
    other.birth_date = "1931-07-19T"
    await refusal(enrol(other))
    who = await world.enrol(
        name=request.name, birth_date=request.birth_date, medical_note=request.medical_note
    )
    secret = Secret(
        *(request.name, request.birth_date, request.contact, request.medical_note),
        *(token, who.token, "139.0625", await world.keyring.load(who.person_id) or b""),
    )
    await world.measure(who, reading(Code.BLOOD_PRESSURE, 139.0625, diastolic=71))
    await world.taken_in()
    answer = await world.trend(who.token, kiosk_pb2.MEASUREMENT_CODE_BLOOD_PRESSURE)
    assert [point.measurement.value for point in answer.points] == [139.0625]
    await refusal(world.trend(who.token, 0))
    await refusal(world.trend(f"{token[:-1]}1", kiosk_pb2.MEASUREMENT_CODE_BLOOD_PRESSURE))
    await refusal(world.stub.ListFollowUps(pb.ListFollowUpsRequest(page_token=who.token)))
    await refusal(world.stub.EnrolPerson(application(idempotency_key=who.token)))
    path = world.keys / f"{who.person_id}.key"
    key = path.read_bytes()
    path.write_bytes(b"damaged")
    await world.execute("update measurement set sealed = 'x' where person_id = %s", who.person_id)
    await refusal(world.trend(who.token, kiosk_pb2.MEASUREMENT_CODE_BLOOD_PRESSURE))
    path.write_bytes(key)
    await world.trend(who.token, kiosk_pb2.MEASUREMENT_CODE_BLOOD_PRESSURE)
    await world.withdraw(who)
    await world.taken_in()
    return secret


async def test_nobody_is_told(
    world: World, mesh: Mesh, spans: InMemorySpanExporter, capfd: pytest.CaptureFixture[str]
) -> None:
    secret = await everything_there_is_to_do(world)
    logged = "".join(capfd.readouterr()).encode()

    assert b"call refused" in logged
    assert not secret.within(logged)
    assert b"PersonService/GetTrend" in traced(spans)
    assert not secret.within(traced(spans))
    assert not secret.within(await metrics(world))
    assert not secret.within(await database(world))
    assert not any(map(secret.within, files(world, mesh)))
    assert not secret.within(await topics(world))


async def test_what_is_planted_is_found(
    world: World, mesh: Mesh, spans: InMemorySpanExporter, capfd: pytest.CaptureFixture[str]
) -> None:
    name = f"김철수{uuid4()}"
    secret = Secret(name)
    structlog.get_logger().info("planted", name=name)
    assert secret.within("".join(capfd.readouterr()).encode())

    with trace.get_tracer("test").start_as_current_span("planted", attributes={"name": name}):
        pass
    assert secret.within(traced(spans))

    Counter("planted", "What is planted.", ["name"]).labels(name).inc()
    assert secret.within(await metrics(world))

    for kept in (name.encode(), hashlib.sha256(name.encode()).digest()):
        identity = uuid4()
        await world.execute(
            "insert into person (person_id, token_mac, status, zone, priority, purposes,"
            " consent_version, consented_at) values (%s, %s, 'FORGOTTEN', '', 0, '{}', '', %s)",
            *(identity, kept, datetime.now(UTC)),
        )
        assert secret.within(await database(world))
        await world.execute("delete from person where person_id = %s", identity)
        assert not secret.within(await database(world))
    assert any(map(secret.within, files(world, mesh)))

    planted = Record(MEASUREMENT_TAKEN, b"planted", None, [("planted", name.encode())])
    async with world.service.backbone.database.transaction() as connection:
        await add_records(connection, [planted])
    assert secret.within(await topics(world))
