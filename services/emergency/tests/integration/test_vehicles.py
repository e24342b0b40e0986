"""Cars parked in the way: the 119 room that asks is told of them, and nobody else."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from city.parking.v1 import vault_pb2
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
from .parts import CONTACT, PLATES, away, refusing

pytestmark = pytest.mark.asyncio(loop_scope="module")


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


def asked_of_parking(city: City, room: Asking) -> list[Any]:
    return [
        request
        for request in city.neighbours.requests
        if request.DESCRIPTOR.name == "FindBlockingVehiclesRequest"
        and request.incident_id == room.incident_id
    ]


async def test_the_119_room_is_told_of_the_cars_around_and_nobody_else_is(
    city: City, spot: Spot, capfd: pytest.CaptureFixture[str]
) -> None:
    room = Asking(city, spot, "119")
    await room.send(ocrEvtCn="상가 화재")
    (answer,) = await room.answers(1)
    here = f"{spot.latitude:.6f},{spot.longitude:.6f}"
    assert (answer.evtId, answer.ocrSts) == ("119UC001", "40")
    assert answer.items["카메라 1 토큰"] == f"token-of-{room.incident_id}"
    one, other = PLATES
    assert answer.items["차량"] == f"{one} (12 m), {other} (25 m)"
    assert answer.items["차량 1"] == f"{one} (12 m, alley-1-1)"
    assert (answer.items["차량 1 연락처"], answer.items["차량 1 위치"]) == (CONTACT, here)
    (request,) = asked_of_parking(city, room)
    assert (request.requester, request.around.radius_metres) == ("119", 100)
    assert request.around.point.latitude == spot.latitude

    await settled(city, room)
    await eventually(city.told("disaster", room.incident_id, "10"))
    logged = "".join(capfd.readouterr())
    assert "room answered" in logged
    await must_be_nowhere(city, room, logged, *PLATES, CONTACT)


@pytest.mark.parametrize(
    ("name", "kind"), [("112", "112UC001"), ("112", "119UC001"), ("119", "112UC001")]
)
async def test_another_room_or_question_is_told_of_no_cars(
    city: City, spot: Spot, name: Kind, kind: str
) -> None:
    """Whatever a room calls its question: who it is counts too."""
    room = Asking(city, spot, name, kind)
    await room.send()
    (answer,) = await room.answers(1)
    assert "카메라 1 토큰" in answer.items
    assert not [key for key in answer.items if key.startswith("차량")]
    assert asked_of_parking(city, room) == []


async def test_cars_that_the_119_room_echoes_go_nowhere(city: City, spot: Spot) -> None:
    room = Asking(city, spot, "119")
    await room.send()
    (answer,) = await room.answers(1)
    echoed = [{"key": key, "val": value} for key, value in answer.items.items()]
    await room.send("40", ocrEvtItemCnt=str(len(echoed)), ocrEvtItem=echoed)
    await eventually(city.told("disaster", room.incident_id, "10", "40"))
    for secret in (*PLATES, CONTACT):
        assert secret not in str(await city.incident(room.incident_id))
        assert secret not in str(city.events("disaster", room.incident_id))


@pytest.mark.parametrize(
    "reason", ["INCIDENT_UNKNOWN", "INCIDENT_ELSEWHERE", "INCIDENT_WITHOUT_PLACE"]
)
async def test_parking_that_has_not_heard_of_it_yet_is_asked_again(
    city: City, spot: Spot, reason: str
) -> None:
    """The room has its cameras at once, and the cars when they come."""
    told = city.neighbours.answers["FindBlockingVehicles"]
    calls = 0

    async def late(request: Any) -> Any:
        nonlocal calls
        calls += 1
        return await (refusing(reason) if calls < 3 else told)(request)

    city.neighbours.answers["FindBlockingVehicles"] = late
    room = Asking(city, spot, "119")
    await room.send()
    first, second = await room.answers(2)
    assert "카메라 1 토큰" in first.items
    assert first.items["차량"] == "확인 불가: 아직 전달되지 않은 사건"
    assert second.items["차량 2"] == f"{PLATES[1]} (25 m, alley-1-2)"
    assert (first.items["answer"], second.items["answer"]) == ("1", "2")
    await settled(city, room)
    assert len(asked_of_parking(city, room)) == 3


async def test_parking_that_refuses_for_good_is_not_asked_again(city: City, spot: Spot) -> None:
    city.neighbours.answers["FindBlockingVehicles"] = refusing("INCIDENT_NOT_LIVE")
    room = Asking(city, spot, "119")
    await room.send()
    (answer,) = await room.answers(1)
    assert "카메라 1 토큰" in answer.items
    assert answer.items["차량"] == "확인 불가: 오류 FAILED_PRECONDITION"
    await settled(city, room)
    assert len(asked_of_parking(city, room)) == 1


async def test_parking_that_hangs_does_not_keep_the_cameras_back(city: City, spot: Spot) -> None:
    """It is said in the first answer and the last, and tried as often as cameras is."""
    stuck = asyncio.Event()

    async def hang(_: Any) -> Any:
        if not stuck.is_set():
            await stuck.wait()
        return await away(_)

    city.neighbours.answers["FindBlockingVehicles"] = hang
    room = Asking(city, spot, "119")
    await room.send()
    (first,) = await room.answers(1)
    assert "카메라 1 토큰" in first.items
    assert first.items["차량"] == "확인 불가: 시간 초과"
    stuck.set()
    _, last = await room.answers(2)
    assert last.items["차량"] == "확인 불가: 응답 없음"
    await settled(city, room)
    (row,) = await city.rows(
        "select attempts, answers from context_request where incident_id = %s",
        UUID(room.incident_id),
    )
    assert row == {"attempts": 3, "answers": 2}


async def test_cameras_that_are_away_do_not_keep_the_cars_back(city: City, spot: Spot) -> None:
    """What the room has not got yet is told as soon as it comes, each once."""
    scene, vehicles = (
        city.neighbours.answers[name] for name in ("LeaseScene", "FindBlockingVehicles")
    )
    calls = {"LeaseScene": 0, "FindBlockingVehicles": 0}

    def from_the(number: int, name: str, answer: Any) -> Any:
        async def late(request: Any) -> Any:
            calls[name] += 1
            if calls[name] < number:
                raise RuntimeError("not yet")
            return await answer(request)

        return late

    city.neighbours.answers |= {
        "LeaseScene": from_the(3, "LeaseScene", scene),
        "FindBlockingVehicles": from_the(2, "FindBlockingVehicles", vehicles),
    }
    room = Asking(city, spot, "119")
    await room.send()
    first, second, third = await room.answers(3)
    assert (first.items["카메라"], first.items["차량"]) == ("확인 불가: 오류 UNKNOWN",) * 2
    assert second.items["카메라"] == "확인 불가: 오류 UNKNOWN"
    assert "차량 1" in second.items
    assert "카메라 1 토큰" in third.items
    assert "차량 1" in third.items
    await settled(city, room)


async def test_no_cars_around(city: City, spot: Spot) -> None:
    async def none(_: Any) -> Any:
        return vault_pb2.FindBlockingVehiclesResponse()

    city.neighbours.answers["FindBlockingVehicles"] = none
    room = Asking(city, spot, "119")
    await room.send()
    (answer,) = await room.answers(1)
    assert answer.items["차량"] == "반경 100 m 안에 없음"
    await settled(city, room)
