"""Settings: EMERGENCY_* variables; EMERGENCY_ROOMS and EMERGENCY_PEER_ROOMS are JSON."""

import pathlib
from typing import Annotated, Self

from city_backbone.settings import ServiceSettings
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from emergency.domain.dispatch import Desk

CityCode = Annotated[str, Field(pattern=r"^[A-Z][0-9]{10}$")]
SystemCode = Annotated[str, Field(pattern=r"^[A-Z0-9]{2,8}$")]
RoomName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
Path = Annotated[str, Field(pattern=r"^/")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RoomSettings(_Model):
    """A room that is told of incidents: those dispatched to its `desks`, or without, by `kinds`."""

    name: RoomName
    url: str = Field(pattern=r"^https?://[^/]")
    api_key: SecretStr = Field(min_length=1)
    receive_code: CityCode = "B4113000000"
    kinds: tuple[str, ...] = Field(default=("*",), min_length=1)
    desks: tuple[Desk, ...] = ()
    auth_path: Path = "/api/getAuth.json"
    event_path: Path = "/linkHttp/recvEvent.json"


class PeerRoomSettings(_Model):
    """A room that tells us of incidents; the same name as in `rooms` is the same room."""

    name: RoomName
    send_code: CityCode
    system_code: SystemCode
    api_key: SecretStr = Field(min_length=1)


class DeliverySettings(_Model):
    """How hard a room is tried; seconds where the name says so."""

    timeout_seconds: float = Field(default=5.0, gt=0)
    concurrency: int = Field(default=4, ge=1, le=32)
    backoff_base_seconds: float = Field(default=0.2, gt=0)
    backoff_cap_seconds: float = Field(default=15.0, gt=0)
    breaker_failures: int = Field(default=5, ge=1)
    breaker_seconds: float = Field(default=5.0, gt=0)
    poll_seconds: float = Field(default=1.0, gt=0)


class IncomingSettings(_Model):
    """What rooms that send to us may do."""

    session_seconds: float = Field(default=3600.0, gt=0)
    max_message_bytes: int = Field(default=256 * 1024, ge=1024, le=1024 * 1024)
    read_seconds: float = Field(default=10.0, gt=0)


class ContextSettings(_Model):
    """What is asked about an incident of alarms, and how long is waited; metres, seconds, hours."""

    deadline_seconds: float = Field(default=2.0, gt=0, le=30)
    concurrency: int = Field(default=16, ge=1, le=100)
    poll_seconds: float = Field(default=1.0, gt=0)
    camera_metres: float = Field(default=300.0, gt=0, le=5000)
    camera_limit: int = Field(default=5, ge=1, le=20)
    air_metres: float = Field(default=2000.0, gt=0, le=20_000)
    air_hours: float = Field(default=6.0, gt=0)

    @property
    def claim_seconds(self) -> float:
        """How long a replica keeps a request: its calls' deadline and time to write it down."""
        return self.deadline_seconds + 30.0


class SceneSettings(_Model):
    """The cameras that a room gets which asks for video, and how often neighbours are tried."""

    radius_metres: float = Field(default=150.0, gt=0, le=5000)
    limit: int = Field(default=8, ge=1, le=20)
    attempts: int = Field(default=8, ge=1)
    backoff_base_seconds: float = Field(default=1.0, gt=0)
    backoff_cap_seconds: float = Field(default=30.0, gt=0)


class VehicleSettings(_Model):
    """The cars that the 119 room is told of when it asks; `parking` knows within 300 m."""

    radius_metres: float = Field(default=100.0, gt=0, le=300)
    limit: int = Field(default=20, ge=1, le=50)


class CaseSettings(_Model):
    """Whom at a kiosk the 119 room is told of when it asks: how near to the place it asks for."""

    radius_metres: float = Field(default=100.0, gt=0, le=1000)
    limit: int = Field(default=3, ge=1, le=10)


class CityPosition(_Model):
    """WGS 84, degrees."""

    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)


class EmergencySettings(ServiceSettings):
    """`unknown_position` is sent, marked, for incidents without one: rooms may demand a place."""

    model_config = SettingsConfigDict(
        env_prefix="EMERGENCY_", env_nested_delimiter="__", extra="ignore"
    )

    # 32 random bytes in base64, under which answers wait for their rooms.
    answers_key: SecretStr = Field(min_length=44, max_length=44)
    send_code: CityCode = "B4113000000"
    system_code: SystemCode = "DHB"
    rooms: tuple[RoomSettings, ...] = ()
    peer_rooms: tuple[PeerRoomSettings, ...] = ()
    delivery: DeliverySettings = DeliverySettings()
    incoming: IncomingSettings = IncomingSettings()
    # The city hall of Uijeongbu.
    unknown_position: CityPosition | None = CityPosition(latitude=37.7381, longitude=127.0337)
    complete_after_hours: float = Field(default=24.0, gt=0)
    # Alarms this near to each other in place and time are one incident.
    merge_metres: float = Field(default=100.0, gt=0, le=5000)
    merge_seconds: float = Field(default=120.0, gt=0, le=86_400)
    # Instead of the rules in the package.
    dispatch_rules_file: pathlib.Path | None = None
    context: ContextSettings = ContextSettings()
    scene: SceneSettings = SceneSettings()
    vehicles: VehicleSettings = VehicleSettings()
    cases: CaseSettings = CaseSettings()

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        names = [room.name for room in self.rooms]
        if len(set(names)) != len(names):
            raise ValueError("rooms: expected each name once")
        codes = [(peer.send_code, peer.system_code) for peer in self.peer_rooms]
        if len(set(codes)) != len(codes):
            raise ValueError("peer_rooms: expected each send_code and system_code once")
        return self
