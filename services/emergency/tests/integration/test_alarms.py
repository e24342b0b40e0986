"""From an escalated alarm to the desks, on the real broker, registry and database.

The rooms are loadtests' stand-ins; `cameras` and `sensors` are stand-ins too, see parts.py.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Literal, get_args
from uuid import UUID, uuid4

import aiohttp
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from city.emergency.v1 import emergency_pb2 as pb
from city.emergency.v1.emergency_pb2_grpc import EmergencyServiceStub
from city.type.v1.position_pb2 import Position
from city_backbone.events import OutgoingEvent, event_id
from city_backbone.testing import Mesh, RunningService, eventually, run_service
from emergency.bootstrap import bootstrap
from emergency.settings import EmergencySettings

from loadtests.rooms import Room, RoomSettings
from loadtests.rooms.sender import SendRequest

from .conftest import API_KEY
from .parts import Neighbours, Publisher, away, kafka

pytestmark = pytest.mark.asyncio(loop_scope="module")

REPOSITORY = Path(__file__).parents[4]
ALARMS = "cameras.alarm-escalated.v1"
INCIDENTS = "emergency.incident-changed.v1"
PEER_KEY = "key-of-the-112-room"
UNTIL = "20261122130000"
Kind = Literal["112", "119", "disaster"]


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


@pytest.fixture
def spot() -> Spot:
    chance = Random(uuid4().int)
    return Spot(chance.uniform(34, 38), chance.uniform(126, 129))


@dataclass(frozen=True)
class City:
    mesh: Mesh
    service: RunningService[EmergencySettings]
    rooms: dict[Kind, Room]
    neighbours: Neighbours
    cameras: Publisher

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
    codes = {"send_code": "B4113000000", "system_code": "IPC", "api_key": PEER_KEY}
    return {
        "EMERGENCY_ROOMS": json.dumps(told),
        "EMERGENCY_PEER_ROOMS": json.dumps([{"name": "112", **codes}]),
        "EMERGENCY_DELIVERY__POLL_SECONDS": "0.2",
        "EMERGENCY_PEERS": neighbours.peers,
        "EMERGENCY_CONTEXT__DEADLINE_SECONDS": "5",
        "EMERGENCY_CONTEXT__POLL_SECONDS": "0.2",
        "EMERGENCY_SCENE__BACKOFF_BASE_SECONDS": "0.2",
        "EMERGENCY_SCENE__BACKOFF_CAP_SECONDS": "0.2",
        "EMERGENCY_SCENE__ATTEMPTS": "3",
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(mesh: Mesh, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[City]:
    cameras = mesh.environment("cameras")
    url = f"{cameras['CAMERAS_REGISTRY__URL']}/subjects/{ALARMS}-value/versions/latest"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        schema_id = int((await answer.json(content_type=None))["id"])
    schema = REPOSITORY / "services/cameras/events/alarm_escalated.v1.avsc"
    folder = tmp_path_factory.mktemp("rooms")
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
        producer = AIOKafkaProducer(**kafka(cameras, "CAMERAS"), acks="all")
        await stack.enter_async_context(producer)
        publisher = Publisher(producer, schema, schema_id)
        yield City(mesh, service, rooms, neighbours, publisher)


@pytest.fixture
def city(running: City) -> City:
    running.neighbours.reset()
    return running


async def test_a_fight_calls_the_112_desk_and_then_tells_the_context(
    city: City, spot: Spot
) -> None:
    alarm = spot.alarm("FIGHT")
    incident = await city.escalate(alarm)
    await city.escalate(alarm)
    await city.escalate(alarm, again="under another event id")
    await eventually(city.told("112", incident, "10", "40"), seconds=40)
    first, second = city.events("112", incident)
    assert (first.evtId, first.evtGrad, first.evtNm) == ("112UC120", "10", "112 긴급출동 지원")
    assert (first.items["policeCode"], first.items["ruleVersion"]) == ("1", "1")
    assert "카메라" not in first.items
    assert second.items["카메라"] == "living-0001-1 (12 m)"
    assert second.items["대기질"] == "보람동 CAI 112 나쁨 (PM10 132 µg/m³)"
    assert city.events("119", incident) == city.events("disaster", incident) == []

    one = await city.incident(incident)
    assert (one.kind, one.title, one.police_code, list(one.desks)) == ("fight", "싸움", 1, ["112"])
    assert (one.revision, one.items["대기질"]) == (2, second.items["대기질"])
    asked = [r for r in city.neighbours.requests if r.DESCRIPTOR.name == "FindNearRequest"]
    # Other departments' tests may have left alarms on the topic; theirs are elsewhere.
    (request,) = (r for r in asked if r.point.latitude == spot.latitude)
    assert (request.looking_at_point, request.limit) == (True, 5)

    rows = await city.rows("select 1 from incident_alarm where incident_id = %s", UUID(incident))
    assert len(rows) == 1


async def test_alarms_of_one_place_are_one_incident_for_both_desks(city: City, spot: Spot) -> None:
    incident = await city.escalate(spot.alarm("FALL", site_id="living-0001"))
    await eventually(city.told("119", incident, "10", "40"), seconds=40)
    await city.escalate(spot.alarm("FIGHT", seconds=5, site_id="park-0007"))
    await eventually(city.told("119", incident, "10", "40", "40"))
    # A change to the 119 desk is what the 112 desk hears first.
    await eventually(city.told("112", incident, "10"))
    await city.clear(incident)
    await eventually(city.told("119", incident, "10", "40", "40", "50"))
    await eventually(city.told("112", incident, "10", "50"))
    events = city.events("112", incident)
    assert {event.evtId for event in events} == {"112UC120"}
    assert {event.evtId for event in city.events("119", incident)} == {"119UC001"}
    assert (events[0].items["policeCode"], events[0].items["경보 수"]) == ("1", "2")
    for room in city.rooms.values():
        counts = room.counts()
        assert (counts.duplicates, counts.out_of_order, counts.refused) == (0, 0, 0)

    other = await city.escalate(spot.alarm("FALL", seconds=8))
    await eventually(city.told("119", other, "10", "40"))


async def test_the_event_tells_code_and_desks(city: City, spot: Spot) -> None:
    incident = await city.escalate(spot.alarm("ARSON"))
    await eventually(city.told("119", incident, "10", "40"), seconds=40)
    consumer = AIOKafkaConsumer(
        INCIDENTS,
        **kafka(city.mesh.environment("operator"), "OPERATOR"),
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    async with consumer, asyncio.timeout(30):
        async for record in consumer:
            if record.key == incident.encode():
                break
    # Code 0, then an array of two strings, written by Avro as two's length and zig-zag numbers.
    assert record.value.endswith(b"\x02\x00\x04\x06119\x06112\x00")


async def test_what_departments_report_goes_by_kind_and_not_to_desks(city: City) -> None:
    answer = await city.stub.ReportIncident(
        pb.ReportIncidentRequest(
            idempotency_key=str(uuid4()),
            kind="fire",
            grade=pb.INCIDENT_GRADE_URGENT,
            title="화재",
            position=Position(latitude=37.7, longitude=127.0),
        )
    )
    incident = answer.incident.incident_id
    await eventually(city.told("disaster", incident, "10"))
    deliveries = (await city.incident(incident)).deliveries
    assert [delivery.room for delivery in deliveries] == ["disaster"]


async def test_what_is_missing_is_said(city: City, spot: Spot) -> None:
    stuck = asyncio.Event()

    async def hang(_: Any) -> Any:
        await stuck.wait()

    city.neighbours.answers |= {"FindNear": hang, "GetMap": away}
    incident = await city.escalate(spot.alarm("FIGHT"))
    await eventually(city.told("112", incident, "10", "40"), seconds=40)
    stuck.set()
    items = city.events("112", incident)[1].items
    assert items["카메라"] == "확인 불가: 시간 초과"
    assert items["대기질"] == "확인 불가: 응답 없음"


async def test_an_incident_that_ended_meanwhile_gets_no_context(city: City, spot: Spot) -> None:
    asked, ended = asyncio.Event(), asyncio.Event()

    async def slow(_: Any) -> Any:
        asked.set()
        await ended.wait()
        raise ConnectionError

    city.neighbours.answers["FindNear"] = slow
    incident = await city.escalate(spot.alarm("FIGHT"))
    async with asyncio.timeout(40):
        await asked.wait()
    await city.clear(incident)
    ended.set()
    await eventually(partial(city.gathered, incident))
    assert [change.status for change in (await city.incident(incident)).history] == [1, 3]
    await eventually(city.told("112", incident, "10", "50"))


async def test_an_unusable_alarm_stops_nobody(city: City, spot: Spot) -> None:
    bad = await city.escalate(spot.alarm("UNKNOWN", site_id="one-site"))
    good = await city.escalate(spot.alarm("FIGHT", site_id="one-site"))
    await eventually(city.told("112", good, "10", "40"), seconds=40)
    assert await city.rows("select 1 from incident where incident_id = %s", UUID(bad)) == []


SEOUL = timezone(timedelta(hours=9))


class Asking:
    """The 112 room asking for video of one occurrence."""

    def __init__(self, city: City, spot: Spot) -> None:
        self._city = city
        self._spot = spot
        self.number = datetime.now(UTC).strftime("%Y%m%d%H%M%S%f")[:17]
        self.incident_id = str(event_id("incident", "scsns", "B4113000000_IPC", self.number))

    async def send(self, status: str = "10", **changes: Any) -> None:
        place = {"crdntX": str(self._spot.longitude), "crdntY": str(self._spot.latitude)}
        body = {
            "evtId": "112UC001",
            "evtNm": "112센터 긴급영상 지원",
            "evtGrad": "20",
            "ocrNbr": self.number,
            "ocrSts": status,
            "ocrLc": {**place, "crdntZ": "0"},
            "ocrPlc": "의정부역 동부광장",
            "ocrEvtCn": "절도 신고",
            **changes,
        }
        sent = await self._city.rooms["112"].send(
            SendRequest.model_validate(
                {"target": self._city.service.http_url, "api_key": PEER_KEY, "body": body}
            )
        )
        assert sent.event is not None
        assert sent.event.answer["result"] == "0"

    async def answers(self, count: int) -> list[Any]:
        """What came back under the room's own number."""

        async def arrived() -> list[Any]:
            events = self._city.rooms["112"].events()
            found = [event for event in events if event.ocrNbr == self.number]
            return found if len(found) >= count else []

        return await eventually(arrived)


