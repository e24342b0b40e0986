"""Emergency with its rooms and neighbours: the rooms are loadtests' stand-ins, the neighbours are
stand-ins too, see parts.py."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Literal, get_args
from uuid import UUID, uuid4

import aiohttp
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from city.emergency.v1 import emergency_pb2 as pb
from city.emergency.v1.emergency_pb2_grpc import EmergencyServiceStub
from city_backbone.events import OutgoingEvent, event_id
from city_backbone.testing import Mesh, RunningService, eventually, run_service
from emergency.bootstrap import bootstrap
from emergency.settings import EmergencySettings

from loadtests.rooms import Room, RoomSettings
from loadtests.rooms.sender import SendRequest

from .conftest import API_KEY
from .parts import Neighbours, Publisher, kafka

DEPARTMENTS = Path(__file__).parents[3]
ALARMS = "cameras.alarm-escalated.v1"
ACUTE = "health.acute-reading-detected.v1"
INCIDENTS = "emergency.incident-changed.v1"
TABLES = (
    "incident",
    "incident_change",
    "room_message",
    "context_request",
    "outbox",
    "scsns_received",
    "scsns_session",
)
PEER_KEY = "key-of-a-room"
Kind = Literal["112", "119", "disaster"]
SEND_CODE = "B4113000000"
SYSTEM_CODES: dict[Kind, str] = {"112": "IPC", "119": "FDS"}


@dataclass(frozen=True)
class Spot:
    """A place that no other test uses; `alarm` is one seen there."""

    latitude: float
    longitude: float

    def alarm(self, kind: str, seconds: float = 0, **changes: Any) -> dict[str, Any]:
        at = datetime.now(UTC) + timedelta(seconds=seconds)
        return {
            "alarm_id": str(uuid4()),
            "kind": kind,
            "site_id": "living-0001",
            "place": "의정부역 동부광장",
            "purpose": "LIVING_AREA_SECURITY",
            "latitude": self.latitude,
            "longitude": self.longitude,
            "urgency": "URGENT",
            "occurred_at": at,
            "escalated_at": at,
            "escalated_by": "kim.operator",
            "automatic": False,
            "reason": "두 명이 다툼",
            "camera_ids": ["living-0001-1"],
            "rule_id": "fight",
            "rule_version": 1,
            **changes,
        }

    def reading(self, severity: str = "CRITICAL", **changes: Any) -> dict[str, Any]:
        at = datetime.now(UTC)
        return {
            "case_id": str(uuid4()),
            "kiosk_id": "jochiwon-1",
            "place": "조치원읍 행정복지센터",
            "zone": "조치원",
            "latitude": self.latitude,
            "longitude": self.longitude,
            "severity": severity,
            "score": 6,
            "rule_version": 1,
            "taken_at": at,
            "detected_at": at,
            **changes,
        }


def somewhere() -> Spot:
    """A place that no other test uses."""
    chance = Random(uuid4().int)
    return Spot(chance.uniform(34, 38), chance.uniform(126, 129))


@dataclass(frozen=True)
class City:
    mesh: Mesh
    service: RunningService[EmergencySettings]
    rooms: dict[Kind, Room]
    neighbours: Neighbours
    cameras: Publisher
    health: Publisher

    @property
    def stub(self) -> Any:
        return EmergencyServiceStub(self.service.channel)

    async def escalate(self, alarm: dict[str, Any], again: str = "") -> str:
        """The id of the incident that it opens if it opens one. `again` gives another event."""
        event = OutgoingEvent(
            ALARMS,
            alarm["site_id"],
            event_id(ALARMS, alarm["alarm_id"], again),
            alarm["escalated_at"],
            alarm,
        )
        await self.cameras.publish(event, "cameras")
        return str(event_id("incident", "cameras", alarm["alarm_id"]))

    async def detect(self, reading: dict[str, Any], again: str = "") -> str:
        """The id of the incident that an acute reading opens. `again` gives another event."""
        case_id = reading["case_id"]
        event = OutgoingEvent(
            ACUTE, case_id, event_id(ACUTE, case_id, again), reading["detected_at"], reading
        )
        await self.health.publish(event, "health")
        return str(event_id("incident", "health", case_id))

    async def incident(self, incident_id: str) -> pb.Incident:
        answer = await self.stub.GetIncident(pb.GetIncidentRequest(incident_id=incident_id))
        incident: pb.Incident = answer.incident
        return incident

    async def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        async with self.service.backbone.database.transaction() as connection:
            return await (await connection.execute(query, values)).fetchall()

    async def gathered(self, incident_id: str) -> bool:
        """Whether nothing more is wanted of its context."""
        found = await self.rows(
            "select state from context_request where incident_id = %s", UUID(incident_id)
        )
        return [row["state"] for row in found] == ["done"]

    def events(self, kind: Kind, incident_id: str) -> list[Any]:
        return [
            event
            for event in self.rooms[kind].events()
            if event.items["incidentId"] == incident_id and not event.repeat
        ]

    def told(self, kind: Kind, incident_id: str, *codes: str) -> Callable[[], Awaitable[bool]]:
        async def condition() -> bool:
            return [event.ocrSts for event in self.events(kind, incident_id)] == list(codes)

        return condition

    async def clear(self, incident_id: str) -> None:
        await self.stub.UpdateIncident(
            pb.UpdateIncidentRequest(
                idempotency_key=str(uuid4()),
                incident_id=incident_id,
                status=pb.INCIDENT_STATUS_CLEARED,
            )
        )


def settings(rooms: dict[Kind, Room], neighbours: Neighbours) -> dict[str, str]:
    told = []
    for kind, room in rooms.items():
        desks = [] if kind == "disaster" else [kind]
        key = API_KEY.get_secret_value()
        told.append({"name": kind, "url": room.url, "api_key": key, "desks": desks})
    peers = [
        {"name": room, "send_code": SEND_CODE, "system_code": code, "api_key": PEER_KEY}
        for room, code in SYSTEM_CODES.items()
    ]
    return {
        "EMERGENCY_ROOMS": json.dumps(told),
        "EMERGENCY_PEER_ROOMS": json.dumps(peers),
        "EMERGENCY_DELIVERY__POLL_SECONDS": "0.2",
        "EMERGENCY_PEERS": neighbours.peers,
        "EMERGENCY_CONTEXT__DEADLINE_SECONDS": "5",
        "EMERGENCY_CONTEXT__POLL_SECONDS": "0.2",
        "EMERGENCY_SCENE__BACKOFF_BASE_SECONDS": "0.2",
        "EMERGENCY_SCENE__BACKOFF_CAP_SECONDS": "0.2",
        "EMERGENCY_SCENE__ATTEMPTS": "3",
    }


@asynccontextmanager
async def opened(mesh: Mesh, folder: Path) -> AsyncIterator[City]:
    async with AsyncExitStack() as stack:
        rooms: dict[Kind, Room] = {}
        for kind in get_args(Kind):
            room = RoomSettings(kind=kind, record=folder / f"{kind}.jsonl", api_key=API_KEY)
            rooms[kind] = await stack.enter_async_context(Room(room).running())
        neighbours = await stack.enter_async_context(Neighbours().running(mesh))
        service = await stack.enter_async_context(
            run_service(
                mesh, EmergencySettings, bootstrap, "emergency", settings(rooms, neighbours)
            )
        )
        cameras = await stack.enter_async_context(
            _publishing(mesh, "cameras", ALARMS, "alarm_escalated.v1")
        )
        health = await stack.enter_async_context(
            _publishing(mesh, "health", ACUTE, "acute_reading_detected.v1")
        )
        yield City(mesh, service, rooms, neighbours, cameras, health)


@asynccontextmanager
async def _publishing(
    mesh: Mesh, department: str, topic: str, schema: str
) -> AsyncIterator[Publisher]:
    environment, prefix = mesh.environment(department), department.upper()
    url = f"{environment[f'{prefix}_REGISTRY__URL']}/subjects/{topic}-value/versions/latest"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        schema_id = int((await answer.json(content_type=None))["id"])
    path = DEPARTMENTS / f"{department}/events/{schema}.avsc"
    async with AIOKafkaProducer(**kafka(environment, prefix), acks="all") as producer:
        yield Publisher(producer, path, schema_id)


class Asking:
    """A room asking for video of one occurrence; the 112 room unless told otherwise."""

    def __init__(self, city: City, spot: Spot, room: Kind = "112", kind: str = "") -> None:
        self._city = city
        self._spot = spot
        self._room = room
        self._kind = kind or f"{room}UC001"
        self.number = datetime.now(UTC).strftime("%Y%m%d%H%M%S%f")[:17]
        sender = f"{SEND_CODE}_{SYSTEM_CODES[room]}"
        self.incident_id = str(event_id("incident", "scsns", sender, self.number))

    async def send(self, status: str = "10", **changes: Any) -> None:
        place = {"crdntX": str(self._spot.longitude), "crdntY": str(self._spot.latitude)}
        body = {
            "evtId": self._kind,
            "evtGrad": "20",
            "ocrNbr": self.number,
            "ocrSts": status,
            "ocrLc": {**place, "crdntZ": "0"},
            "ocrPlc": "의정부역 동부광장",
            "ocrEvtCn": "절도 신고",
            **changes,
        }
        sent = await self._city.rooms[self._room].send(
            SendRequest.model_validate(
                {
                    "target": self._city.service.http_url,
                    "api_key": PEER_KEY,
                    "body": body,
                    "sys_cd": SYSTEM_CODES[self._room],
                }
            )
        )
        assert sent.event is not None
        assert sent.event.answer["result"] == "0"

    async def answers(self, count: int) -> list[Any]:
        """What came back under the room's own number."""

        async def arrived() -> list[Any]:
            events = self._city.rooms[self._room].events()
            found = [event for event in events if event.ocrNbr == self.number]
            return found if len(found) >= count else []

        return await eventually(arrived)


