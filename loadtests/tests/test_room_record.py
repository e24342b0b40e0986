"""Effects, repeats, duplicates, order, and the record over a restart."""

from pathlib import Path
from typing import Any

import pytest

from loadtests.rooms import RecordError, Room


@pytest.mark.asyncio
async def test_a_life_cycle_counts_one_effect_per_status(peer: Any, body: Any) -> None:
    for status, time in [("10", "14"), ("40", "16"), ("50", "19"), ("91", "19")]:
        answer = await peer.event(body(status=status, time=f"20190305{time}0000"))
        assert answer["message"] == "received"
    counts = await peer.get("/control/counts")
    assert counts["effects"] == counts["accepted"] == 4
    assert counts["by_status"] == {"10": 1, "40": 1, "50": 1, "91": 1}
    assert counts["duplicates"] == counts["out_of_order"] == counts["repeats"] == 0
    assert counts["open_occurrences"] == 0


@pytest.mark.asyncio
async def test_the_same_body_again_is_a_repeat_without_effect(peer: Any, body: Any) -> None:
    await peer.event(body())
    answer = await peer.event(dict(reversed(body().items())))
    assert answer == {
        "startTag": "$DA",
        "endTag": "$DB",
        "finishTag": "$DF",
        "result": "0",
        "message": "already received",
    }
    counts = await peer.get("/control/counts")
    assert (counts["accepted"], counts["effects"], counts["repeats"]) == (2, 1, 1)
    assert (counts["duplicates"], counts["out_of_order"]) == (0, 0)
    assert [event["repeat"] for event in await peer.get("/control/events")] == [False, True]


@pytest.mark.asyncio
async def test_a_repeat_after_the_end_is_not_out_of_order(peer: Any, body: Any) -> None:
    await peer.event(body())
    await peer.event(body(status="91"))
    await peer.event(body())
    counts = await peer.get("/control/counts")
    assert (counts["repeats"], counts["out_of_order"]) == (1, 0)


@pytest.mark.asyncio
async def test_another_body_for_one_status_and_time_is_a_duplicate(peer: Any, body: Any) -> None:
    await peer.event(body())
    await peer.event(body(status="40"))
    await peer.event(body(status="40", ocrEvtCn="PM10 시간평균 183 µg/m³"))
    counts = await peer.get("/control/counts")
    assert (counts["effects"], counts["duplicates"], counts["repeats"]) == (3, 1, 0)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "steps",
    [
        [("10", "14"), ("40", "16"), ("40", "15")],
        [("10", "14"), ("91", "15"), ("40", "16")],
        [("10", "14"), ("90", "15"), ("50", "16")],
        [("40", "14"), ("10", "14")],
    ],
)
async def test_what_comes_out_of_order_is_counted(peer: Any, body: Any, steps: Any) -> None:
    for status, hour in steps:
        await peer.event(body(status=status, time=f"20190305{hour}0000"))
    assert (await peer.get("/control/counts"))["out_of_order"] == 1


@pytest.mark.asyncio
async def test_occurrences_do_not_order_each_other(peer: Any, body: Any) -> None:
    await peer.event(body(time="20190305160000"))
    await peer.event(body(ocrNbr="20190305140000002"))
    counts = await peer.get("/control/counts")
    assert (counts["out_of_order"], counts["open_occurrences"]) == (0, 2)


@pytest.mark.asyncio
async def test_counts_and_repeats_survive_a_restart(rooms: Any, body: Any) -> None:
    async with rooms.open() as (_, peer):
        await peer.auth()
        await peer.event(body())
        await peer.event(body())
        await peer.event(body(status="40"))
    async with rooms.open() as (room, peer):
        await peer.auth()
        await peer.event(body(status="40"))
        counts = room.counts()
        assert (counts.accepted, counts.effects, counts.repeats) == (4, 2, 2)
        assert len(room.events()) == 4
        assert [event.ocrSts for event in room.events(after=2)] == ["40", "40"]


@pytest.mark.asyncio
async def test_a_line_cut_by_a_kill_is_dropped_and_can_come_again(rooms: Any, body: Any) -> None:
    async with rooms.open() as (_, peer):
        await peer.auth()
        await peer.event(body())
        await peer.event(body(status="40"))
    rooms.record.write_bytes(rooms.record.read_bytes()[:-30])
    async with rooms.open() as (room, peer):
        assert room.counts().accepted == 1
        await peer.auth()
        assert (await peer.event(body(status="40")))["message"] == "received"
        assert [event.ocrSts for event in room.events()] == ["10", "40"]


def test_a_line_that_is_no_event_is_named(rooms: Any) -> None:
    rooms.record.write_text("{}\n")
    with pytest.raises(RecordError, match=r"room\.jsonl:1: receivedAt: Field required"):
        Room(rooms.settings())


@pytest.mark.asyncio
async def test_two_rooms_cannot_share_a_record(rooms: Any) -> None:
    async with rooms.open():
        with pytest.raises(RecordError, match="held by another room"):
            Room(rooms.settings())


@pytest.mark.asyncio
async def test_events_are_paged(peer: Any, body: Any) -> None:
    for second in range(3):
        await peer.event(body(ocrNbr=f"2019030514000{second}"))
    assert len(await peer.get("/control/events")) == 3
    (last,) = await peer.get("/control/events?after=2")
    assert last["ocrNbr"] == "20190305140002"
    assert await peer.get("/control/events?after=9") == []
    async with peer.http.get(f"{peer.url}/control/events?after=-1") as response:
        assert response.status == 400


def test_the_record_may_be_in_a_new_folder(rooms: Any, tmp_path: Path) -> None:
    room = Room(rooms.settings(record=tmp_path / "new" / "room.jsonl"))
    assert room.counts().accepted == 0
