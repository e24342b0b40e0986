"""Devices that have lost their connection and come back: `<department>.Reconnect`.

A call is one device: it drops the connection it had, opens another (TCP, TLS, HTTP/2) and says what
such a device says first; while it is refused because the department is full it tries again, after
a random time. Response is counted from the instant at which it is to be back.

Settings, ASSUMPTION: `sites` (898: each has a recorder that speaks for its cameras), `stations`
(90), `gateways` (20: each has its part of the `bays`), `screens` (10, of rooms). Kiosks are the
model's.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import grpc
import grpc.aio
from city.cameras.v1.camera_pb2_grpc import CameraServiceStub
from city.cameras.v1.detection_pb2_grpc import DetectionServiceStub
from city.emergency.v1 import emergency_pb2
from city.emergency.v1.emergency_pb2_grpc import EmergencyServiceStub
from city.parking.v1 import occupancy_pb2
from city.parking.v1.occupancy_pb2_grpc import OccupancyServiceStub
from city.sensors.v1.sensors_pb2_grpc import SensorsServiceStub
from city_backbone.events import event_id
from tenacity import AsyncRetrying, retry_if_result, stop_after_delay, wait_random_exponential

from loadtests.city.air import wire as air
from loadtests.city.air.model import Reading
from loadtests.city.air.rates import PATTERNS
from loadtests.city.cameras import wire
from loadtests.city.cameras.estate import estate
from loadtests.city.cameras.kinds import Detection, Kind
from loadtests.city.health.kiosks import KIOSKS
from loadtests.driver.operation import Operation, Outcome, World, attempting
from loadtests.driver.operations import cameras, health, parking, sensors
from loadtests.driver.operations.calling import channel, connected, deadline, refused

_SUFFIX = ".Reconnect"
_PAGE = 20
_CANCELLED = grpc.StatusCode.CANCELLED
_FULL = grpc.StatusCode.RESOURCE_EXHAUSTED.name
# Screens are of operators.
_IDENTITIES = {"emergency": "operator"}
Saying = Callable[[grpc.aio.Channel, int, datetime, int], Awaitable[Outcome]]
"""What a device says first: its channel, its number, the intended instant, the call's number."""


def offers(name: str) -> bool:
    return name.endswith(_SUFFIX) and name.removesuffix(_SUFFIX) in _MAKERS


async def prepare(world: World, names: Collection[str]) -> None:
    for name in names:
        match name.removesuffix(_SUFFIX):
            case "cameras":
                await cameras.prepare(world, [cameras.HEARTBEATS])
            case "sensors":
                await sensors.prepare(world, [sensors.READINGS])
            case "parking":
                await parking.prepare(world, [parking.OCCUPANCY])
            case "health":
                await health.prepare(world, [health.SESSION])


@asynccontextmanager
async def open(world: World, names: Collection[str]) -> AsyncIterator[Mapping[str, Operation]]:
    async with AsyncExitStack() as stack:
        made: dict[str, Operation] = {}
        for name in names:
            department = name.removesuffix(_SUFFIX)
            devices, saying = await _MAKERS[department](world)
            one = Reconnect(name, world, devices, saying)
            stack.push_async_callback(one.close)
            made[name] = one
        yield made


class Reconnect:
    """Devices in turn, each with the one connection it has."""

    def __init__(self, name: str, world: World, devices: int, saying: Saying) -> None:
        self.name = name
        self._department = name.removesuffix(_SUFFIX)
        self._world = world
        self._devices = devices
        self._saying = saying
        self._deadline = deadline(world)
        self._channels: dict[int, grpc.aio.Channel] = {}

    async def __call__(self, intended: datetime, number: int) -> Outcome:
        device = number % self._devices
        if (lost := self._channels.pop(device, None)) is not None:
            await lost.close()
        who = _IDENTITIES.get(self._department, "loadtests")
        own = channel(self._world, self._department, who, apart=True)
        self._channels[device] = own
        key = f"{self._department}-{device}"
        try:
            await asyncio.wait_for(own.channel_ready(), self._deadline)
        except TimeoutError:
            return Outcome("failed", f"no connection in {self._deadline:g} s", key=key)
        attempts = AsyncRetrying(
            retry=retry_if_result(_full),
            wait=wait_random_exponential(0.2, max=2.0),
            stop=stop_after_delay(self._deadline),
            retry_error_callback=lambda state: state.outcome and state.outcome.result(),
        )
        outcome: Outcome = await attempts(self._said, own, device, intended, number)
        return replace(outcome, key=outcome.key or key)

    async def _said(
        self, own: grpc.aio.Channel, device: int, intended: datetime, number: int
    ) -> Outcome:
        try:
            return await self._saying(own, device, intended, number)
        except grpc.aio.AioRpcError as error:
            return refused(error, "")

    async def close(self) -> None:
        for own in self._channels.values():
            await own.close()


