"""A room's moment of receipt is taken by its own clock, corrected, and its uncertainty counts."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from city_backbone.testing import eventually

from loadtests.driver import clock, freshness, validity
from loadtests.driver.clock import Offset
from loadtests.driver.engine import Now
from loadtests.driver.freshness import EFFECTS, Freshness
from loadtests.driver.operation import World
from loadtests.driver.result import FRESHNESS, Clock, Figures
from loadtests.driver.validity import Validity
from loadtests.report.histograms import read

SECOND = 1_000_000
WORLD = World({"OPERATOR_REGISTRY__URL": "http://127.0.0.1:1"}, seed=1)
INCIDENTS = next(one for one in EFFECTS if one.topic == "emergency.incident-changed.v1")


class Silent:
    """A consumer of topics on which nothing comes."""

    async def getmany(self, timeout_ms: int) -> dict[Any, Any]:
        await asyncio.sleep(timeout_ms / 1000)
        return {}


@pytest.fixture(autouse=True)
def without_topics(monkeypatch: pytest.MonkeyPatch) -> None:
    @asynccontextmanager
    async def consumer(*_: object) -> AsyncIterator[Silent]:
        yield Silent()

    monkeypatch.setattr(freshness, "_consumer", consumer)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtests.rooms.control.machine", lambda: "another machine")


async def _told(peer: Any, body: Callable[..., Any], incident: str) -> None:
    await peer.auth()
    item = {"key": "incidentId", "val": incident}
    assert (await peer.event(body(ocrEvtItem=[item])))["result"] == "0"


def _watched(peer: Any, folder: Path) -> Any:
    rooms = {"room-112": peer.url}
    return freshness.watching(WORLD, folder, rooms, settle_seconds=0)


@pytest.mark.parametrize("behind", [timedelta(seconds=7), timedelta(seconds=-7)])
async def test_a_room_whose_clock_is_off_by_seconds_is_measured_as_if_it_were_right(
    rooms: Any, body: Callable[..., Any], tmp_path: Path, elsewhere: None, behind: timedelta
) -> None:
    rooms.behind = behind
    now = Now()
    async with rooms.open() as (_, peer), _watched(peer, tmp_path) as seen:
        intended = now()
        seen.event(INCIDENTS, intended, {"incident_id": "i"})
        await _told(peer, body, "i")
        over = now()

        async def both() -> bool:
            return bool(seen.seen.total() == 2)

        await eventually(both, seconds=20, interval=0.02)
    known = seen.rooms["room-112"]
    assert known.micros == pytest.approx(-behind / timedelta(microseconds=1), abs=SECOND)
    (interval,) = (one for one in read(tmp_path / FRESHNESS) if one.tag.startswith("room-112"))
    # Nothing but the uncertainty, and what a histogram leaves of a value, lies between.
    slack = known.uncertainty + 0.01 * (over - intended) + 1000
    assert interval.histogram.get_max_value() <= over - intended + slack
    assert interval.histogram.get_total_count() == 1
    made = seen.clock(Clock())
    assert made.offset_ms == known.micros / 1000
    assert made.uncertainty_ms == known.uncertainty / 1000 > 0


async def test_a_room_of_this_machine_has_its_clock(rooms: Any, tmp_path: Path) -> None:
    async with rooms.open() as (_, peer), _watched(peer, tmp_path) as seen:
        pass
    assert seen.rooms == {"room-112": clock.SAME_CLOCK}
    assert seen.clock(Clock()) == Clock()


async def test_a_room_whose_clock_goes_wrong_in_the_run_makes_it_invalid(
    rooms: Any, tmp_path: Path, elsewhere: None
) -> None:
    async with rooms.open() as (_, peer), _watched(peer, tmp_path) as seen:
        rooms.behind = timedelta(seconds=3)
    assert seen.clock(Clock()).uncertainty_ms >= 2900
    why = list(validity.problems(Validity(), Figures(seconds=1, shards=1), seen.clock(Clock()), 1))
    assert any(one.startswith("clock uncertainty 3") for one in why)


async def test_a_room_that_does_not_tell_its_time_at_the_end_is_known_to_nobody(
    rooms: Any, tmp_path: Path, elsewhere: None
) -> None:
    async with rooms.open() as (_, peer):
        watched = _watched(peer, tmp_path)
        seen = await watched.__aenter__()
    await watched.__aexit__(None, None, None)
    assert seen.clock(Clock()).uncertainty_ms > 1_000_000


def test_the_worst_of_the_drivers_and_the_rooms_clocks_is_the_runs() -> None:
    seen = Freshness(Now())
    seen.rooms = {"room-112": Offset(-4000, 100), "room-119": Offset(2000, 300)}
    assert seen.clock(Clock(offset_ms=1, uncertainty_ms=0.2)) == Clock(
        offset_ms=-4, uncertainty_ms=0.3
    )
    assert seen.clock(Clock(offset_ms=5, uncertainty_ms=2)) == Clock(offset_ms=5, uncertainty_ms=2)


async def test_the_room_says_its_own_time_and_where_it_runs(rooms: Any) -> None:
    rooms.behind = timedelta(days=1)
    async with rooms.open() as (_, peer):
        before = datetime.now(UTC)
        told = await peer.get("/control")
        after = datetime.now(UTC)
    assert before <= datetime.fromisoformat(told["now"]) + rooms.behind <= after
    assert told["machine"] == clock.machine()
    assert told["mode"] == "up"
