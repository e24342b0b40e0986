"""The cameras' players against a control centre of the test's own, over real sockets."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
import pytest_asyncio
from city.cameras.v1 import alarm_pb2
from city.cameras.v1.alarm_pb2_grpc import AlarmServiceStub, add_AlarmServiceServicer_to_server
from city.cameras.v1.camera_pb2_grpc import CameraServiceStub, add_CameraServiceServicer_to_server
from city.cameras.v1.detection_pb2_grpc import (
    DetectionServiceStub,
    add_DetectionServiceServicer_to_server,
)
from tenacity import wait_none

from loadtests.city.calls import Calls
from loadtests.city.cameras.background import Load, detections
from loadtests.city.cameras.desk import Desk
from loadtests.city.cameras.operators import MAX_AT_ONCE, Operators, decide
from loadtests.city.cameras.player import BUFFER_SECONDS, CameraPlayer
from loadtests.city.cameras.presence import heartbeats
from loadtests.city.errors import RefusedError
from loadtests.tests.control_centre import ControlCentre

NOW = 1_795_000_000
LOAD = Load(1, 0.05, 0.0)


@dataclass
class World:
    """A control centre and the clock of one player, which runs only while it rests."""

    centre: ControlCentre
    channel: grpc.aio.Channel
    rests: list[float]
    elapsed: float = 0.0

    def now(self) -> float:
        return NOW + self.elapsed

    async def rest(self, seconds: float) -> None:
        """Time passes as `rests` tells; then the player is stopped as by SIGTERM."""
        if not self.rests:
            raise asyncio.CancelledError
        self.elapsed += self.rests.pop(0)

    def calls(self) -> Calls:
        return Calls("cameras", 10.0, wait_none())

    def player(self) -> CameraPlayer:
        cameras, ingest = CameraServiceStub(self.channel), DetectionServiceStub(self.channel)
        return CameraPlayer(cameras, ingest, LOAD, self.calls(), now=self.now, rest=self.rest)

    async def detect(self) -> CameraPlayer:
        """Register and play detections through all rests."""
        player = self.player()
        await player.register()
        async with asyncio.timeout(60):
            with pytest.raises(asyncio.CancelledError):
                await player.detect()
        return player

    def taken(self) -> set[tuple[str, int]]:
        return {(one.track_id, one.micros) for one in self.centre.taken.values()}


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    centre = ControlCentre()
    server = grpc.aio.server()
    add_CameraServiceServicer_to_server(centre, server)
    add_DetectionServiceServicer_to_server(centre, server)
    add_AlarmServiceServicer_to_server(centre, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield World(centre, channel, rests=[5.0, 5.0])
    await server.stop(None)


def _expected(start: int, end: int) -> list[Any]:
    return [one for second in range(start, end) for one in detections(LOAD, second)]


async def test_the_whole_estate_is_registered_and_again_is_the_same_change(world: World) -> None:
    player = world.player()
    await player.register()
    keys = set(world.centre.keys)
    await player.register()
    assert world.centre.keys == keys
    assert (len(world.centre.sites), len(world.centre.cameras)) == (898, 3038)
    camera = world.centre.cameras["living-0001-1"]
    assert (camera.site_id, camera.heading_degrees, camera.retention_days) == (
        "living-0001",
        30.0,
        30,
    )
    around = [c for c in world.centre.cameras.values() if not c.HasField("heading_degrees")]
    assert around
    assert all(camera.field_of_view_degrees == 360 for camera in around)


async def test_every_second_is_sent_once_in_order_and_malformed_ones_are_refused(
    world: World,
) -> None:
    player = await world.detect()
    expected = _expected(NOW, NOW + 10)
    sent = [one for call in world.centre.calls for one in call]
    assert [(o.camera_id, o.kind, o.track_id, o.micros) for o in sent] == [
        (o.camera_id, o.kind, o.track_id, o.micros) for o in expected
    ]
    assert player.outcome["malformed"] == sum(one.fault is not None for one in expected)
    assert player.outcome["accepted"] + player.outcome["refused"] == len(expected) > 50


async def test_what_was_not_acknowledged_is_sent_again(world: World) -> None:
    world.centre.fail_before = [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED]
    world.centre.fail_after = [grpc.StatusCode.UNAVAILABLE]
    await world.detect()
    first = world.centre.calls[0]
    assert world.centre.calls[:4] == [first] * 4
    right = {(o.track_id, o.micros) for o in _expected(NOW, NOW + 10) if o.fault is None}
    assert right <= world.taken()


async def test_after_a_long_break_only_the_last_minute_is_sent(world: World) -> None:
    world.rests = [300.0]
    player = await world.detect()
    sent = {one.micros // 1_000_000 for call in world.centre.calls for one in call}
    assert min(sent) >= NOW + 300 - BUFFER_SECONDS
    left = _expected(NOW, NOW + 300 - BUFFER_SECONDS)
    assert player.outcome["left_out"] == len(left)


async def test_cameras_that_are_forgotten_are_registered_again(world: World) -> None:
    player = world.player()
    async with asyncio.timeout(60):
        with pytest.raises(asyncio.CancelledError):
            await player.detect()
    assert len(world.centre.cameras) == 3038
    right = {(o.track_id, o.micros) for o in _expected(NOW, NOW + 10) if o.fault is None}
    assert right <= world.taken()


async def test_a_refusal_that_would_come_again_ends_it_by_name(world: World) -> None:
    world.centre.fail_before = [grpc.StatusCode.PERMISSION_DENIED]
    player = world.player()
    with pytest.raises(RefusedError, match="cameras: PublishDetections: PERMISSION_DENIED"):
        await player.run()


async def test_heartbeats_are_of_now_and_missed_seconds_are_left_out(world: World) -> None:
    world.rests = [1.0, 40.0, 1.0]
    player = world.player()
    async with asyncio.timeout(60):
        with pytest.raises(asyncio.CancelledError):
            await player.beat()
    due = [(c.camera_id, s) for s in (NOW + 1, NOW + 41, NOW + 42) for c in heartbeats(1, 0.05, s)]
    assert world.centre.heartbeats == due
    assert player.outcome["heartbeats"] == len(due)


def _change(alarm_id: str, site_id: str = "living-0100", **changes: Any) -> alarm_pb2.Alarm:
    given = {"status": alarm_pb2.ALARM_STATUS_RAISED, "revision": 1} | changes
    return alarm_pb2.Alarm(alarm_id=alarm_id, site_id=site_id, **given)


def _ids(escalate: bool | None, number: int = 1) -> list[str]:
    """Alarms of which that becomes; None: nobody gets to them."""
    found = []
    for candidate in (f"alarm-{n}" for n in range(10_000)):
        decision = decide(1, candidate)
        if (None if decision is None else decision.escalate) is escalate:
            found.append(candidate)
        if len(found) == number:
            break
    return found


class Outcome(Counter[str]):
    """Counts that say when they change."""

    def __init__(self) -> None:
        super().__init__()
        self.changed = asyncio.Event()

    def __setitem__(self, name: str, count: int) -> None:
        super().__setitem__(name, count)
        self.changed.set()

    async def until(self, **counts: int) -> None:
        """Wait until each is that high."""
        async with asyncio.timeout(30):
            while any(self[name] < count for name, count in counts.items()):
                self.changed.clear()
                await self.changed.wait()


@dataclass
class Shift:
    """Operators at work in the background of a test."""

    world: World
    outcome: Outcome

    def tell(self, *alarms: alarm_pb2.Alarm) -> None:
        self.world.centre.changes.extend(alarms)
        self.world.centre.changed.set()


@pytest_asyncio.fixture
async def shift(world: World) -> AsyncIterator[Shift]:
    async def rest(seconds: float) -> None:
        await asyncio.sleep(0)

    stub = AlarmServiceStub(world.channel)
    operators = Operators(stub, Desk(stub, world.calls(), "kim"), 1, rest=rest)
    operators.outcome = outcome = Outcome()
    working = asyncio.create_task(operators.run())
    yield Shift(world, outcome)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)


async def test_operators_look_and_decide_and_leave_some(shift: Shift) -> None:
    (nothing,), (something,), (missed,) = _ids(False), _ids(True), _ids(None)
    shift.tell(_change(nothing), _change(something), _change(missed))
    await shift.outcome.until(dismissed=1, escalated=1, missed=1)
    acts = [(act, alarm_id) for act, alarm_id, _, _ in shift.world.centre.acts]
    assert sorted(acts) == sorted(
        [
            ("acknowledge", nothing),
            ("dismiss", nothing),
            ("acknowledge", something),
            ("escalate", something),
        ]
    )
    assert len({key for *_, key in shift.world.centre.acts}) == 4
    assert all(reason for act, _, reason, _ in shift.world.centre.acts if act != "acknowledge")


async def test_operators_keep_off_the_stages_and_off_what_has_gone_on(shift: Shift) -> None:
    first, second, third, last = _ids(False, 4)
    shift.tell(
        _change(first, site_id="living-0001"),
        _change(second, revision=2),
        _change(third, status=alarm_pb2.ALARM_STATUS_ESCALATED),
        _change(last),
    )
    await shift.outcome.until(dismissed=1)
    assert {alarm_id for _, alarm_id, _, _ in shift.world.centre.acts} == {last}


async def test_an_alarm_that_went_by_itself_is_no_failure(shift: Shift) -> None:
    (gone,) = _ids(False)
    alarm = _change(gone)
    shift.world.centre.alarms[gone] = _change(gone, status=alarm_pb2.ALARM_STATUS_ESCALATED)
    shift.tell(alarm)
    await shift.outcome.until(too_late=1)
    assert [act for act, *_ in shift.world.centre.acts] == ["acknowledge"]


async def test_a_broken_watch_goes_on_behind_the_last_alarm(shift: Shift) -> None:
    one, other = _ids(False, 2)
    shift.world.centre.fail_after = [grpc.StatusCode.UNAVAILABLE]
    shift.tell(_change(one))
    await shift.outcome.until(dismissed=1)
    shift.tell(_change(other))
    await shift.outcome.until(dismissed=2)
    assert "1" in shift.world.centre.watched
    acts = [alarm_id for act, alarm_id, _, _ in shift.world.centre.acts if act == "dismiss"]
    assert acts == [one, other]


async def test_operators_take_no_more_than_they_can(world: World) -> None:
    never = asyncio.Event()

    async def rest(seconds: float) -> None:
        await never.wait()

    stub = AlarmServiceStub(world.channel)
    operators = Operators(stub, Desk(stub, world.calls(), "kim"), 1, rest=rest)
    operators.outcome = outcome = Outcome()
    world.centre.changes = [_change(one) for one in _ids(False, MAX_AT_ONCE + 3)]
    working = asyncio.create_task(operators.run())
    try:
        await outcome.until(left=3)
        assert dict(outcome) == {"left": 3}
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
