"""What emergency asks its neighbours: each call once, within a deadline.

A neighbour that is away gives Missing, never an exception.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any, TypeVar
from uuid import UUID

import grpc
import grpc.aio
from city.cameras.v1 import camera_pb2, camera_pb2_grpc, lease_pb2, lease_pb2_grpc
from city.health.v1 import person_pb2, person_pb2_grpc
from city.parking.v1 import vault_pb2, vault_pb2_grpc
from city.sensors.v1 import sensors_pb2, sensors_pb2_grpc
from city.type.v1.position_pb2 import Position as PositionMessage
from city_backbone.errors import BackboneError
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

from emergency.context import case
from emergency.domain import context
from emergency.domain.cases import AcuteCase
from emergency.domain.context import Air, LeasedCamera, Missing, NearCamera
from emergency.domain.incident import Incident, Position
from emergency.domain.place import box, distance_metres
from emergency.domain.vehicles import ParkedCar
from emergency.settings import ContextSettings, SceneSettings, VehicleSettings
from emergency.telemetry import Metrics

T = TypeVar("T")

_GRADES = {
    sensors_pb2.GRADE_GOOD: "좋음",
    sensors_pb2.GRADE_MODERATE: "보통",
    sensors_pb2.GRADE_BAD: "나쁨",
    sensors_pb2.GRADE_VERY_BAD: "매우나쁨",
}
_POLLUTANTS = {
    sensors_pb2.POLLUTANT_PM10: ("PM10", "µg/m³"),
    sensors_pb2.POLLUTANT_PM25: ("PM2.5", "µg/m³"),
    sensors_pb2.POLLUTANT_O3: ("O3", "ppm"),
    sensors_pb2.POLLUTANT_NO2: ("NO2", "ppm"),
    sensors_pb2.POLLUTANT_CO: ("CO", "ppm"),
    sensors_pb2.POLLUTANT_SO2: ("SO2", "ppm"),
}
# The same question gets the same answer, however often it is put.
_FINAL = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)
# But of these: parking and health hear of incidents by our events, which are on their way.
_NOT_YET = frozenset({"INCIDENT_UNKNOWN", "INCIDENT_ELSEWHERE", "INCIDENT_WITHOUT_PLACE"})
_WORDS = {
    grpc.StatusCode.DEADLINE_EXCEEDED: "시간 초과",
    grpc.StatusCode.UNAVAILABLE: "응답 없음",
}


class Neighbours:
    """`channel` gives the channel to a department, or raises BackboneError."""

    def __init__(
        self,
        channel: Callable[[str], grpc.aio.Channel],
        settings: ContextSettings,
        scene: SceneSettings,
        vehicles: VehicleSettings,
        metrics: Metrics,
    ) -> None:
        self._channel = channel
        self._settings = settings
        self._scene = scene
        self._vehicles = vehicles
        self._metrics = metrics

    async def cameras_near(self, position: Position) -> list[NearCamera] | Missing:
        """Cameras that look at the place, nearest first."""
        request = camera_pb2.FindNearRequest(
            point=_message(position),
            radius_metres=self._settings.camera_metres,
            limit=self._settings.camera_limit,
            looking_at_point=True,
        )

        async def ask() -> list[NearCamera]:
            stub: Any = camera_pb2_grpc.CameraServiceStub(self._channel("cameras"))
            answer = await stub.FindNear(request, timeout=self._settings.deadline_seconds)
            return [NearCamera(one.camera.camera_id, one.distance_metres) for one in answer.cameras]

        return await self._asked("cameras", ask)

    async def air_near(self, position: Position) -> Air | Missing | None:
        """The nearest station that is not silent and has a recent hour; None without any."""
        south_west, north_east = box(position, self._settings.air_metres)
        request = sensors_pb2.GetMapRequest(
            south_west=_message(south_west), north_east=_message(north_east)
        )

        async def ask() -> Air | None:
            stub: Any = sensors_pb2_grpc.SensorsServiceStub(self._channel("sensors"))
            answer = await stub.GetMap(request, timeout=self._settings.deadline_seconds)
            oldest = datetime.now(UTC) - timedelta(hours=self._settings.air_hours)
            near = []
            for one in answer.air_qualities:
                air = None if one.silent else _air(one)
                if air is not None and air.hour_end >= oldest:
                    near.append((distance_metres(position, air.position), one.station_id, air))
            nearest = min(near, default=None, key=lambda found: found[:2])
            within = nearest is not None and nearest[0] <= self._settings.air_metres
            return nearest[2] if nearest is not None and within else None

        return await self._asked("sensors", ask)

    async def lease_scene(self, incident: Incident, room: str) -> list[LeasedCamera] | Missing:
        """The cameras around, under leases in force; the same ones when asked again."""
        facts = incident.facts
        if facts.position is None:
            return Missing("위치 없음", again=False)
        ground = context.ground(incident.kind, facts.grade)
        request = lease_pb2.LeaseSceneRequest(
            incident_id=str(incident.id),
            kind=incident.kind,
            point=_message(facts.position),
            ground=lease_pb2.LegalGround.Value(f"LEGAL_GROUND_{ground}"),
            room=room,
            radius_metres=self._scene.radius_metres,
            limit=self._scene.limit,
        )

        async def ask() -> list[LeasedCamera]:
            stub: Any = lease_pb2_grpc.LeaseServiceStub(self._channel("cameras"))
            answer = await stub.LeaseScene(request, timeout=self._settings.deadline_seconds)
            return [_leased(one) for one in answer.cameras]

        return await self._asked("cameras", ask)

    async def cars_around(self, incident: Incident, room: str) -> list[ParkedCar] | Missing:
        """The cars checked in around, nearest first: who asks must be the 119 room."""
        if incident.facts.position is None:
            return Missing("위치 없음", again=False)
        request = vault_pb2.FindBlockingVehiclesRequest(
            incident_id=str(incident.id),
            requester=room,
            around=vault_pb2.Around(
                point=_message(incident.facts.position),
                radius_metres=self._vehicles.radius_metres,
            ),
        )

        async def ask() -> list[ParkedCar]:
            stub: Any = vault_pb2_grpc.VaultServiceStub(self._channel("parking"))
            answer = await stub.FindBlockingVehicles(
                request, timeout=self._settings.deadline_seconds
            )
            return [_parked(one) for one in answer.vehicles]

        return await self._asked("parking", ask)

    async def case(self, incident_id: UUID, case_id: str, room: str) -> AcuteCase | Missing:
        """Who it is of, and what was measured: who asks must be the 119 room."""
        request = person_pb2.GetCaseRequest(
            case_id=case_id, incident_id=str(incident_id), requester=room
        )

        async def ask() -> AcuteCase:
            stub: Any = person_pb2_grpc.PersonServiceStub(self._channel("health"))
            answer = await stub.GetCase(request, timeout=self._settings.deadline_seconds)
            return case.read(answer)

        return await self._asked("health", ask)

    async def _asked(self, department: str, ask: Callable[[], Awaitable[T]]) -> T | Missing:
        try:
            answer = await ask()
        except grpc.aio.AioRpcError as error:
            code = error.code()
            if code is grpc.StatusCode.FAILED_PRECONDITION and _reason(error) in _NOT_YET:
                self._metrics.asked(department, "not_yet")
                return Missing("아직 전달되지 않은 사건")
            # What the neighbour says may quote anything; its code does not.
            missing = Missing(_WORDS.get(code, f"오류 {code.name}"), again=code not in _FINAL)
        except BackboneError:
            missing = Missing("응답 없음")
        except ValueError:
            missing = Missing("읽을 수 없는 응답")
        else:
            self._metrics.asked(department, "answered")
            return answer
        self._metrics.asked(department, "missing")
        return missing


def _message(position: Position) -> PositionMessage:
    return PositionMessage(latitude=position.latitude, longitude=position.longitude)


def _position(message: PositionMessage) -> Position:
    if not (isfinite(message.latitude) and isfinite(message.longitude)):
        raise ValueError("position: expected degrees")
    return Position(message.latitude, message.longitude)


def _air(one: sensors_pb2.AirQuality) -> Air | None:
    if not one.HasField("position"):
        return None
    worst = next(
        (known for known in one.pollutants if known.pollutant == one.dominant_pollutant),
        one.pollutants[0] if one.pollutants else None,
    )
    mean = ""
    if worst is not None and worst.pollutant in _POLLUTANTS:
        name, unit = _POLLUTANTS[worst.pollutant]
        mean = f"{name} {worst.hourly_mean:.4g} {unit}"
    return Air(
        dong=one.dong,
        position=_position(one.position),
        hour_end=one.hour_end.ToDatetime(tzinfo=UTC),
        index=one.index if one.HasField("index") else None,
        grade=_GRADES.get(one.grade, ""),
        mean=mean,
    )


def _leased(one: lease_pb2.SceneCamera) -> LeasedCamera:
    return LeasedCamera(
        near=NearCamera(one.lease.camera_id, one.distance_metres),
        position=_position(one.position),
        looks=one.looks_at_point,
        token=one.token,
        until=one.token_expires_at.ToDatetime(tzinfo=UTC),
    )


def _parked(one: vault_pb2.BlockingVehicle) -> ParkedCar:
    return ParkedCar(
        plate=one.plate,
        contact=one.contact,
        bay_id=one.bay_id,
        distance_metres=one.distance_metres,
        position=_position(one.position),
    )


def _reason(error: grpc.aio.AioRpcError) -> str:
    """The word for programs in the error's details, if it has any."""
    try:
        status = rpc_status.from_call(error)
    except ValueError:
        return ""
    info = ErrorInfo()
    reasons = [info.reason for detail in status.details if detail.Unpack(info)] if status else []
    return reasons[0] if reasons else ""
