"""A room as the 112 and the 119 room: takes dispatches, asks for video and gets its answer."""

from typing import Any

import pytest

KINDS = [("112", "112UC120", "112UC001"), ("119", "119UC001", "119UC001")]
EVENT = "/linkHttp/recvEvent.json"
OWN = "20261122120000123"
CAMERA = "living-0001-1 127.04700,37.73842 10 m eyJhbGciOi… 12:30:00"


@pytest.mark.asyncio
@pytest.mark.parametrize(("kind", "dispatch", "request_id"), KINDS)
async def test_a_dispatch_lives_there_as_in_the_disaster_room(
    rooms: Any, body: Any, kind: str, dispatch: str, request_id: str
) -> None:
    async with rooms.open(kind=kind) as (room, peer):
        await peer.auth()
        life = [
            body(evtId=dispatch, evtNm="긴급출동 지원", status=status, time=f"2019030514000{n}")
            for n, status in enumerate(("10", "40", "91"))
        ]
        for step in (*life, life[1]):
            assert (await peer.event(step))["result"] == "0"
        counts = room.counts()
        assert (counts.effects, counts.repeats) == (3, 1)
        assert (counts.duplicates, counts.out_of_order, counts.open_occurrences) == (0, 0, 0)
        assert [event.evtId for event in room.events()] == [dispatch] * 4


@pytest.mark.asyncio
@pytest.mark.parametrize("encoding", ["json", "form"])
@pytest.mark.parametrize(("kind", "dispatch", "request_id"), KINDS)
async def test_it_asks_for_video_and_is_answered_under_its_own_number(
    rooms: Any,
    tmp_path: Any,
    body: Any,
    kind: str,
    dispatch: str,
    request_id: str,
    encoding: str,
) -> None:
    async with (
        rooms.open(record=tmp_path / "platform.jsonl") as (platform, _),
        rooms.open(kind=kind) as (room, peer),
    ):
        asked = body(evtId=request_id, evtNm="긴급영상 지원", ocrNbr=OWN)
        report = await peer.control(
            "/send",
            target=platform.url,
            api_key=platform.settings.api_key.get_secret_value(),
            encoding=encoding,
            event_path=EVENT,
            body=asked,
        )
        assert report["event"]["answer"]["result"] == "0"
        (request,) = platform.events()
        assert (request.evtId, request.ocrNbr, request.ocrSts) == (request_id, OWN, "10")

        await peer.auth()
        answer = body(
            evtId=request_id,
            evtNm="긴급영상 지원",
            ocrNbr=request.ocrNbr,
            status="40",
            time="20261122120002",
            ocrEvtItemCnt="1",
            ocrEvtItem=[{"key": "카메라 1", "val": CAMERA}],
        )
        assert (await peer.event(answer))["message"] == "received"
        assert (await peer.event(answer))["message"] == "already received"
        (got,) = [event for event in room.events() if not event.repeat]
        assert (got.ocrNbr, got.ocrSts, got.items) == (OWN, "40", {"카메라 1": CAMERA})
        counts = room.counts()
        assert (counts.effects, counts.repeats, counts.by_status) == (1, 1, {"40": 1})
        assert (counts.duplicates, counts.out_of_order, counts.refused) == (0, 0, 0)
