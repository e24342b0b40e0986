"""From an acute reading at a kiosk to the 119 room, which alone is told who it is when it asks."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from city.emergency.v1 import emergency_pb2 as pb
from city.health.v1 import person_pb2
from city.type.v1.position_pb2 import Position
from city_backbone.testing import Mesh, eventually

from .city_world import (
    Asking,
    City,
    Kind,
    Spot,
    must_be_nowhere,
    opened,
    settled,
    somewhere,
)
from .parts import (
    PATIENT,
    PATIENTS_CONTACT,
    PATIENTS_NOTE,
    away,
    refusing,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

MEASURED = "85.25/50.25"
SECRETS = (PATIENT, PATIENTS_CONTACT, PATIENTS_NOTE, MEASURED)


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


async def detected(city: City, reading: dict[str, Any]) -> str:
    """The incident of it, once the 119 room has it."""
    incident = await city.detect(reading)
    await eventually(city.told("119", incident, "10"), seconds=40)
    return incident


def asked_of_health(city: City, incident: str) -> list[Any]:
    return [
        request
        for request in city.neighbours.requests
        if request.DESCRIPTOR.name == "GetCaseRequest" and request.incident_id == incident
    ]


async def test_an_acute_reading_calls_the_119_desk_once(city: City, spot: Spot) -> None:
    reading = spot.reading()
    incident = await city.detect(reading)
    await city.detect(reading)
    await city.detect({**reading, "severity": "URGENT"}, again="under another event id")
    last = await detected(city, spot.reading("URGENT"))
    await eventually(city.told("119", incident, "10"))
    (event,), (other,) = city.events("119", incident), city.events("119", last)
    assert (event.evtId, event.evtGrad, other.evtGrad) == ("119UC001", "10", "10")
    assert (event.items["desks"], event.items["위급도"]) == ("119", "위급")
    assert city.events("112", incident) == city.events("disaster", incident) == []

    one = await city.incident(incident)
    assert (one.kind, one.title) == ("health.acute", "건강 이상 감지(키오스크)")
    assert (one.source, one.source_reference) == ("health", reading["case_id"])
    assert (one.place, list(one.desks)) == (reading["place"], ["119"])
    assert (one.position.latitude, one.position.longitude) == (spot.latitude, spot.longitude)
    assert (one.revision, one.status) == (1, pb.INCIDENT_STATUS_OCCURRED)
    assert asked_of_health(city, incident) == []


async def test_a_reading_that_comes_again_does_not_open_what_ended(city: City, spot: Spot) -> None:
    reading = spot.reading()
    incident = await detected(city, reading)
    await city.clear(incident)
    await city.detect(reading, again="under another event id")
    await detected(city, spot.reading())
    assert (await city.incident(incident)).status == pb.INCIDENT_STATUS_CLEARED


async def test_an_unusable_reading_stops_nobody(city: City, spot: Spot) -> None:
    bad = await city.detect(spot.reading(latitude=91.0))
    await detected(city, spot.reading())
    assert await city.rows("select 1 from incident where incident_id = %s", UUID(bad)) == []


async def test_the_119_room_is_told_who_it_is_and_nobody_else_is(
    city: City, spot: Spot, capfd: pytest.CaptureFixture[str]
) -> None:
    reading = spot.reading()
    incident = await detected(city, reading)
    room = Asking(city, spot, "119")
    await room.send(ocrEvtCn="키오스크 환자")
    (answer,) = await room.answers(1)
    assert (answer.evtId, answer.ocrSts) == ("119UC001", "40")
    assert "카메라 1 토큰" in answer.items
    assert "차량 1" in answer.items
    told = "조치원읍 행정복지센터 (jochiwon-1), NEWS2 6점"
    (first,) = city.events("119", incident)
    assert {key: value for key, value in answer.items.items() if key.startswith("건강")} == {
        "건강 이상": told,
        "건강 이상 1": told,
        "건강 이상 1 사건": first.ocrNbr,
        "건강 이상 1 측정": f"혈압 {MEASURED} mmHg (13:00:00)",
        "건강 이상 1 나이": "만 78세",
        "건강 이상 1 이름": PATIENT,
        "건강 이상 1 연락처": PATIENTS_CONTACT,
        "건강 이상 1 의료 정보": PATIENTS_NOTE,
    }
    (request,) = asked_of_health(city, incident)
    assert (request.case_id, request.requester) == (reading["case_id"], "119")

    await settled(city, room)
    await eventually(city.told("disaster", room.incident_id, "10"))
    logged = "".join(capfd.readouterr())
    assert "room answered" in logged
    await must_be_nowhere(city, room, logged, *SECRETS)
    for secret in SECRETS:
        assert secret not in str(await city.incident(incident))
        assert secret not in str(city.rooms["112"].events())


@pytest.mark.parametrize(
    ("name", "kind"), [("112", "112UC001"), ("112", "119UC001"), ("119", "112UC001")]
)
async def test_another_room_or_question_is_told_of_nobody(
    city: City, spot: Spot, name: Kind, kind: str
) -> None:
    """Whatever a room calls its question: who it is counts too."""
    incident = await detected(city, spot.reading())
    room = Asking(city, spot, name, kind)
    await room.send()
    (answer,) = await room.answers(1)
    assert "카메라 1 토큰" in answer.items
    assert not [key for key in answer.items if key.startswith("건강")]
    assert asked_of_health(city, incident) == []


async def test_only_of_open_incidents_at_the_place(city: City, spot: Spot) -> None:
    ended, here = [await detected(city, spot.reading()) for _ in range(2)]
    elsewhere = await detected(city, Spot(spot.latitude + 101 / 111_195, spot.longitude).reading())
    await city.clear(ended)
    room = Asking(city, spot, "119")
    await room.send()
    (answer,) = await room.answers(1)
    assert "건강 이상 1" in answer.items
    assert "건강 이상 2" not in answer.items
    assert len(asked_of_health(city, here)) == 1
    assert asked_of_health(city, ended) == asked_of_health(city, elsewhere) == []


async def test_a_place_without_a_case_says_nothing_of_one(city: City, spot: Spot) -> None:
    room = Asking(city, spot, "119")
    await room.send()
    (answer,) = await room.answers(1)
    assert not [key for key in answer.items if key.startswith("건강")]


async def test_what_the_119_room_echoes_goes_nowhere(city: City, spot: Spot) -> None:
    await detected(city, spot.reading())
    room = Asking(city, spot, "119")
    await room.send()
    (answer,) = await room.answers(1)
    assert answer.items["건강 이상 1 이름"] == PATIENT
    echoed = [{"key": key, "val": value} for key, value in answer.items.items()]
    await room.send("40", ocrEvtItemCnt=str(len(echoed)), ocrEvtItem=echoed)
    await eventually(city.told("disaster", room.incident_id, "10", "40"))
    for secret in SECRETS:
        assert secret not in str(await city.incident(room.incident_id))
        assert secret not in str(city.events("disaster", room.incident_id))


async def test_who_did_not_consent_is_not_named(city: City, spot: Spot) -> None:
    whole = city.neighbours.answers["GetCase"]

    async def unnamed(request: Any) -> Any:
        told = await whole(request)
        for field in ("name", "contact", "medical_note"):
            told.ClearField(field)
        return told

    city.neighbours.answers["GetCase"] = unnamed
    await detected(city, spot.reading())
    room = Asking(city, spot, "119")
    await room.send()
    (answer,) = await room.answers(1)
    assert answer.items["건강 이상 1 이름"] == "동의 없음"
    assert "건강 이상 1 연락처" not in answer.items
    assert MEASURED in answer.items["건강 이상 1 측정"]


async def test_health_that_has_not_heard_of_it_yet_is_asked_again(city: City, spot: Spot) -> None:
    """The room has its cameras at once, and who it is when that comes."""
    whole = city.neighbours.answers["GetCase"]
    calls = 0

    async def late(request: Any) -> person_pb2.GetCaseResponse:
        nonlocal calls
        calls += 1
        answer: person_pb2.GetCaseResponse = await (
            refusing("INCIDENT_UNKNOWN") if calls < 3 else whole
        )(request)
        return answer

    city.neighbours.answers["GetCase"] = late
    incident = await detected(city, spot.reading())
    room = Asking(city, spot, "119")
    await room.send()
    first, second = await room.answers(2)
    assert "카메라 1 토큰" in first.items
    assert first.items["건강 이상 1"] == "확인 불가: 아직 전달되지 않은 사건"
    assert second.items["건강 이상 1 이름"] == PATIENT
    await settled(city, room)
    assert len(asked_of_health(city, incident)) == 3


async def test_health_that_refuses_for_good_is_not_asked_again(city: City, spot: Spot) -> None:
    city.neighbours.answers["GetCase"] = refusing("FORGOTTEN")
    incident = await detected(city, spot.reading())
    room = Asking(city, spot, "119")
    await room.send()
    (answer,) = await room.answers(1)
    assert "카메라 1 토큰" in answer.items
    assert answer.items["건강 이상"] == "확인 불가: 오류 FAILED_PRECONDITION"
    await settled(city, room)
    assert len(asked_of_health(city, incident)) == 1


async def test_health_that_is_away_keeps_nothing_back(city: City, spot: Spot) -> None:
    """It is said in the first answer and the last, and tried as often as the others are."""
    city.neighbours.answers["GetCase"] = away
    await detected(city, spot.reading())
    room = Asking(city, spot, "119")
    await room.send()
    answers = await room.answers(2)
    for answer in answers:
        assert "카메라 1 토큰" in answer.items
        assert "차량 1" in answer.items
        assert answer.items["건강 이상 1"] == "확인 불가: 응답 없음"
    await settled(city, room)
    (row,) = await city.rows(
        "select attempts, answers from context_request where incident_id = %s",
        UUID(room.incident_id),
    )
    assert row == {"attempts": 3, "answers": 2}


async def test_what_another_department_calls_so_is_no_case(city: City, spot: Spot) -> None:
    """Only what came of health's event is asked for."""
    answer = await city.stub.ReportIncident(
        pb.ReportIncidentRequest(
            idempotency_key=str(uuid4()),
            kind="health.acute",
            grade=pb.INCIDENT_GRADE_URGENT,
            title="건강 이상",
            position=Position(latitude=spot.latitude, longitude=spot.longitude),
        )
    )
    room = Asking(city, spot, "119")
    await room.send()
    await room.answers(1)
    assert asked_of_health(city, answer.incident.incident_id) == []
