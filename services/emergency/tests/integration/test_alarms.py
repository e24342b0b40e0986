"""From an escalated alarm to the desks, on the real broker, registry and database."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer
from city.emergency.v1 import emergency_pb2 as pb
from city.type.v1.position_pb2 import Position
from city_backbone.testing import Mesh, eventually

from .city_world import City, Spot, opened, somewhere
from .parts import away, kafka

pytestmark = pytest.mark.asyncio(loop_scope="module")

INCIDENTS = "emergency.incident-changed.v1"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(mesh: Mesh, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[City]:
    async with opened(mesh, tmp_path_factory.mktemp("rooms")) as city:
        yield city


@pytest.fixture
def city(running: City) -> City:
    running.neighbours.reset()
    return running


@pytest.fixture
def spot() -> Spot:
    return somewhere()


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
    assert (first.items["policeCode"], first.items["ruleVersion"]) == ("1", "2")
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
