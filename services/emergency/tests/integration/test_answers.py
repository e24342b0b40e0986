"""Rooms that ask for video of an occurrence: cameras around it and tokens, for them alone."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from city_backbone.testing import Mesh, eventually

from .city_world import Asking, City, Spot, opened, somewhere
from .parts import away

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNTIL = "20261122130000"
SEOUL = timezone(timedelta(hours=9))


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
