"""What is measured is nowhere in clear: not in rows, events, logs, spans or errors. The
search is shown to find what is planted there."""

import json
from collections.abc import AsyncIterator, Sequence
from uuid import uuid4

import grpc.aio
import pytest
import pytest_asyncio
import structlog
from city_backbone.telemetry import Wordless
from city_backbone.testing import Mesh
from health.measuring.measurement import Code, Measurement
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from .kiosks_world import Enrolled, World, begin, end, measured, opened, reading

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
async def world(mesh: Mesh, spans: InMemorySpanExporter) -> AsyncIterator[World]:
    async with opened(mesh) as world:
        yield world


def secrets(person: Enrolled) -> Sequence[str]:
    """The values below, and what of the person might be written down with them."""
    return ("187.6", "121.3", "271.1", "9317.1", "김복순", "010-1234-5678", person.token)


TAKEN = [
    (Code.BLOOD_PRESSURE, 187.625, 121.375, None),
    (Code.GLUCOSE, 271.125, None, True),
    (Code.OXYGEN_SATURATION, 88.0, None, None),
]


def readings() -> list[Measurement]:
    return [
        reading(code, value, diastolic=diastolic, fasting=fasting)
        for code, value, diastolic, fasting in TAKEN
    ]


async def everything(world: World, person: Enrolled) -> list[str]:
    """Measured, measured again, refused; what the kiosk is told of refusals."""
    kiosk_id, session_id, taken = await world.kiosk(), uuid4(), readings()
    await world.session(kiosk_id, person.token, taken, session_id)
    await world.session(kiosk_id, person.token, taken, session_id)
    said = []
    started = begin(uuid4(), kiosk_id, person.token)
    for *fine, wrong in (
        [started, measured(1, reading(Code.HEART_RATE, 9317.125))],
        [started, measured(1, reading(Code.BLOOD_PRESSURE, 187.625, diastolic=187.625))],
        [started, measured(2, taken[0])],
        [started, measured(1, taken[0]), end(0)],
        [begin(uuid4(), person.token, kiosk_id)],
        [begin(uuid4(), kiosk_id, f"{person.token}x")],
        [begin(uuid4(), kiosk_id, person.token, {"session_id": person.token})],
    ):
        line = world.line()
        for request in fine:
            await line.say(request)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await line.say(wrong)
        said.append(str(refused.value))
    return said


async def database(world: World) -> str:
    """Every row of every table."""
    tables = await world.rows("select tablename as name from pg_tables where schemaname = 'public'")
    assert {"measurement", "idempotency", "outbox", "acute_case"} <= {one["name"] for one in tables}
    content = [
        row["content"]
        for table in tables
        for row in await world.rows(f'select t::text as content from "{table["name"]}" t')
    ]
    return "\n".join(content)


async def topics(world: World) -> str:
    await world.measurements.all()
    await world.acute.all()
    return b"\n".join(world.measurements.raw + world.acute.raw).decode("latin-1")


def traced(spans: InMemorySpanExporter) -> str:
    return "\n".join(span.to_json() for span in spans.get_finished_spans())


async def test_nothing_measured_is_anywhere_in_clear(
    world: World, spans: InMemorySpanExporter, capfd: pytest.CaptureFixture[str]
) -> None:
    person = await world.enrol()
    said = await everything(world, person)
    assert len(await world.told(person)) == len(TAKEN) + 1
    found = {
        "rows": await database(world),
        "events": await topics(world),
        "spans": traced(spans),
        "logs": "".join(capfd.readouterr()),
        "errors": "\n".join(said),
    }
    for where, content in found.items():
        for secret in secrets(person):
            for form in (secret, json.dumps(secret)[1:-1]):
                assert form not in content, where
    for where in ("spans", "logs"):
        for code in Code:
            assert code not in found[where]
    assert str(person.person_id) in found["rows"]
    assert str(person.person_id) in found["events"]


async def test_what_is_planted_is_found(
    world: World, spans: InMemorySpanExporter, capfd: pytest.CaptureFixture[str]
) -> None:
    structlog.get_logger().info("planted", value=187.625)
    with trace.get_tracer("test").start_as_current_span("planted", attributes={"value": 187.625}):
        pass
    assert "187.6" in "".join(capfd.readouterr())
    assert "187.6" in traced(spans)
    kiosk_id, session_id = await world.kiosk(place="187.625"), uuid4()
    assert "187.6" in await database(world)
    taken = [reading(Code.OXYGEN_SATURATION, 80)]
    await world.session(kiosk_id, (await world.enrol()).token, taken, session_id)
    assert await world.cases(session_id)
    assert "187.6" in await topics(world)


async def test_rows_and_events_have_no_other_fields(world: World) -> None:
    person, session_id = await world.enrol(), uuid4()
    await world.session(await world.kiosk(), person.token, readings(), session_id)
    assert len(await world.told(person)) == len(TAKEN)
    rows = await world.rows("select * from measurement where session_id = %s", session_id)
    assert {name for row in rows for name in row} == {
        *("measurement_id", "person_id", "session_id", "sequence", "kiosk_id"),
        *("sealed", "stored_at"),
    }
    assert len({len(row["sealed"]) for row in rows}) == 1
    events = [
        one for one in await world.measurements.all() if one["person_id"] == str(person.person_id)
    ]
    assert {name for one in events for name in one} - {"key", "ce_id"} == {
        *("measurement_id", "person_id", "sealed", "stored_at")
    }
    assert {one["key"] for one in events} == {str(row["measurement_id"]) for row in rows}
    assert {bytes(one["sealed"]) for one in events} == {bytes(row["sealed"]) for row in rows}
