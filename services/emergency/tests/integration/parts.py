"""What integration tests share: access to the broker as a department, and stand-in neighbours."""

import asyncio
import io
import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import randint
from typing import Any

import fastavro
import grpc
import grpc.aio
from aiokafka import AIOKafkaProducer
from city.cameras.v1 import camera_pb2, lease_pb2
from city.health.v1 import kiosk_pb2, person_pb2
from city.parking.v1 import vault_pb2
from city.sensors.v1 import sensors_pb2
from city.type.v1.position_pb2 import Position
from city_backbone.errors import FailedPrecondition
from city_backbone.events import OutgoingEvent, cloudevents_headers
from city_backbone.rpc.status import to_status
from city_backbone.testing import Mesh

Answer = Callable[[Any], Awaitable[Any]]


def kafka(environment: Mapping[str, str], name: str) -> dict[str, Any]:
    """Arguments of an aiokafka client that is the department `name`."""
    return {
        "bootstrap_servers": environment[f"{name}_KAFKA__BOOTSTRAP_SERVERS"],
        "security_protocol": environment[f"{name}_KAFKA__SECURITY_PROTOCOL"],
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": environment[f"{name}_KAFKA__USERNAME"],
        "sasl_plain_password": environment[f"{name}_KAFKA__PASSWORD"],
    }


class Publisher:
    """Publishes a topic's events as the department that owns it."""

    def __init__(self, producer: AIOKafkaProducer, schema: Path, schema_id: int) -> None:
        self._producer = producer
        self._schema = fastavro.parse_schema(json.loads(schema.read_text()))
        self._schema_id = schema_id

    async def publish(self, event: OutgoingEvent, source: str) -> None:
        """Returns when the broker has it."""
        value = io.BytesIO()
        value.write(struct.pack(">bI", 0, self._schema_id))
        fastavro.schemaless_writer(value, self._schema, event.data)
        await self._producer.send_and_wait(
            event.topic,
            key=event.key.encode(),
            value=value.getvalue(),
            headers=cloudevents_headers(event, source),
        )


_METHODS: Mapping[str, Sequence[tuple[str, tuple[str, Any]]]] = {
    "cameras": [
        ("city.cameras.v1.CameraService", ("FindNear", camera_pb2.FindNearRequest)),
        ("city.cameras.v1.LeaseService", ("LeaseScene", lease_pb2.LeaseSceneRequest)),
    ],
    "health": [
        ("city.health.v1.PersonService", ("GetCase", person_pb2.GetCaseRequest)),
    ],
    "parking": [
        (
            "city.parking.v1.VaultService",
            ("FindBlockingVehicles", vault_pb2.FindBlockingVehiclesRequest),
        )
    ],
    "sensors": [("city.sensors.v1.SensorsService", ("GetMap", sensors_pb2.GetMapRequest))],
}


async def away(_: Any) -> Any:
    """A method that answers as a neighbour does whose database is away."""
    raise ConnectionError


def refusing(reason: str) -> Answer:
    """A method that answers as a neighbour's state does not allow it."""

    async def refuse(_: Any) -> Any:
        raise FailedPrecondition(reason, "as the state is")

    return refuse


@dataclass
class Neighbours:
    """Stands in for `cameras`, `health`, `parking` and `sensors`: real gRPC servers with their
    certificates that give the answers a test sets. Nothing of those departments is behind it.
    """

    ports: dict[str, int] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[Any] = field(default_factory=list)

    @property
    def peers(self) -> str:
        """As the service's setting PEERS."""
        return json.dumps({name: f"127.0.0.1:{port}" for name, port in self.ports.items()})

    def reset(self) -> None:
        """Answer as neighbours that are well, and forget what was asked."""
        self.requests.clear()
        self.answers = {
            "FindNear": _cameras,
            "GetMap": _air,
            "LeaseScene": _scene,
            "FindBlockingVehicles": _vehicles,
            "GetCase": _case,
        }

    def _handler(self, service: str, method: str, request_type: Any) -> grpc.GenericRpcHandler:
        async def answer(request: Any, context: Any) -> Any:
            self.requests.append(request)
            try:
                return await self.answers[method](request)
            except ConnectionError:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "away")
            except FailedPrecondition as error:
                status: Any = to_status(error, service)
                await context.abort_with_status(status)

        handler: grpc.RpcMethodHandler[Any, Any] = grpc.unary_unary_rpc_method_handler(
            answer,
            request_deserializer=request_type.FromString,
            response_serializer=lambda response: response.SerializeToString(),
        )
        return grpc.method_handlers_generic_handler(service, {method: handler})

    @asynccontextmanager
    async def running(self, mesh: Mesh) -> AsyncIterator["Neighbours"]:
        """Until the block ends."""
        servers = []
        for department in _METHODS:
            server = grpc.aio.server()
            server.add_generic_rpc_handlers(
                [self._handler(service, *methods) for service, methods in _METHODS[department]]
            )
            self.ports[department] = server.add_secure_port(
                "127.0.0.1:0", _credentials(mesh.environment(department), department.upper())
            )
            await server.start()
            servers.append(server)
        self.reset()
        try:
            yield self
        finally:
            await asyncio.gather(*(server.stop(None) for server in servers))


