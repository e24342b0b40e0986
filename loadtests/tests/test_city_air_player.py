"""The player against a sensors of the test's own, over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from city.sensors.v1 import sensors_pb2 as pb
from city.sensors.v1.sensors_pb2_grpc import (
    SensorsServiceStub,
    add_SensorsServiceServicer_to_server,
)
from city_backbone.settings import TlsSettings
from hypothesis import given
from hypothesis import strategies as st
from tenacity import wait_none

from loadtests.city.air.model import readings
from loadtests.city.air.player import AirPlayer, horizon
from loadtests.city.errors import RefusedError, SettingsError
from loadtests.city.settings import CitySettings

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@dataclass
class World:
    """One sensors, one player's clock, which runs only while the player rests."""

    sensors: Any
    stub: Any
    rests: list[float]
    elapsed: float = 0.0
    settings: dict[str, Any] = field(default_factory=dict)

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.elapsed)

    async def rest(self, seconds: float) -> None:
        """Time passes as `rests` tells; then the player is stopped as by SIGTERM."""
        if not self.rests:
            raise asyncio.CancelledError
        self.elapsed += self.rests.pop(0)

    def player(self, **changes: Any) -> AirPlayer:
        nowhere = Path("unused.pem")
        given = {"tls": TlsSettings(cert_file=nowhere, key_file=nowhere, ca_file=nowhere)}
        return AirPlayer(
            self.stub,
            CitySettings.model_validate(given | changes),
            now=self.now,
            monotonic=lambda: self.elapsed,
            rest=self.rest,
            backoff=wait_none(),
        )

    async def play(self, **changes: Any) -> AirPlayer:
        """Play through all rests."""
        player = self.player(**changes)
        async with asyncio.timeout(60):
            with pytest.raises(asyncio.CancelledError):
                await player.run()
        return player


@pytest_asyncio.fixture
async def world(sensors: Any) -> AsyncIterator[World]:
    server = grpc.aio.server()
    add_SensorsServiceServicer_to_server(sensors, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield World(sensors, SensorsServiceStub(channel), rests=[10.0, 10.0])
    await server.stop(None)


def _expected(start: datetime, end: datetime) -> list[tuple[str, datetime]]:
    return [(one.station_id, one.measured_at) for one in readings(1, start, end)]


@pytest.mark.asyncio
async def test_it_registers_every_station_and_sends_each_reading_once(world: World) -> None:
    start = NOW - timedelta(days=3)
    player = await world.play(start=start)
    assert len(world.sensors.stations) == len(world.sensors.keys) == 90
    station = world.sensors.stations["sejong-areum-01"]
    assert (station.dong, station.kind) == ("아름동", pb.STATION_KIND_IOT)
    assert (station.interval_minutes, len(station.pollutants)) == (10, 6)
    assert world.sensors.taken == _expected(start, start + timedelta(hours=2))
    assert player.outcome["accepted"] == len(world.sensors.taken)
    assert player.outcome["duplicates"] == player.outcome["refused"] == 0


@pytest.mark.asyncio
async def test_registering_again_is_the_same_change(world: World) -> None:
    player = world.player()
    await player.register()
    await player.register()
    assert len(world.sensors.keys) == 90


@pytest.mark.asyncio
async def test_an_unacknowledged_chunk_is_repeated_and_nothing_is_left_out(world: World) -> None:
    start = NOW - timedelta(days=3)
    world.sensors.fail_before = [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED]
    world.sensors.fail_after = [grpc.StatusCode.UNAVAILABLE]
    player = await world.play(start=start)
    first = world.sensors.calls[0]
    assert world.sensors.calls[:4] == [first] * 4
    assert world.sensors.taken == _expected(start, start + timedelta(hours=2))
    assert player.outcome["duplicates"] == len(first)


@pytest.mark.asyncio
async def test_it_catches_up_with_now_and_sends_nothing_of_the_future(world: World) -> None:
    start = NOW - timedelta(hours=3)
    world.rests = [600.0, 600.0, 600.0]
    await world.play(start=start, hours_per_second=1.0)
    assert world.sensors.taken == _expected(start, NOW + timedelta(minutes=30))
    assert max(time for _, time in world.sensors.taken) < world.now()


@pytest.mark.asyncio
async def test_calls_stay_small_while_catching_up(world: World) -> None:
    world.rests = [3600.0]
    await world.play(start=NOW - timedelta(hours=6), hours_per_second=1000)
    assert max(len(call) for call in world.sensors.calls) <= 1000


@pytest.mark.asyncio
async def test_it_goes_on_where_sensors_stands(world: World) -> None:
    hour = NOW - timedelta(hours=5)
    for station_id, end in [
        ("sejong-areum-01", hour - timedelta(hours=1)),
        ("sejong-areum-02", hour),
        ("seoul-1", NOW),
    ]:
        one = pb.AirQuality(station_id=station_id)
        one.hour_end.FromDatetime(end)
        world.sensors.map.append(one)
    assert await world.player().first() == hour


@pytest.mark.asyncio
async def test_without_anything_known_it_begins_sixty_days_ago(world: World) -> None:
    assert await world.player().first() == NOW - timedelta(days=60)


@pytest.mark.asyncio
async def test_a_start_in_the_future_is_refused(world: World) -> None:
    with pytest.raises(SettingsError, match="--start"):
        await world.player(start=NOW + timedelta(seconds=1)).first()


@pytest.mark.asyncio
async def test_stations_that_sensors_has_forgotten_are_registered_again(world: World) -> None:
    player = world.player()
    start = NOW - timedelta(days=1)
    await player._publish(tuple(readings(1, start, start + timedelta(minutes=10))))
    assert len(world.sensors.stations) == 90
    assert world.sensors.taken == _expected(start, start + timedelta(minutes=10))
    assert player.outcome["accepted"] == 90
    assert player.outcome["refused"] == 0


@pytest.mark.asyncio
async def test_a_refusal_that_would_come_again_ends_it_by_name(world: World) -> None:
    world.sensors.fail_before = [grpc.StatusCode.PERMISSION_DENIED]
    with pytest.raises(RefusedError, match="PublishReadings: PERMISSION_DENIED: told to"):
        await world.player(start=NOW - timedelta(days=1)).run()


@given(
    elapsed=st.floats(0, 1e6),
    speed=st.floats(1e-3, 1000),
    ago=st.timedeltas(timedelta(), timedelta(days=4000)),
)
def test_the_horizon_is_between_start_and_now(elapsed: float, speed: float, ago: timedelta) -> None:
    start = NOW - ago
    assert start <= horizon(start, elapsed, speed, NOW) <= NOW
    assert horizon(start, elapsed, speed, NOW) <= horizon(start, elapsed + 1, speed, NOW)