async def test_a_room_that_asks_for_video_gets_cameras_and_tokens(
    city: City, spot: Spot, capfd: pytest.CaptureFixture[str]
) -> None:
    room = Asking(city, spot)
    await room.send()
    await room.send("40", ocrEvtCn="2명 도주")
    (answer,) = await room.answers(1)
    token = f"token-of-{room.incident_id}"
    assert (answer.evtId, answer.ocrSts) == ("112UC001", "40")
    assert answer.items["카메라"] == "living-0001-1 (12 m)"
    assert answer.items["카메라 1"] == "living-0001-1 (12 m, 지점을 비춤)"
    assert answer.items["카메라 1 위치"] == f"{spot.latitude:.6f},{spot.longitude:.6f}"
    assert (answer.items["카메라 1 토큰"], answer.items["카메라 1 시한"]) == (token, UNTIL)
    assert answer.items["대기질"].startswith("보람동 CAI 112")
    (request,) = (r for r in city.neighbours.requests if r.DESCRIPTOR.name == "LeaseSceneRequest")
    assert (request.incident_id, request.kind, request.room) == (
        room.incident_id,
        "112UC001",
        "112",
    )
    assert (request.ground, request.radius_metres, request.limit) == (2, 150, 8)

    async def acknowledged() -> bool:
        rows = await city.rows(
            "select state from room_message where incident_id = %s and answer",
            UUID(room.incident_id),
        )
        return [row["state"] for row in rows] == ["acknowledged"]

    await eventually(acknowledged)
    # The secret has reached the room, and is nowhere else.
    assert token not in str(await city.incident(room.incident_id))
    for table in ("incident", "incident_change", "room_message", "context_request", "outbox"):
        found = await city.rows(
            f"select count(*) as n from {table} t where t::text like %s", f"%{token}%"
        )
        assert found == [{"n": 0}], table
    logged = "".join(capfd.readouterr())
    assert "room answered" in logged
    assert token not in logged
    # No revision came of it: the others were told what the room said, and no more.
    await eventually(city.told("disaster", room.incident_id, "10", "40"))
    assert (await city.incident(room.incident_id)).revision == 2