async def settled(city: City, room: Asking) -> None:
    """Nothing more is wanted, and the room has every answer."""

    async def acknowledged() -> bool:
        rows = await city.rows(
            "select state from room_message where incident_id = %s and answer",
            UUID(room.incident_id),
        )
        return bool(rows) and {row["state"] for row in rows} == {"acknowledged"}

    await eventually(partial(city.gathered, room.incident_id))
    await eventually(acknowledged)


async def must_be_nowhere(city: City, room: Asking, logged: str, *secrets: str) -> None:
    """Not in the incident, its tables and events, what another room hears, and the log."""
    events = await told_of_incidents(city)
    for secret in secrets:
        assert secret not in str(await city.incident(room.incident_id))
        assert secret not in str(city.events("disaster", room.incident_id))
        assert secret not in logged
        for table in TABLES:
            found = await city.rows(
                f"select count(*) as n from {table} t where t::text like %s", f"%{secret}%"
            )
            assert found == [{"n": 0}], table
        assert secret.encode() not in events


async def told_of_incidents(city: City) -> bytes:
    """Everything on the topic of incidents."""
    consumer = AIOKafkaConsumer(
        **kafka(city.mesh.environment("operator"), "OPERATOR"), enable_auto_commit=False
    )
    async with consumer:
        partitions = [TopicPartition(INCIDENTS, number) for number in range(3)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        said = b""
        while any([await consumer.position(one) < ends[one] for one in partitions]):
            for batch in (await consumer.getmany(timeout_ms=1000)).values():
                said += b"".join(record.value for record in batch)
        assert said
        return said
