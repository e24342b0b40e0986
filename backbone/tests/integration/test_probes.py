"""What Kubernetes is told: whether the process is worth keeping, and whether it can serve."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import grpc
import grpc.aio
import pytest
from city_backbone import probes
from city_backbone.database import Connection
from city_backbone.events import Event
from city_backbone.runtime import Backbone, Running, Service, running
from city_backbone.stream.engine import Stalled
from city_backbone.stream.subscription import Subscription
from city_backbone.testing import Mesh, eventually
from grpc_health.v1 import health_pb2, health_pb2_grpc
from probe.bootstrap import ProbeSettings, bootstrap

from .processes import get
from .proxy import proxy
from .things import TOPIC, Source, settings_of

_Status: Any = health_pb2.HealthCheckResponse.ServingStatus
SERVING, NOT_SERVING = "SERVING", "NOT_SERVING"
OPEN = {"PROBE_HEALTH__PORT": "0", "PROBE_HEALTH__HOST": "127.0.0.1"}


@asynccontextmanager
async def kubelet(started: Running[ProbeSettings]) -> AsyncIterator[Any]:
    """Asks in plain text, as a kubelet does."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{started.health_port}") as channel:
        yield health_pb2_grpc.HealthStub(channel)


async def told(stub: Any, service: str) -> str:
    """SERVING or NOT_SERVING."""
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=2)
    return str(_Status.Name(answer.status))


async def watch(stub: Any, service: str, seen: list[str]) -> None:
    """Until the service has ended."""
    with suppress(grpc.aio.AioRpcError):
        async for answer in stub.Watch(health_pb2.HealthCheckRequest(service=service)):
            seen.append(_Status.Name(answer.status))


async def test_readiness_follows_the_stream_and_the_drain_and_liveness_does_not(
    mesh: Mesh, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, list[str]] = {"readiness": [], "liveness": []}
    async with (
        proxy(environment["PROBE_KAFKA__BOOTSTRAP_SERVERS"], held=True) as broker,
        asyncio.TaskGroup() as watching,
        AsyncExitStack() as outlasting,
    ):
        settings = settings_of(mesh, {**OPEN, "PROBE_KAFKA__BOOTSTRAP_SERVERS": broker.address})
        async with running(settings, bootstrap, "probe") as started:
            stub = await outlasting.enter_async_context(kubelet(started))
            for service, statuses in seen.items():
                watching.create_task(watch(stub, service, statuses))
            assert await told(stub, "readiness") == await told(stub, "") == NOT_SERVING
            assert await told(stub, "liveness") == SERVING
            await broker.open()

            async def ready() -> bool:
                return await told(stub, "") == SERVING

            await eventually(ready, seconds=30)
            assert await told(stub, "readiness") == SERVING
            with pytest.raises(grpc.aio.AioRpcError, match="NOT_FOUND"):
                await told(stub, "city.probe.v1.ProbeService")
            # Nothing but the drain itself tells of it.
            monkeypatch.setattr(probes, "_EVERY_SECONDS", 3600)
            await asyncio.sleep(1)
    assert seen == {"readiness": [NOT_SERVING, SERVING, NOT_SERVING], "liveness": [SERVING]}


async def test_a_stall_is_told_before_the_process_ends(mesh: Mesh, source: Source) -> None:
    async def stuck(_: Backbone[ProbeSettings]) -> Service:
        async def handle(connection: Connection, events: Sequence[Event]) -> None:
            await asyncio.Event().wait()

        return Service(subscriptions=[Subscription(TOPIC, handle)])

    async def stall() -> None:
        settings = settings_of(mesh, {**OPEN, "PROBE_STALL_SECONDS": "3"})
        async with running(settings, stuck, "probe") as started, kubelet(started) as stub:
            assert await told(stub, "liveness") == SERVING

            async def stalled() -> bool:
                return await told(stub, "liveness") == NOT_SERVING

            await eventually(stalled, seconds=30)
            status, text = await get(f"http://127.0.0.1:{started.http_port}/healthz")
            assert status == 503
            assert "no progress on" in text

    await source.send([0])
    with pytest.raises(BaseExceptionGroup) as caught:
        await stall()
    assert caught.group_contains(Stalled)


async def test_without_a_port_nobody_is_told(mesh: Mesh) -> None:
    async with running(settings_of(mesh), bootstrap, "probe") as started:
        assert started.health_port == 0
