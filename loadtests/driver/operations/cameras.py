"""What cameras send: detections, heartbeats, and an arson that calls 112 by itself.

Settings, all ASSUMPTION: `detections_per_call` (mean, 5), `track_chars` (mean length of track ids,
24), `heartbeats_per_call` (30: a site's recorder speaks for its cameras), `zipf` and `hot_share`
(0: each camera alike; else some sites see far more), `settle_seconds`.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

import grpc.aio
from city.cameras.v1 import detection_pb2
from city.cameras.v1.camera_pb2_grpc import CameraServiceStub
from city.cameras.v1.detection_pb2_grpc import DetectionServiceStub
from city_backbone.events import event_id

from loadtests.city.cameras import wire
from loadtests.city.cameras.background import spoilt
from loadtests.city.cameras.estate import Camera, estate
from loadtests.city.cameras.kinds import Box, Detection, Fault, Kind
from loadtests.city.cameras.rates import BOXLESS_SHARE, KIND_SHARES
from loadtests.city.seeded import draws
from loadtests.driver.operation import Operation, Outcome, World, attempting
from loadtests.driver.operations.calling import (
    connected,
    deadline,
    malformed_share,
    refused,
    size,
    skew,
)
from loadtests.latency.arson import SITES, Arson

if TYPE_CHECKING:
    from city.cameras.v1.camera_pb2_grpc import CameraServiceAsyncStub
    from city.cameras.v1.detection_pb2_grpc import DetectionServiceAsyncStub

DETECTIONS = "cameras.PublishDetections"
HEARTBEATS = "cameras.SendHeartbeats"
ARSON = "cameras.Arson"
_MOST = 1_000
_LONGEST_TRACK = 64
_CONFIDENCE = (0.20, 0.75)
# Seconds before the intended instant at which an arson was seen, so that it has persisted for the
# rule's dwell time when the last detection comes.
_BEFORE = (3.01, 2.5, 2.0, 1.5, 1.0, 0.5, 0.0)
ARSON_SEEN = timedelta(seconds=_BEFORE[0])
"""From the first detection to the intended instant."""
_EVENTS = "cameras.object-detected.v1"
_KNOWN_SECONDS = 6.0
# SITES of them last for more than the two minutes in which one place is one incident.
_PLACES_PER_SECOND = 16


def offers(name: str) -> bool:
    return name in (DETECTIONS, HEARTBEATS, ARSON)


async def prepare(world: World, names: Collection[str]) -> None:
    async with connected(world, "cameras") as channel:
        if ARSON in names:
            await Arson(channel).prepare()
        if DETECTIONS in names or HEARTBEATS in names:
            stub: CameraServiceAsyncStub = CameraServiceStub(channel)
            for sites in wire.site_registrations(estate(world.seed).sites):
                await stub.RegisterSites(sites, timeout=deadline(world))
            for cameras in wire.camera_registrations(estate(world.seed).cameras):
                await stub.RegisterCameras(cameras, timeout=deadline(world))
    # The service learns of new cameras within its directory's age.
    await asyncio.sleep(world.number("settle_seconds", _KNOWN_SECONDS))


@asynccontextmanager
async def open(world: World, names: Collection[str]) -> AsyncIterator[Mapping[str, Operation]]:
    async with connected(world, "cameras") as channel:
        made: tuple[Operation, ...] = (
            Detections(channel, world),
            Heartbeats(channel, world),
            Arsons(channel, world),
        )
        yield {one.name: one for one in made if one.name in names}


class Detections:
    """A camera's detections of a moment, none of which comes to an alarm: each track is seen once.

    Those that are malformed must be refused, the others taken.
    """

    name = DETECTIONS

    def __init__(self, channel: grpc.aio.Channel, world: World) -> None:
        self._stub: DetectionServiceAsyncStub = DetectionServiceStub(channel)
        self._seed = world.seed
        self._sites = estate(world.seed).background
        self._cameras = tuple(camera for site in self._sites for camera in site.cameras)
        self._skew = skew(world, "sites", len(self._sites))
        self._mean = world.number("detections_per_call", 5)
        self._track_chars = world.number("track_chars", 24)
        self._malformed = malformed_share(world)
        self._deadline = deadline(world)

    async def __call__(self, intended: datetime, number: int) -> Outcome:
        found = list(self.seen(micros(intended), number))
        return await publish(self._stub, found, self._deadline)

    def seen(self, at: int, number: int) -> Iterator[Detection]:
        draw = draws(self._seed, self.name, number)
        camera = self._camera(draw)
        for index in range(size(draw, self._mean, _MOST)):
            # A run of the same seed is another day: its tracks are others.
            track = f"{at:x}-{number:x}-{index}-"
            length = size(draw, self._track_chars, _LONGEST_TRACK)
            one = Detection(
                camera_id=camera.camera_id,
                kind=draw.choices(tuple(KIND_SHARES), tuple(KIND_SHARES.values()))[0],
                track_id=track.ljust(length, "0"),
                confidence=round(draw.uniform(*_CONFIDENCE), 3),
                box=None if draw.random() < BOXLESS_SHARE else Box(0.4, 0.3, 0.1, 0.2),
                micros=at,
            )
            bad = draw.random() < self._malformed
            yield spoilt(one, draw.choice(list(Fault))) if bad else one

    def _camera(self, draw: Random) -> Camera:
        if self._skew.even:
            return draw.choice(self._cameras)
        return draw.choice(self._sites[self._skew(draw)].cameras)


class Heartbeats:
    """Of so many cameras, in turn. A malformed one is of a camera that nobody knows, and must be
    refused by field."""

    name = HEARTBEATS

    def __init__(self, channel: grpc.aio.Channel, world: World) -> None:
        self._stub: CameraServiceAsyncStub = CameraServiceStub(channel)
        self._cameras = estate(world.seed).cameras
        self._seed = world.seed
        self._each = int(world.number("heartbeats_per_call", 30))
        self._malformed = malformed_share(world)
        self._deadline = deadline(world)

    async def __call__(self, intended: datetime, number: int) -> Outcome:
        first = number * self._each
        own = [self._cameras[(first + n) % len(self._cameras)] for n in range(self._each)]
        draw = draws(self._seed, self.name, number)
        bad = {index for index in range(self._each) if draw.random() < self._malformed}
        message = wire.heartbeat_message(own, micros(intended))
        for index in bad:
            message.heartbeats[index].camera_id = f"gone-{own[index].camera_id}"
        try:
            answer = await self._stub.SendHeartbeats(iter((message,)), timeout=self._deadline)
        except grpc.aio.AioRpcError as error:
            return refused(error, own[0].camera_id)
        named = {one.index for one in answer.problems if one.field}
        if answer.refused != len(bad) or named != bad:
            told = f"{answer.refused} refused, {len(bad)} malformed: {answer.problems}"
            return Outcome("failed", told[:300], key=own[0].camera_id)
        return Outcome("ok", "malformed ones refused" if bad else "", key=own[0].camera_id)


class Arsons:
    """At a place of its own each; the last detection, at the intended instant, makes it an alarm
    that goes to 112 and 119 at once. Two at one place within two minutes become one incident: so
    places are used again after SITES of them, and a run begins behind those of the one before, as
    long as that had no more than _PLACES_PER_SECOND."""

    name = ARSON

    def __init__(self, channel: grpc.aio.Channel, world: World) -> None:
        self._stub: DetectionServiceAsyncStub = DetectionServiceStub(channel)
        self._first = world.made_at * _PLACES_PER_SECOND
        self._deadline = deadline(world)

    async def __call__(self, intended: datetime, number: int) -> Outcome:
        at, place = micros(intended), (self._first + number) % SITES
        camera_id = f"probe-{place:04}-1"
        return await publish(
            self._stub,
            [
                Detection(
                    camera_id=camera_id,
                    kind=Kind.ARSON,
                    track_id=f"{at:x}-{number:x}",
                    confidence=0.95,
                    box=None,
                    micros=at - round(before * 1_000_000),
                )
                for before in _BEFORE
            ],
            self._deadline,
        )


def _event(one: Detection) -> str:
    return str(event_id("detection", one.camera_id, one.kind.value, one.track_id, one.micros))


async def publish(
    stub: "DetectionServiceAsyncStub", found: list[Detection], seconds: float
) -> Outcome:
    """In one message. Acknowledged are the events of those that were taken."""
    key = found[0].camera_id
    attempting(*(f"{_EVENTS}/{_event(one)}" for one in found if not one.fault))
    try:
        answer = await stub.PublishDetections(
            iter((wire.detection_message(found),)), timeout=seconds
        )
    except grpc.aio.AioRpcError as error:
        return refused(error, key)
    problems = {one.index: one for one in answer.problems}
    good = [one for index, one in enumerate(found) if index not in problems]
    taken = tuple(_event(one) for one in good)
    wrong = [index for index, one in enumerate(found) if (index in problems) != bool(one.fault)]
    wrong += [index for index, problem in problems.items() if not problem.field]
    if wrong:
        return Outcome("failed", _told(found, wrong[0], problems), taken, key)
    return Outcome("ok", "malformed ones refused" if problems else "", taken, key)


def micros(time: datetime) -> int:
    """Since 1970, exactly."""
    return round(time.timestamp() * 1_000_000)


def _told(
    found: list[Detection], index: int, problems: Mapping[int, detection_pb2.DetectionProblem]
) -> str:
    if index in problems:
        return f"refused: {problems[index].field or 'no field'}: {problems[index].message}"[:300]
    return f"taken though malformed: {found[index].fault}"
