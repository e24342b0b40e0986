"""A service's life: it starts or says why not, tells its health, and stops when told."""

import asyncio
import json
import os
import signal
import socket
from pathlib import Path

import pytest
from city_backbone.runtime import running
from city_backbone.testing import Mesh, eventually, run_service
from probe.bootstrap import ProbeSettings, bootstrap

from .processes import get, probe
from .proxy import Proxy, proxy
from .things import (
    DEAD,
    TOPIC,
    Database,
    Source,
    number,
    outbox_is_empty,
    settings_of,
)


async def test_sigterm_ends_a_service_with_a_batch_in_hand_and_nothing_is_lost(
    mesh: Mesh, source: Source, database: Database, environment: dict[str, str], tmp_path: Path
) -> None:
    """The stop commits offsets, so this also shows that none is committed before its effect."""
    await source.send(range(5))
    waiting = "select count(*) from pg_locks where relation = 'effect'::regclass and not granted"
    async with probe(environment, TMPDIR=str(tmp_path)) as service:
        await service.logged("service ready")
        await source.has_counted(database, 5)
        async with database.transaction():
            await database.execute("lock table effect in exclusive mode")
            await source.send(range(5, 100))

            async def in_hand() -> bool:
                return await number(database, waiting) > 0

            await eventually(in_hand)
            assert await service.end(signal.SIGTERM, seconds=10) == 0
        assert await source.count(database) == 5
    events = [line["event"] for line in service.lines]
    assert events[-1] == "service stopped"
    assert not os.listdir(tmp_path)
    assert events.index("service ready") < events.index("service draining")
    async with run_service(mesh, ProbeSettings, bootstrap, "probe"):
        await source.has_counted(database, 100)
        await outbox_is_empty(database)
    rows = await source.effects(database)
    assert sorted(row["count"] for row in rows) == list(range(100))


METRICS = (
    'messaging_client_consumed_messages_total{messaging_destination_name="probe.thing-counted.v1"',
    'messaging_client_sent_messages_total{messaging_destination_name="probe.thing-doubled.v1"',
    "messaging_process_duration_seconds_count{",
    "city_stream_time_lag_seconds{",
    "city_stream_dead_letters_total{",
    "city_stream_parked{",
    "city_outbox_oldest_age_seconds{",
    'city_build_info{otel_scope_name="probe",otel_scope_schema_url="",otel_scope_version="",role="all"',
    "city_service_live{",
    "city_service_ready{",
    "city_stream_joined{",
    "city_certificate_expiry_seconds{",
)


async def test_sigterm_ends_a_service_whose_thread_never_ends(environment: dict[str, str]) -> None:
    async with probe(environment, "probe.stubborn", PROBE_SHUTDOWN_SECONDS="1") as service:
        await service.logged("service ready")
        assert await service.end(signal.SIGTERM) == 1
    assert service.lines[-1]["event"] == "service did not end in time"
    assert "stubborn" in service.lines[-1]["threads"]


async def test_logs_and_metrics_tell_what_was_done_and_never_quote_an_event(
    source: Source, database: Database, environment: dict[str, str]
) -> None:
    canary = f"canary-{os.urandom(4).hex()}"
    await source.send([0], note=canary)
    await source.send([1], key=f"{canary}-unwelcome")
    await source.send([2], count=-1, note=canary)
    await source.send([3], note=canary)
    async with probe(environment) as service:
        ready = await service.logged("service ready")
        dead = [await service.logged("event dead-lettered") for _ in range(2)]
        await source.has_counted(database, 2)
        await outbox_is_empty(database)

        async def metrics() -> str:
            status, text = await get(f"http://127.0.0.1:{ready['http_port']}/metrics")
            assert status == 200
            return text if all(name in text for name in METRICS) else ""

        assert canary not in await eventually(metrics)
        assert await service.end(signal.SIGTERM) == 0
    reasons = [
        dict(record.headers)["dlt_reason"].decode()
        for record in await source.records(environment, DEAD)
    ]
    assert any(canary in reason for reason in reasons), "the error was to quote the event"
    assert canary not in service.text
    for line in service.lines:
        assert line.keys() >= {"event", "level", "timestamp", "service", "department"}
        assert (line["service"], line["department"]) == ("probe", "probe")
    for line in dead:
        assert line["topic"] == TOPIC
        assert line["outcome"] == "dead"
        assert {"partition", "offset", "trace_id", "span_id"} <= line.keys()
    failed = [line for line in service.lines if line["event"] == "event failed"]
    assert {line["event_id"] for line in failed} == {str(source.id(1)), str(source.id(2))}
    assert any("CheckViolation" in line["exception"] for line in failed)


async def test_health_and_readiness_tell_the_truth(mesh: Mesh, environment: dict[str, str]) -> None:
    async with proxy(environment["PROBE_KAFKA__BOOTSTRAP_SERVERS"], held=True) as broker:
        settings = settings_of(mesh, {"PROBE_KAFKA__BOOTSTRAP_SERVERS": broker.address})
        async with running(settings, bootstrap, "probe") as started:
            url = f"http://127.0.0.1:{started.http_port}"
            assert (await get(f"{url}/healthz"))[0] == 200
            status, text = await get(f"{url}/readyz")
            assert status == 503
            assert json.loads(text)["problems"] == ["stream: joining the consumer group"]
            await broker.open()

            async def ready() -> bool:
                return (await get(f"{url}/readyz"))[0] == 200

            await eventually(ready, seconds=30)
            assert started.grpc_port > 0


async def test_who_starts_while_no_broker_is_there_serves_and_joins_when_it_is(
    mesh: Mesh, environment: dict[str, str]
) -> None:
    tries = 0

    def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal tries
        tries += 1
        writer.transport.abort()

    broker = Proxy(environment["PROBE_KAFKA__BOOTSTRAP_SERVERS"])
    refusing = await asyncio.start_server(refuse, "127.0.0.1", 0)
    broker.port = refusing.sockets[0].getsockname()[1]
    settings = settings_of(mesh, {"PROBE_KAFKA__BOOTSTRAP_SERVERS": broker.address})
    async with running(settings, bootstrap, "probe") as started:
        url = f"http://127.0.0.1:{started.http_port}"

        async def tried() -> bool:
            return tries > 10  # by whoever is to send and whoever is to consume

        async def ready() -> bool:
            return (await get(f"{url}/readyz"))[0] == 200

        await eventually(tried)
        assert not started.backbone.stopping.is_set()
        assert (await get(f"{url}/healthz"))[0] == 200
        assert not await ready()
        refusing.close()
        await broker.open()
        try:
            await eventually(ready, seconds=30)
        finally:
            await broker.cut()


async def test_a_wrong_setting_stops_the_start_with_one_line(environment: dict[str, str]) -> None:
    async with probe(environment, PROBE_KAFKA__SESSION_TIMEOUT_SECONDS="soon") as service:
        assert await service.end() == 1
    (line,) = service.lines
    assert line["level"] == "error"
    assert "PROBE_KAFKA__SESSION_TIMEOUT_SECONDS" in line["error"]


@pytest.mark.parametrize("name", ["GRPC", "HTTP", "HEALTH"])
async def test_a_port_that_is_taken_stops_the_start_with_one_clear_line(
    environment: dict[str, str], name: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        async with probe(environment, **{f"PROBE_{name}__PORT": port}) as service:
            assert await service.end() == 1
    (line,) = [line for line in service.lines if line["level"] in ("error", "critical")]
    assert f"{name}__PORT" in line["error"]
    assert port in line["error"]
    assert "exception" not in line
