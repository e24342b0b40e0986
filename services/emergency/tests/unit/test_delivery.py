"""The breaker, the backoff, and settings of delivery."""

import json

import pytest
from emergency.errors import RoomRefused, RoomUnavailable
from emergency.rooms.backoff import full_jitter
from emergency.rooms.breaker import Breaker, BreakerOpen
from emergency.settings import PeerRoomSettings, RoomSettings
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("purgatory.domain.model.time", clock)
    monkeypatch.setattr("emergency.rooms.breaker.time", clock)
    return clock


async def fail(breaker: Breaker, error: type[Exception] = RoomUnavailable) -> None:
    with pytest.raises(error):
        async with breaker.call():
            raise error("no")


async def test_it_opens_after_failures_in_a_row_and_then_calls_nobody(clock: Clock) -> None:
    breaker = Breaker("disaster", failures=3, seconds=10)
    await fail(breaker)
    await fail(breaker)
    async with breaker.call():
        pass
    for _ in range(3):
        assert breaker.limit(4) == 4
        await fail(breaker)
    assert (breaker.state, breaker.limit(4)) == ("opened", 0)
    assert breaker.seconds_to_probe() == pytest.approx(10, abs=0.1)
    with pytest.raises(BreakerOpen):
        async with breaker.call():
            pytest.fail("an open breaker let a call through")


@pytest.mark.parametrize("well", [True, False])
async def test_one_probe_decides(clock: Clock, well: bool) -> None:
    breaker = Breaker("disaster", failures=1, seconds=10)
    await fail(breaker)
    clock.now += 10.1
    assert breaker.limit(4) == 1
    if well:
        async with breaker.call():
            assert breaker.limit(4) == 1
        assert (breaker.state, breaker.limit(4)) == ("closed", 4)
    else:
        await fail(breaker)
        assert (breaker.state, breaker.limit(4)) == ("opened", 0)


async def test_a_refusal_is_an_answer(clock: Clock) -> None:
    breaker = Breaker("disaster", failures=1, seconds=10)
    await fail(breaker, RoomRefused)
    assert breaker.state == "closed"


@given(st.integers(0, 10_000), st.floats(0.01, 1), st.floats(1, 60))
def test_backoff_stays_under_its_cap(attempts: int, base: float, cap: float) -> None:
    assert 0 <= full_jitter(attempts, base, cap) <= min(cap, base * 2 ** min(attempts, 32))


def test_rooms_are_read_from_json() -> None:
    text = json.dumps(
        [{"name": "disaster", "url": "http://room", "api_key": "k", "kinds": ["air.*", "fire"]}]
    )
    (room,) = TypeAdapter(list[RoomSettings]).validate_json(text)
    assert (room.auth_path, room.event_path) == ("/api/getAuth.json", "/linkHttp/recvEvent.json")
    assert "k" not in repr(room.api_key)


@pytest.mark.parametrize(
    "change",
    [
        {"url": "ftp://room"},
        {"name": "Disaster Room"},
        {"kinds": []},
        {"desks": ["113"]},
        {"kind": "x"},
        {"api_key": ""},
    ],
)
def test_a_wrong_room_is_refused(change: dict[str, object]) -> None:
    room = {"name": "disaster", "url": "http://room", "api_key": "k"}
    with pytest.raises(ValidationError):
        RoomSettings.model_validate(room | change)


def test_a_wrong_peer_is_refused() -> None:
    with pytest.raises(ValidationError):
        PeerRoomSettings.model_validate(
            {"name": "112", "send_code": "41130", "system_code": "IPC", "api_key": "k"}
        )