def _full(outcome: Outcome) -> bool:
    return outcome.status == "failed" and outcome.detail.startswith(_FULL)


async def _recorders(world: World) -> tuple[int, Saying]:
    """A heartbeat of each of a site's cameras, then what each sees."""
    seconds = deadline(world)
    background = estate(world.seed).background
    sites = background[: int(world.number("sites", len(background)))]

    async def say(own: grpc.aio.Channel, device: int, intended: datetime, number: int) -> Outcome:
        site, at = sites[device], cameras.micros(intended)
        heartbeats: Any = CameraServiceStub(own)
        message = wire.heartbeat_message(site.cameras, at)
        answer = await heartbeats.SendHeartbeats(iter((message,)), timeout=seconds)
        if answer.refused:
            return Outcome("failed", str(answer.problems[0])[:300])
        seen = [
            Detection(
                camera_id=camera.camera_id,
                kind=Kind.LOITERING,
                track_id=f"back-{at:x}-{number:x}",
                confidence=0.5,
                box=None,
                micros=at,
            )
            for camera in site.cameras
        ]
        detections: Any = DetectionServiceStub(own)
        return _at("cameras.object-detected.v1", await cameras.publish(detections, seen, seconds))

    return len(sites), say


async def _stations(world: World) -> tuple[int, Saying]:
    """A reading."""
    seconds = deadline(world)
    known = sensors.estate(world.seed, sensors.count(world))
    values = {pollutant: pattern.typical for pollutant, pattern in PATTERNS.items()}

    async def say(own: grpc.aio.Channel, device: int, intended: datetime, number: int) -> Outcome:
        station = known[device].station_id
        stub: Any = SensorsServiceStub(own)
        message = air.published([Reading(station, intended, values)])
        event = event_id(sensors.READING_TAKEN, station, intended.isoformat())
        attempting(f"{sensors.READING_TAKEN}/{event}")
        answer = await stub.PublishReadings(iter((message,)), timeout=seconds)
        if answer.refused:
            return Outcome("failed", str(answer.results[0])[:300], key=station)
        return _at(sensors.READING_TAKEN, Outcome("ok", "", (str(event),), station))

    return len(known), say


async def _gateways(world: World) -> tuple[int, Saying]:
    """What all of its bays' sensors say."""
    seconds = deadline(world)
    bays, gateways = parking.bays(world), int(world.number("gateways", 20))

    async def say(own: grpc.aio.Channel, device: int, intended: datetime, number: int) -> Outcome:
        message = occupancy_pb2.ReportOccupancyRequest()
        for bay in range(device, bays, gateways):
            message.readings.add(
                sensor_id=f"s-{parking.bay_id(bay)}",
                occupied=False,
                observed_at=wire.timestamp(cameras.micros(intended)),
            )
        stub: Any = OccupancyServiceStub(own)
        answer = await stub.ReportOccupancy(iter((message,)), timeout=seconds)
        if answer.refused:
            return Outcome("failed", str(answer.problems[0])[:300])
        return Outcome("ok")

    return gateways, say


async def _kiosks(world: World) -> tuple[int, Saying]:
    """A whole session."""
    async with connected(world, "health") as own:
        guests = await health.enrolled(own, world)

    async def say(own: grpc.aio.Channel, device: int, intended: datetime, number: int) -> Outcome:
        outcome = await Back(own, world, guests)(intended, number)
        return _at(health.MEASUREMENT_TAKEN, outcome)

    return len(KIOSKS), say


class Back(health.Session):
    """A session of a kiosk that is back."""

    name = f"health{_SUFFIX}"


async def _screens(world: World) -> tuple[int, Saying]:
    """The newest incidents, then the stream of what changes, which stays open."""
    seconds = deadline(world)
    watches: dict[int, Any] = {}

    async def say(own: grpc.aio.Channel, device: int, intended: datetime, number: int) -> Outcome:
        stub: Any = EmergencyServiceStub(own)
        before = watches.pop(device, None)
        if before is not None and (ended := await before.code()) is not _CANCELLED:
            return Outcome("failed", f"its stream had ended before: {ended.name}")
        await stub.ListIncidents(
            emergency_pb2.ListIncidentsRequest(page_size=_PAGE), timeout=seconds
        )
        watches[device] = stub.WatchIncidents(emergency_pb2.WatchIncidentsRequest())
        return Outcome("ok")

    return int(world.number("screens", 10)), say


def _at(place: str, outcome: Outcome) -> Outcome:
    """With ids that tell the checker where they are to be found."""
    return replace(outcome, acknowledged=tuple(f"{place}/{one}" for one in outcome.acknowledged))


_MAKERS: Mapping[str, Callable[[World], Awaitable[tuple[int, Saying]]]] = {
    "cameras": _recorders,
    "sensors": _stations,
    "parking": _gateways,
    "health": _kiosks,
    "emergency": _screens,
}
