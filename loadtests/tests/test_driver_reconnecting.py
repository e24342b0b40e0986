"""Devices that come back: each by a connection of its own, in place of the one it had."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import grpc.aio
import pytest
from city.parking.v1 import occupancy_pb2
from city.parking.v1.occupancy_pb2_grpc import (
    OccupancyServiceServicer,
    add_OccupancyServiceServicer_to_server,
)

from loadtests.driver import operations
from loadtests.driver.operation import World
from loadtests.driver.operations import reconnecting

_AT = datetime(2026, 3, 1, 12, 0, 0, 250_000, UTC)
_NAME = "parking.Reconnect"


class Street(OccupancyServiceServicer):
    """Notes who spoke, and of which sensors; it is full for the first `full` calls."""

    def __init__(self, full: int = 0) -> None:
        self.full = full
        self.peers: list[str] = []
        self.sensors: list[list[str]] = []

    async def ReportOccupancy(self, requests: Any, context: Any) -> Any:
        if self.full:
            self.full -= 1
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "full")
        self.peers.append(context.peer())
        self.sensors.append([one.sensor_id async for each in requests for one in each.readings])
        return occupancy_pb2.ReportOccupancyResponse()

    async def RegisterSensors(self, request: Any, context: Any) -> Any:
        raise AssertionError("not called by a device that comes back")

    GetLotOccupancy = ListDisputes = GetDispute = ResolveDispute = RegisterSensors


@asynccontextmanager
async def opened(
    monkeypatch: pytest.MonkeyPatch, street: Street | None, **settings: object
) -> AsyncIterator[Any]:
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    if street is not None:
        add_OccupancyServiceServicer_to_server(street, server)
        await server.start()

    def channel(world: World, department: str, who: str, *, apart: bool) -> grpc.aio.Channel:
        assert (department, who, apart) == ("parking", "loadtests", True)
        options = [("grpc.use_local_subchannel_pool", 1)]
        return grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options)

    monkeypatch.setattr(reconnecting, "channel", channel)
    try:
        world = World({}, 1, settings={"bays": 6, "gateways": 2, **settings})
        async with operations.opened(world, [_NAME]) as found:
            yield found[_NAME]
    finally:
        await server.stop(None)


async def test_each_device_is_back_by_a_connection_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    street = Street()
    async with opened(monkeypatch, street) as back:
        found = [await back(_AT + timedelta(seconds=number), number) for number in range(4)]
    assert [one.status for one in found] == ["ok"] * 4
    assert [one.key for one in found] == ["parking-0", "parking-1"] * 2
    assert len(set(street.peers)) == 4
    ids = [f"s-load-alley-{bay:05}" for bay in range(6)]
    assert street.sensors[:2] == [ids[0::2], ids[1::2]]


async def test_the_connection_that_a_device_had_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(monkeypatch, Street()) as back:
        await back(_AT, 0)
        (first,) = back._channels.values()
        await back(_AT, 2)
        (second,) = back._channels.values()
        assert first is not second
        assert first.get_state() is grpc.ChannelConnectivity.SHUTDOWN
    assert second.get_state() is grpc.ChannelConnectivity.SHUTDOWN


async def test_a_device_that_finds_nobody_has_failed_and_had_no_effect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with opened(monkeypatch, None, deadline_seconds=0.2) as back:
        outcome = await asyncio.wait_for(back(_AT, 1), 30)
    assert (outcome.status, outcome.key) == ("failed", "parking-1")
    assert "no connection" in outcome.detail


def test_every_department_has_devices() -> None:
    names = [f"{one}.Reconnect" for one in ("cameras", "sensors", "parking", "health", "emergency")]
    assert [own for _, own in operations.find(names)] == [names]
    with pytest.raises(operations.UnknownOperationError):
        list(operations.find(["nobody.Reconnect"]))


async def test_a_device_that_is_refused_because_all_is_full_tries_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    street = Street(full=2)
    async with opened(monkeypatch, street) as back:
        found = await back(_AT, 0)
    assert found.status == "ok"
    assert len(street.sensors) == 1


async def test_a_device_that_is_refused_to_its_deadline_has_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with opened(monkeypatch, Street(full=10_000), deadline_seconds=0.3) as back:
        found = await back(_AT, 0)
    assert found.status == "failed"
    assert found.detail.startswith("RESOURCE_EXHAUSTED")
