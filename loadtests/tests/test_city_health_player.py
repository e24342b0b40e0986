"""The health player against a department of the test's own, over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import grpc
import pytest
import pytest_asyncio
from city_backbone.errors import (
    Aborted,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from city_backbone.testing import eventually
from tenacity import wait_none

from loadtests.city.calls import Calls, reason
from loadtests.city.errors import RefusedError
from loadtests.city.health.kiosks import KIOSKS, offline
from loadtests.city.health.office import Office
from loadtests.city.health.player import LATE_SECONDS, HealthPlayer
from loadtests.city.health.rates import SPELL_SECONDS, Code
from loadtests.city.health.values import Value
from loadtests.city.health.visits import Load, Reading, Visit, beginning
from loadtests.tests.health_office import HealthOffice, Session

NOW = 1_795_489_200
LOAD = Load(1, 60.0, 0.0)
KIOSK = KIOSKS[0]
CUFF, CLIP = (device.device_id for device in KIOSK.devices[:2])
VISIT = Visit(
    visit_id="visit-1",
    person=0,
    kiosk=0,
    readings=(
        Reading(Value(Code.BLOOD_PRESSURE, 121.0, 78.0), CUFF, 10.0),
        Reading(Value(Code.HEART_RATE, 70.0), CLIP, 5.0),
        Reading(Value(Code.OXYGEN_SATURATION, 98.0), CLIP, 5.0),
    ),
    acute=False,
    cut_after=None,
    again=False,
    looks=False,
    withdraws=False,
)
SESSION = ["begin", "measured", "measured", "measured", "end"]


@dataclass
class World:
    """A department, and the clock of one player, which runs only while somebody rests."""

    office: HealthOffice
    channel: grpc.aio.Channel
    start: float = NOW
    elapsed: float = 0.0
    rests: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.start + self.elapsed

    async def pass_by(self, seconds: float) -> None:
        self.elapsed += seconds

    async def rest(self, seconds: float) -> None:
        """Time passes as `rests` tells; then the player is stopped as by SIGTERM."""
        if not self.rests:
            raise asyncio.CancelledError
        self.elapsed += self.rests.pop(0)

    def player(self, *, looping: bool = False) -> HealthPlayer:
        desk = Office(self.channel, Calls("health", 10.0, wait_none()))
        return HealthPlayer(desk, LOAD, now=self.now, rest=self.rest if looping else self.pass_by)

    def session(self) -> Session:
        """The only one."""
        (found,) = self.office.sessions.values()
        return found

    def times(self) -> list[float]:
        """When each stored measurement was taken, seconds from the beginning."""
        return [
            one.taken_at.ToMicroseconds() / 1_000_000 - self.start for one in self.session().stored
        ]


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    office = HealthOffice()
    server = grpc.aio.server()
    office.serve(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield World(office, channel)
    await server.stop(None)


@pytest.fixture(autouse=True)
def _always_online(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "offline" not in request.node.name:
        monkeypatch.setattr("loadtests.city.health.kiosks.OFFLINE_SHARE", 0.0)
    offline.cache_clear()


async def test_somebody_enrols_once_and_is_measured(world: World) -> None:
    player = world.player()
    await player.come(VISIT)
    assert world.office.acts == ["enrol", *SESSION]
    assert world.times() == [10.0, 15.0, 20.0]
    session = world.session()
    assert session.begin.began_at.seconds == NOW
    assert session.begin.kiosk_id == KIOSK.kiosk_id
    assert [(one.value, one.device_id) for one in session.stored] == [
        (121.0, CUFF),
        (70.0, CLIP),
        (98.0, CLIP),
    ]
    assert session.stored[0].diastolic == 78.0
    assert not session.stored[1].HasField("diastolic")
    assert session.ended is not None
    assert player.outcome == {"enrolled": 1, "sessions": 1, "measurements": 3, "normal": 3}

    await player.come(replace(VISIT, visit_id="visit-2"))
    assert world.office.acts.count("enrol") == 1
    assert len(world.office.sessions) == 2
    assert {one.begin.person_token for one in world.office.sessions.values()} == set(
        world.office.people
    )


@pytest.mark.parametrize("after", [1, 3, 4])
async def test_a_stream_that_breaks_is_opened_again_and_nothing_is_stored_twice(
    world: World, after: int
) -> None:
    player = world.player()
    await player.come(replace(VISIT, cut_after=after))
    again = SESSION[after]
    assert world.office.acts == [
        "enrol",
        *SESSION[: after + 1],
        "begin",
        again,
        *SESSION[after + 1 :],
    ]
    assert len(world.session().stored) == 3
    assert player.outcome["resumed"] == 1
    assert player.outcome["measurements"] == 3


@pytest.mark.parametrize("step", ["begin", "measured", "end", "enrol", "withdraw"])
async def test_what_was_not_answered_is_done_again_and_is_the_same(world: World, step: str) -> None:
    world.office.lose[step] = [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED]
    player = world.player()
    await player.come(replace(VISIT, withdraws=True))
    assert len(world.office.people) == 1
    assert len(world.session().stored) == 3
    assert world.session().ended is not None
    assert set(world.office.withdrawn) == set(world.office.people)
    assert player.outcome["withdrawn"] == 1


async def test_an_idle_stream_that_is_ended_is_opened_again(world: World) -> None:
    world.office.refuse["measured"] = [Aborted("IDLE", "nothing came")]
    await world.player().come(VISIT)
    assert world.office.acts == ["enrol", "begin", "measured", *SESSION]
    assert len(world.session().stored) == 3


def _gap() -> tuple[int, int]:
    """A spell in which the kiosk is offline."""
    spells = range(NOW // SPELL_SECONDS, NOW // SPELL_SECONDS + 1_000)
    return next(gap for spell in spells if (gap := offline(1, KIOSK.kiosk_id, spell)))


@pytest.mark.parametrize("again", [False, True])
async def test_an_offline_kiosk_delivers_when_it_is_back(world: World, again: bool) -> None:
    start, back = _gap()
    world.start = start
    player = world.player()
    await player.come(replace(VISIT, again=again))
    assert world.times() == [10.0, 15.0, 20.0]
    assert world.now() >= back
    assert world.office.acts == ["enrol", *SESSION, *(SESSION if again else [])]
    assert player.outcome["measurements"] == 3
    assert (player.outcome["late"], player.outcome["twice"]) == (1, int(again))


async def test_who_withdraws_and_comes_again_enrols_anew(world: World) -> None:
    player = world.player()
    await player.come(replace(VISIT, withdraws=True, looks=True))
    await player.come(replace(VISIT, visit_id="visit-2"))
    assert world.office.acts == ["enrol", *SESSION, "trend", "withdraw", "enrol", *SESSION]
    first, second = world.office.people
    assert world.office.withdrawn == [first]
    assert world.office.trends == [(first, 1)]
    assert [one.begin.person_token for one in world.office.sessions.values()] == [first, second]


async def test_a_department_with_new_data_is_told_of_the_kiosks_again(world: World) -> None:
    world.office.refuse["begin"] = [NotFound("kiosk", KIOSK.kiosk_id)]
    player = world.player()
    await player.come(VISIT)
    assert world.office.acts == ["enrol", "begin", "register"]
    assert set(world.office.kiosks) == {kiosk.kiosk_id for kiosk in KIOSKS}
    world.office.refuse["begin"] = [PermissionDenied("UNKNOWN_TOKEN", "nobody's")]
    await player.come(VISIT)
    await player.come(VISIT)
    assert world.office.acts[3:] == ["enrol", "begin", "enrol", *SESSION]
    assert player.outcome["unknown_token"] == 1


@pytest.mark.parametrize(
    ("refusal", "word"),
    [
        (PermissionDenied("NOT_REGISTERED", "not in the policy"), "NOT_REGISTERED"),
        (InvalidArgument("measured.sequence", "expected 1"), "INVALID_ARGUMENT"),
    ],
)
async def test_what_no_person_can_be_the_reason_of_ends_the_playing(
    world: World, refusal: InvalidArgument | PermissionDenied, word: str
) -> None:
    world.office.refuse["begin"] = [refusal]
    with pytest.raises(RefusedError, match="health: Session") as refused:
        await world.player().come(VISIT)
    assert reason(refused.value) == word


async def test_a_refused_session_stops_its_measuring_too(world: World) -> None:
    world.office.refuse["begin"] = [FailedPrecondition("NO_CONSENT", "withdrawn")]
    resting = asyncio.Event()

    async def for_ever(_: float) -> None:
        resting.set()
        await asyncio.Event().wait()

    desk = Office(world.channel, Calls("health", 10.0, wait_none()))
    player = HealthPlayer(desk, LOAD, now=world.now, rest=for_ever)
    async with asyncio.timeout(30):
        await player.come(VISIT)
    assert resting.is_set()
    assert player.outcome["no_consent"] == 1


async def test_what_began_long_ago_is_left_out_and_nobody_is_at_two_kiosks(world: World) -> None:
    world.rests = [100.0]
    player = world.player(looping=True)
    async with asyncio.timeout(60):
        with pytest.raises(asyncio.CancelledError):
            await player.play()
    old = [beginning(LOAD, NOW + at) for at in range(100 - LATE_SECONDS)]
    assert player.outcome["left_out"] >= sum(map(len, old)) > 50


async def test_a_busy_minute_is_played_and_each_second_begins_once(world: World) -> None:
    load = Load(7, 300.0, 300.0)
    ticks, under_way = 6, 0

    async def rest(seconds: float) -> None:
        nonlocal ticks, under_way
        if ticks:
            ticks -= 1
            world.elapsed += 1.0
            await asyncio.sleep(0)
            return
        under_way += 1
        await asyncio.Event().wait()

    desk = Office(world.channel, Calls("health", 10.0, wait_none()))
    player = HealthPlayer(desk, load, now=world.now, rest=rest)
    playing = asyncio.create_task(player.run())

    async def begun() -> bool:
        assert not playing.done()
        return player.outcome["enrolled"] > 3

    await eventually(begun)
    playing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await playing
    assert set(world.office.kiosks) == {kiosk.kiosk_id for kiosk in KIOSKS}
    found = [one for at in range(6) for one in beginning(load, NOW + at)]
    assert len(world.office.people) <= len(found)