def _credentials(environment: Mapping[str, str], name: str) -> grpc.ServerCredentials:
    key, cert, ca = (
        Path(environment[f"{name}_TLS__{part}_FILE"]).read_bytes() for part in ("KEY", "CERT", "CA")
    )
    return grpc.ssl_server_credentials([(key, cert)], ca, require_client_auth=True)


async def _cameras(_: Any) -> camera_pb2.FindNearResponse:
    return camera_pb2.FindNearResponse(
        cameras=[
            camera_pb2.NearCamera(
                camera=camera_pb2.Camera(camera_id="living-0001-1"), distance_metres=12.3
            )
        ]
    )


async def _air(request: Any) -> sensors_pb2.GetMapResponse:
    """A silent station, one of yesterday, one that is too far, and one to take."""
    middle = Position(
        latitude=(request.south_west.latitude + request.north_east.latitude) / 2,
        longitude=(request.south_west.longitude + request.north_east.longitude) / 2,
    )

    def station(number: int, **changes: Any) -> sensors_pb2.AirQuality:
        one = sensors_pb2.AirQuality(
            station_id=f"s{number}",
            dong="보람동",
            position=middle,
            index=110 + number,
            grade=sensors_pb2.GRADE_BAD,
            dominant_pollutant=sensors_pb2.POLLUTANT_PM10,
            pollutants=[
                sensors_pb2.PollutantAirQuality(
                    pollutant=sensors_pb2.POLLUTANT_PM10, hourly_mean=132
                )
            ],
        )
        one.hour_end.GetCurrentTime()
        for name, value in changes.items():
            if isinstance(value, Position):
                one.position.CopyFrom(value)
            else:
                setattr(one, name, value)
        return one

    old = station(1)
    old.hour_end.seconds -= 86_400
    return sensors_pb2.GetMapResponse(
        air_qualities=[
            old,
            station(0, silent=True),
            station(3, position=request.north_east),
            station(
                2, position=Position(latitude=middle.latitude + 0.001, longitude=middle.longitude)
            ),
        ]
    )


async def _scene(request: Any) -> lease_pb2.LeaseSceneResponse:
    camera = lease_pb2.SceneCamera(
        lease=lease_pb2.Lease(camera_id="living-0001-1"),
        position=request.point,
        distance_metres=12.3,
        looks_at_point=True,
        token=f"token-of-{request.incident_id}",
    )
    camera.token_expires_at.FromSeconds(1_795_320_000)
    return lease_pb2.LeaseSceneResponse(cameras=[camera])


# Others each run: nothing that an earlier one left in a database is taken for this one's.
PLATES = tuple(f"{randint(10, 99)}바{randint(1000, 9999)}" for _ in range(2))
CONTACT = f"010-{randint(1000, 9999)}-{randint(1000, 9999)}"


async def _vehicles(request: Any) -> vault_pb2.FindBlockingVehiclesResponse:
    return vault_pb2.FindBlockingVehiclesResponse(
        vehicles=[
            vault_pb2.BlockingVehicle(
                plate=plate,
                contact=CONTACT,
                bay_id=f"alley-1-{number}",
                position=request.around.point,
                distance_metres=12.3 * number,
            )
            for number, plate in enumerate(PLATES, 1)
        ]
    )


PATIENT = f"김복순{randint(100000, 999999)}"
PATIENTS_CONTACT = f"010-{randint(1000, 9999)}-{randint(1000, 9999)}"
PATIENTS_NOTE = f"와파린 {randint(100000, 999999)}"


async def _case(_: Any) -> person_pb2.GetCaseResponse:
    measured = kiosk_pb2.Measurement(
        code=kiosk_pb2.MEASUREMENT_CODE_BLOOD_PRESSURE, value=85.25, diastolic=50.25
    )
    measured.taken_at.FromSeconds(1_795_320_000)
    return person_pb2.GetCaseResponse(
        kiosk_id="jochiwon-1",
        place="조치원읍 행정복지센터",
        acute_score=6,
        measurements=[measured],
        age_years=78,
        name=PATIENT,
        contact=PATIENTS_CONTACT,
        medical_note=PATIENTS_NOTE,
    )
