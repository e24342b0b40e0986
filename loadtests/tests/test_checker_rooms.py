"""What rooms recorded against what was delivered to them."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from loadtests.checker import rooms as records
from loadtests.checker.__main__ import room, table
from loadtests.checker.core import Evidence
from loadtests.checker.expected import PLACES
from loadtests.checker.facts import micros
from loadtests.checker.rows import Dispatch, Told
from loadtests.checker.topics import ReadError

from .checker_run import ALONE, check, found

R112, R119 = "room-112", "room-119"
READ = (*PLACES, R112, R119)


def sent(identity: str, *, to: str = R112, taken: bool = True, waiting: bool = False) -> Dispatch:
    return Dispatch(to, identity, taken, waiting)


def told(line: int, number: int, *, about: str = "i", by: str = R112, repeat: bool = False) -> Told:
    return Told(by, f"{about}#{number}", about, number, line, repeat, new=True)


def test_what_each_room_took_once_and_in_order_is_right(tmp_path: Path) -> None:
    rows: list[Evidence] = [sent("i#1"), sent("i#2"), sent("j#2"), sent("i#1", to=R119)]
    rows += [sent("i#3", taken=False)]
    lines = [told(1, 1), told(2, 2, about="j"), told(3, 2), told(4, 3), told(1, 1, by=R119)]
    result = check([], [*rows, *lines], tmp_path / "a", ALONE, read=READ)
    assert found(result) == set()
    assert result.complete
    assert result.detail == ""
    assert result.checked["messages in rooms"] == 5


def test_a_dispatch_that_its_room_acknowledged_and_never_had_is_lost(tmp_path: Path) -> None:
    rows: list[Evidence] = [sent("i#1"), sent("i#1", to=R119), told(1, 1, by=R119)]
    result = check([], rows, tmp_path / "a", ALONE, read=READ)
    assert found(result) == {("lost", R112, "i#1")}


def test_a_dispatch_acknowledged_before_the_run_is_not_asked_for(tmp_path: Path) -> None:
    rows: list[Evidence] = [sent("i#1", taken=False)]
    assert found(check([], rows, tmp_path / "a", ALONE, read=READ)) == set()


def test_a_message_that_took_effect_twice_is_doubled_and_a_repeat_is_not(tmp_path: Path) -> None:
    rows: list[Evidence] = [sent("i#1"), told(1, 1), told(2, 1, repeat=True)]
    result = check([], rows, tmp_path / "a", ALONE, read=READ)
    assert found(result) == set()
    assert result.checked["repeats in rooms"] == 1
    again = check([], [*rows, told(3, 1)], tmp_path / "b", ALONE, read=READ)
    assert found(again) == {("doubled", R112, "i#1")}


def test_a_message_that_a_later_one_of_its_incident_overtook_is_reordered(tmp_path: Path) -> None:
    rows: list[Evidence] = [
        sent("i#1"),
        sent("i#2"),
        told(1, 2),
        told(2, 1),
        told(3, 2, repeat=True),
    ]
    assert found(check([], rows, tmp_path / "a", ALONE, read=READ)) == {("reordered", R112, "i#1")}


def test_a_message_that_nobody_sent_is_unseen(tmp_path: Path) -> None:
    rows: list[Evidence] = [sent("i#1", to=R119, taken=False), told(1, 1)]
    assert found(check([], rows, tmp_path / "a", ALONE, read=READ)) == {("unseen", R112, "i#1")}


def test_messages_that_are_still_on_their_way_keep_the_check_from_being_complete(
    tmp_path: Path,
) -> None:
    rows: list[Evidence] = [sent("i#1", taken=False, waiting=True)]
    result = check([], rows, tmp_path / "a", ALONE, read=READ)
    assert not result.complete
    assert result.detail == "room-112: 1 messages are still on their way"


def test_rooms_whose_record_nobody_gave_are_said_not_to_be_looked_at(tmp_path: Path) -> None:
    rows: list[Evidence] = [
        sent("i#1"),
        sent("i#2", taken=False, waiting=True),
        sent("i#1", to=R119),
        told(1, 1),
    ]
    one = check([], rows, tmp_path / "a", world=ALONE, read=[*PLACES, R112])
    assert one.detail.endswith("; room-119: 1 acknowledged messages not looked at")
    none = check([], rows[:3], tmp_path / "b", ALONE)
    assert none.complete
    assert found(none) == set()
    assert none.detail.startswith("no room's record was looked at; room-112: 1 ack")
    assert none.detail in table(none)


async def _read(url: str, began: datetime) -> list[Told]:
    lines: AsyncIterator[Told] = records.read(R112, url, micros(began))
    return [one async for one in lines]


async def test_a_record_is_read_as_the_room_has_it(rooms: Any, body: Callable[..., Any]) -> None:
    def of(number: int, key: str = "revision", **changes: Any) -> Any:
        items = {"incidentId": "i", key: str(number)}
        listed = [{"key": name, "val": value} for name, value in items.items()]
        return body(ocrEvtItem=listed, ocrEvtItemCnt="2", **changes)

    began = datetime.now(UTC)
    async with rooms.open() as (_, peer):
        await peer.auth()
        for one in (of(1), of(2, status="40"), of(1), body(), of(1, "answer", ocrPlc="광장")):
            await peer.event(one)
        lines = await _read(peer.url, began)
        assert lines == [
            Told(R112, "i#1", "i", 1, 1, False, True),
            Told(R112, "i#2", "i", 2, 2, False, True),
            Told(R112, "i#1", "i", 1, 3, True, True),
            Told(R112, "i answer 1", "i answer", 1, 5, False, True),
        ]
        assert not any(one.new for one in await _read(peer.url, datetime.now(UTC)))


async def test_what_is_of_the_run_is_told_by_the_rooms_own_clock(
    rooms: Any, body: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loadtests.rooms.control.machine", lambda: "another")
    rooms.behind = timedelta(seconds=9)
    listed = [{"key": "incidentId", "val": "i"}, {"key": "revision", "val": "1"}]
    began = datetime.now(UTC)
    async with rooms.open() as (_, peer):
        await peer.auth()
        await peer.event(body(ocrEvtItem=listed, ocrEvtItemCnt="2"))
        (line,) = await _read(peer.url, began)
        assert line.new
        (line,) = await _read(peer.url, began + timedelta(seconds=5))
        assert not line.new


async def test_a_record_that_cannot_be_read_is_named() -> None:
    with pytest.raises(ReadError, match="record of room-112: "):
        await _read("http://127.0.0.1:1", datetime.now(UTC))


def test_a_room_is_given_by_its_name_and_address() -> None:
    assert room("112=http://a:1/") == room("room-112=http://a:1") == (R112, "http://a:1")
    with pytest.raises(ValueError, match="expected NAME=URL"):
        room("112")