async def test_a_room_that_asks_again_later_gets_fresh_tokens_and_its_echo_goes_nowhere(
    city: City, spot: Spot
) -> None:
    room = Asking(city, spot)
    await room.send()
    (answer,) = await room.answers(1)
    token = answer.items["카메라 1 토큰"]
    async with city.service.backbone.database.transaction() as connection:
        await connection.execute(
            "update context_request set answered_at = now() - interval '2 minutes'"
            " where incident_id = %s",
            (UUID(room.incident_id),),
        )

    async def a_second_later() -> bool:
        return bool(f"{datetime.now(SEOUL):%Y%m%d%H%M%S}" > answer.ocrEvtStsTime)

    # In less, two answers would be one to the room: it is told whole seconds.
    await eventually(a_second_later)
    echoed = [{"key": key, "val": value} for key, value in answer.items.items()]
    await room.send("40", ocrEvtItemCnt=str(len(echoed)), ocrEvtItem=echoed)
    _, again = await room.answers(2)
    assert again.items["카메라 1 토큰"] == token
    await eventually(city.told("disaster", room.incident_id, "10", "40"))
    assert token not in str(await city.incident(room.incident_id))
    assert token not in str(city.events("disaster", room.incident_id))


async def test_a_room_is_told_that_there_is_no_video_now_and_gets_it_later(
    city: City, spot: Spot
) -> None:
    async def broken(_: Any) -> Any:
        city.neighbours.reset()
        raise RuntimeError("the first time only")

    city.neighbours.answers["LeaseScene"] = broken
    room = Asking(city, spot)
    await room.send(evtGrad="10")
    first, second = await room.answers(2)
    assert first.items["카메라"] == "확인 불가: 오류 UNKNOWN"
    assert second.items["카메라 1 토큰"] == f"token-of-{room.incident_id}"
    assert (first.items["answer"], second.items["answer"]) == ("1", "2")
    assert first.ocrEvtStsTime < second.ocrEvtStsTime
    await eventually(partial(city.gathered, room.incident_id))
    assert (city.rooms["112"].counts().duplicates, city.rooms["112"].counts().out_of_order) == (
        0,
        0,
    )


