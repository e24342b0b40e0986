"""Channels to the departments that the city is played into."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from city.cameras.v1.alarm_pb2_grpc import AlarmServiceStub
from city.cameras.v1.camera_pb2_grpc import CameraServiceStub
from city.cameras.v1.detection_pb2_grpc import DetectionServiceStub
from city.sensors.v1.sensors_pb2_grpc import SensorsServiceStub
from city_backbone import errors
from city_backbone.rpc.channel import open_channel
from tenacity import wait_random_exponential

from loadtests.city.air.player import AirPlayer
from loadtests.city.calls import Calls
from loadtests.city.cameras.background import Load
from loadtests.city.cameras.desk import Desk
from loadtests.city.cameras.operators import Operators
from loadtests.city.cameras.player import CameraPlayer
from loadtests.city.errors import SettingsError
from loadtests.city.health.office import Office as HealthOffice
from loadtests.city.health.player import HealthPlayer
from loadtests.city.health.visits import Load as HealthLoad
from loadtests.city.parking.office import Office
from loadtests.city.parking.player import ParkingPlayer
from loadtests.city.parking.trips import Load as ParkingLoad
from loadtests.city.scenes.player import ScenePlayer
from loadtests.city.settings import CitySettings

# Alarms, drivers and people at kiosks do not wait: a restarted service is found again soon.
_SOON = wait_random_exponential(multiplier=0.2, max=2)
OPERATOR = "operator-model"


class Departments:
    """Makes the players over one channel a department."""

    def __init__(self, settings: CitySettings) -> None:
        self._settings = settings
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._cameras_calls = Calls("cameras", settings.call_seconds, _SOON)

    def air(self) -> AirPlayer:
        """Raises SettingsError, as all of these do."""
        return AirPlayer(SensorsServiceStub(self._channel("sensors")), self._settings)

    def cameras(self, rate: float) -> CameraPlayer:
        channel = self._channel("cameras")
        load = Load(self._settings.seed, rate, self._settings.alarms_per_hour)
        return CameraPlayer(
            CameraServiceStub(channel), DetectionServiceStub(channel), load, self._cameras_calls
        )

    def operators(self) -> Operators:
        alarms = AlarmServiceStub(self._channel("cameras"))
        desk = Desk(alarms, self._cameras_calls, OPERATOR)
        return Operators(alarms, desk, self._settings.seed)

    def parking(self) -> ParkingPlayer:
        calls = Calls("parking", self._settings.call_seconds, _SOON)
        load = ParkingLoad(self._settings.seed, self._settings.parking_rate)
        return ParkingPlayer(Office(self._channel("parking"), calls), load)

    def health(self) -> HealthPlayer:
        calls = Calls("health", self._settings.call_seconds, _SOON)
        load = HealthLoad(
            self._settings.seed, self._settings.health_rate, self._settings.acute_per_hour
        )
        return HealthPlayer(HealthOffice(self._channel("health"), calls), load)

    def scenes(self) -> ScenePlayer:
        channel = self._channel("cameras")
        return ScenePlayer(
            DetectionServiceStub(channel),
            self._cameras_calls,
            Desk(AlarmServiceStub(channel), self._cameras_calls, OPERATOR),
            SensorsServiceStub(self._channel("sensors")),
            Calls("sensors", self._settings.call_seconds, _SOON),
            seed=self._settings.seed,
            deadline_seconds=self._settings.scene_seconds,
        )

    async def close(self) -> None:
        """Close every channel."""
        for channel in self._channels.values():
            await channel.close()

    def _channel(self, department: str) -> grpc.aio.Channel:
        if department not in self._channels:
            address = self._settings.address(department)
            try:
                self._channels[department] = open_channel(
                    address, self._settings.tls, server_name=department
                )
            except errors.SettingsError as error:
                raise SettingsError(f"--tls (LOADTESTS_TLS__*): {error}") from error
        return self._channels[department]


@asynccontextmanager
async def departments(settings: CitySettings) -> AsyncIterator[Departments]:
    """Channels that are closed in the end."""
    opened = Departments(settings)
    try:
        yield opened
    finally:
        await opened.close()
