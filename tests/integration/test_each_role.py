"""Each department starts in each role, and does there what belongs there."""

import asyncio
import importlib
from collections.abc import Set
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from city_backbone.registration import load
from city_backbone.testing import Mesh, run_service
from grpc_health.v1 import health_pb2, health_pb2_grpc

DEPARTMENTS = ("cameras", "emergency", "health", "parking", "sensors")
SERVICES = Path(__file__).parents[2] / "services"
#: What only whoever takes calls can judge: that none came.
BESIDE_THE_SERVERS = {"cameras": {"judge presence"}, "sensors": {"find silences"}}
BOTH = {"outbox relay", "direct"}


def names() -> Set[str]:
    return {task.get_name() for task in asyncio.all_tasks()}


@pytest.mark.parametrize("department", DEPARTMENTS)
async def test_it_starts_in_each_role(mesh: Mesh, department: str) -> None:
    settings: Any = getattr(
        importlib.import_module(f"{department}.settings"), f"{department.title()}Settings"
    )
    bootstrap = importlib.import_module(f"{department}.bootstrap").bootstrap
    beside = BESIDE_THE_SERVERS.get(department, set())
    registered = load(SERVICES / department / "service.yaml")

    role = {f"{department.upper()}_ROLE": "rpc"}
    async with run_service(mesh, settings, bootstrap, department, role) as rpc:
        stub: Any = health_pb2_grpc.HealthStub(rpc.channel)
        for service in registered.serves:
            asked = health_pb2.HealthCheckRequest(service=service)
            answer = await stub.Check(asked, timeout=5)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        assert names() >= BOTH | beside
        assert not names() & {"stream", "inbox"}

    role = {f"{department.upper()}_ROLE": "stream"}
    async with run_service(mesh, settings, bootstrap, department, role) as stream:
        assert names() >= BOTH | {"inbox"}
        assert not names() & beside
        assert ("stream" in names()) == bool(registered.consumes)
        with pytest.raises(grpc.aio.AioRpcError, match="UNAVAILABLE"):
            await health_pb2_grpc.HealthStub(stream.channel).Check(
                health_pb2.HealthCheckRequest(), timeout=2
            )
