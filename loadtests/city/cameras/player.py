"""Plays the cameras into `cameras`: the estate, then heartbeats and detections second by second."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

import structlog
from city.cameras.v1 import camera_pb2, detection_pb2

from loadtests.city.calls import Calls
from loadtests.city.cameras.background import Load, detections
from loadtests.city.cameras.estate import estate
from loadtests.city.cameras.kinds import Detection
from loadtests.city.cameras.presence import heartbeats
from loadtests.city.cameras.wire import (
    MESSAGE,
    camera_registrations,
    chunks,
    detection_message,
    heartbeat_message,
    site_registrations,
)
from loadtests.city.tasks import tasks

if TYPE_CHECKING:
    from city.cameras.v1.camera_pb2_grpc import CameraServiceAsyncStub
    from city.cameras.v1.detection_pb2_grpc import DetectionServiceAsyncStub

_log = structlog.get_logger(__name__)

# ASSUMPTION: what a camera keeps while nobody takes its detections; older ones are gone.
BUFFER_SECONDS = 60
_REPORT_SECONDS = 30.0
_MICROS = 1_000_000


class CameraPlayer:
    """Sends the model of `load` as time passes, each second's detections once that second is over.

    What `cameras` does not acknowledge is sent again, in order, for up to BUFFER_SECONDS; older
    ones are left out and counted. `now` gives seconds since 1970, `rest` waits seconds.
    """

    def __init__(
        self,
        cameras: "CameraServiceAsyncStub",
        ingest: "DetectionServiceAsyncStub",
        load: Load,
        calls: Calls,
        *,
        now: Callable[[], float] = time.time,
        rest: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._cameras = cameras
        self._ingest = ingest
        self._load = load
        self._call = calls
        self._now = now
        self._rest = rest
        self.outcome: Counter[str] = Counter()

    async def run(self) -> None:
        """Register, then play until cancelled. Raises RefusedError."""
        await self.register()
        async with tasks() as group:
            group.create_task(self.beat())
            group.create_task(self.detect())

    async def register(self) -> None:
        """Make the whole estate known; again changes nothing."""
        found = estate(self._load.seed)
        for sites in site_registrations(found.sites):
            await self._call("RegisterSites", self._cameras.RegisterSites, sites)
        for cameras in camera_registrations(found.cameras):
            await self._call("RegisterCameras", self._cameras.RegisterCameras, cameras)
        _log.info("estate-registered", sites=len(found.sites), cameras=len(found.cameras))

    async def beat(self) -> None:
        """Send each second's signs of life; seconds in which nobody listened are left out."""
        sent = int(self._now())
        while True:
            second = int(self._now())
            if second > sent and (due := heartbeats(self._load.seed, self._load.rate, second)):
                answer = await self._call(
                    "SendHeartbeats", self._heartbeats, heartbeat_message(due, second * _MICROS)
                )
                self.outcome["heartbeats"] += answer.accepted
            sent = second
            await self._rest(1.0 - self._now() % 1.0)

    async def detect(self) -> None:
        """Send what is seen."""
        sent = int(self._now())
        reported = self._now()
        while True:
            second = int(self._now())
            for missed in range(sent, second):
                found = detections(self._load, missed)
                if missed < int(self._now()) - BUFFER_SECONDS:
                    self.outcome["left_out"] += len(found)
                    continue
                for chunk in chunks(found, MESSAGE):
                    await self._publish(chunk)
            sent = second
            if self._now() - reported >= _REPORT_SECONDS:
                reported = self._now()
                _log.info("cameras-played", **self.outcome)
            await self._rest(1.0 - self._now() % 1.0)

    async def _publish(self, found: Sequence[Detection]) -> None:
        message = detection_message(found)
        answer = await self._call("PublishDetections", self._detections, message)
        if _unknown(answer, found):
            await self.register()
            answer = await self._call("PublishDetections", self._detections, message)
        self.outcome["accepted"] += answer.accepted
        self.outcome["refused"] += answer.refused
        self.outcome["malformed"] += sum(one.fault is not None for one in found)

    def _detections(
        self, message: detection_pb2.PublishDetectionsRequest, *, timeout: float
    ) -> Awaitable[detection_pb2.PublishDetectionsResponse]:
        return self._ingest.PublishDetections(iter((message,)), timeout=timeout)

    def _heartbeats(
        self, message: camera_pb2.SendHeartbeatsRequest, *, timeout: float
    ) -> Awaitable[camera_pb2.SendHeartbeatsResponse]:
        return self._cameras.SendHeartbeats(iter((message,)), timeout=timeout)


def _unknown(answer: detection_pb2.PublishDetectionsResponse, found: Sequence[Detection]) -> bool:
    """Whether a camera of the estate is not known there."""
    reason = detection_pb2.DETECTION_PROBLEM_REASON_UNKNOWN_CAMERA
    return any(
        problem.reason == reason and found[problem.index].fault is None
        for problem in answer.problems
    )