async def test_a_room_is_told_when_it_was_tried_often_enough(city: City, spot: Spot) -> None:
    city.neighbours.answers["LeaseScene"] = away
    room = Asking(city, spot)
    await room.send()
    await room.answers(2)
    await eventually(partial(city.gathered, room.incident_id))
    (row,) = await city.rows(
        "select attempts, answers from context_request where incident_id = %s",
        UUID(room.incident_id),
    )
    assert row == {"attempts": 3, "answers": 2}


async def test_an_occurrence_that_ended_is_not_answered(city: City, spot: Spot) -> None:
    asked, ended = asyncio.Event(), asyncio.Event()
    scene = city.neighbours.answers["LeaseScene"]

    async def slow(request: Any) -> Any:
        asked.set()
        await ended.wait()
        return await scene(request)

    city.neighbours.answers["LeaseScene"] = slow
    room = Asking(city, spot)
    await room.send()
    async with asyncio.timeout(20):
        await asked.wait()
    await room.send("90")
    ended.set()
    await eventually(partial(city.gathered, room.incident_id))
    assert (
        await city.rows(
            "select 1 from room_message where incident_id = %s and answer", UUID(room.incident_id)
        )
        == []
    )


async def test_a_room_that_gives_no_place_is_asked_nothing_until_it_does(
    city: City, spot: Spot
) -> None:
    room = Asking(city, spot)
    await room.send(ocrLc={"crdntX": "", "crdntY": "", "crdntZ": ""})
    wanted = "select 1 from context_request where incident_id = %s"
    assert await city.rows(wanted, UUID(room.incident_id)) == []
    await room.send("40")
    (answer,) = await room.answers(1)
    assert "카메라 1 토큰" in answer.items
