"""Plays scenes: sends what is seen, does what their operators do, and tells what was played."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import structlog
from city.cameras.v1 import detection_pb2
from city.sensors.v1 import sensors_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from loadtests.city.calls import Calls
from loadtests.city.cameras.desk import Desk
from loadtests.city.cameras.wire import detection_message
from loadtests.city.errors import RefusedError, SceneError
from loadtests.city.scenes import smoke, times
from loadtests.city.scenes.catalogue import SCENES, Scene
from loadtests.city.scenes.outcome import Acted, PlayedScene
from loadtests.city.scenes.script import MICROS, Call, Script, Step, Takes
from loadtests.city.tasks import tasks

if TYPE_CHECKING:
    from city.cameras.v1.detection_pb2_grpc import DetectionServiceAsyncStub
    from city.sensors.v1.sensors_pb2_grpc import SensorsServiceAsyncStub

_log = structlog.get_logger(__name__)
_POLL_SECONDS = 0.3


class ScenePlayer:
    """Plays one scene after the other or several at once, each within `deadline_seconds`.

    What is not acknowledged is sent again until it is. `now` gives seconds since 1970, `rest`
    waits seconds.
    """

    def __init__(
        self,
        ingest: "DetectionServiceAsyncStub",
        cameras: Calls,
        desk: Desk,
        sensors: "SensorsServiceAsyncStub",
        air: Calls,
        *,
        seed: int,
        deadline_seconds: float,
        now: Callable[[], float] = time.time,
        rest: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._ingest = ingest
        self._cameras = cameras
        self._desk = desk
        self._sensors = sensors
        self._air = air
        self._seed = seed
        self._deadline = deadline_seconds
        self._now = now
        self._rest = rest
        self._doing: dict[str, dict[str, str]] = {}

    async def play(self, name: str, run: str) -> PlayedScene:
        """Play it once; `run` is part of the ids of its tracks.

        Raises SceneError when it cannot be played.
        """
        scene = SCENES[name]
        self._doing[name] = {}
        try:
            # A stage's rest after an earlier playing is not the scene's time.
            longest = self._deadline + times.QUIET_MICROS / MICROS
            async with asyncio.timeout(longest) as limit:
                return await self._play(name, scene, run, limit)
        except TimeoutError as error:
            doing = "; ".join(self._doing[name].values())
            raise SceneError(f"{name}: not played within {self._deadline:g} s: {doing}") from error
        except (RefusedError, SceneError) as error:
            raise SceneError(f"{name}: {error}") from error

    async def _play(self, name: str, scene: Scene, run: str, limit: asyncio.Timeout) -> PlayedScene:
        doing = self._doing[name]
        if scene.smoke:
            doing["smoke"] = "waiting for sensors to assess the smoke"
            async with asyncio.timeout(self._deadline):
                await self._fill_with_smoke()
            doing["smoke"] = "smoke assessed"
        start = await self._start(scene)
        limit.reschedule(asyncio.get_running_loop().time() + self._deadline)
        script = scene.write(Takes(self._seed, f"{run}-{name}", start))
        _log.info("scene-begins", scene=name, title=scene.title)
        async with tasks() as group:
            group.create_task(self._send(name, script, times.begin(scene, start)))
            acting = group.create_task(self._act(name, script))
        _log.info("scene-played", scene=name, detections=script.sent.detections)
        return PlayedScene(
            name=name,
            title=scene.title,
            site_ids=tuple(stage.site_id for stage in scene.stages),
            window=script.window,
            sent=script.sent,
            acts=tuple(acting.result()),
            expected=script.expected,
        )

    async def _start(self, scene: Scene) -> int:
        found = [a for s in scene.stages for a in await self._desk.alarms_of(s.site_id)]
        newest = max((_micros(alarm.occurred_at) for alarm in found), default=None)
        start = times.start(scene, self._micros(), newest)
        if scene.school_hours:
            return start
        if (ahead := times.begin(scene, start) - self._micros()) > 0:
            _log.info("stage-busy", seconds=ahead / MICROS)
            await self._rest(ahead / MICROS)
        return start

    async def _send(self, name: str, script: Script, begin: int) -> None:
        began = max(begin, self._micros())
        self._doing[name]["sending"] = "no call sent"
        for number, call in enumerate(script.calls, start=1):
            await self._until(began + round(call.at * MICROS))
            await self._publish(call)
            self._doing[name]["sending"] = f"{number} of {len(script.calls)} calls sent"

    async def _publish(self, call: Call) -> None:
        message = detection_message(call.detections)
        while True:
            answer = await self._cameras("PublishDetections", self._publish_once, message)
            wrong = [p for p in answer.problems if call.detections[p.index].fault is None]
            if not wrong:
                break
            unknown = detection_pb2.DETECTION_PROBLEM_REASON_UNKNOWN_CAMERA
            if any(problem.reason != unknown for problem in wrong):
                raise SceneError(f"a detection was refused: {wrong[0].field}: {wrong[0].message}")
            # Cameras takes a while to hear of cameras registered just now.
            await self._rest(_POLL_SECONDS)
        planned = sum(one.fault is not None for one in call.detections)
        if answer.refused != planned:
            raise SceneError(f"{planned} malformed detections sent, {answer.refused} refused")

    async def _act(self, name: str, script: Script) -> list[Acted]:
        acted = []
        for step in script.steps:
            self._doing[name]["acting"] = f"waiting for its alarm {step.kind} at {step.site_id}"
            alarm_id = await self._alarm(script, step)
            await self._rest(step.after)
            match step.act:
                case "acknowledge":
                    done = await self._desk.acknowledge(alarm_id)
                case "dismiss":
                    done = await self._desk.dismiss(alarm_id, step.reason)
                case "escalate":
                    done = await self._desk.escalate(alarm_id, step.reason)
            if not done and not step.or_by_itself:
                raise SceneError(f"alarm {alarm_id}: too late to {step.act} it")
            _log.info("operator-acts", scene=name, act=step.act, alarm_id=alarm_id, done=done)
            acted.append(
                Acted(
                    act=step.act,
                    site_id=step.site_id,
                    kind=step.kind,
                    alarm_id=alarm_id,
                    done=done,
                )
            )
        return acted

    async def _alarm(self, script: Script, step: Step) -> str:
        """The alarm that the step waits for."""
        window = script.window
        while True:
            for alarm in await self._desk.alarms_of(step.site_id, step.kind):
                occurred = _micros(alarm.occurred_at)
                if not window.first_micros <= occurred <= window.last_micros:
                    continue
                if len(alarm.witnesses) >= step.witnesses:
                    return alarm.alarm_id
            await self._rest(_POLL_SECONDS)

    async def _fill_with_smoke(self) -> None:
        for registration in smoke.registrations():
            await self._air("RegisterStation", self._sensors.RegisterStation, registration)
        now = self._now()
        answer = await self._air(
            "PublishReadings", self._publish_readings, smoke.readings(self._seed, now)
        )
        if answer.refused:
            raise SceneError(f"sensors refused {answer.refused} readings of the smoke")
        while not smoke.is_bad(
            await self._air("GetMap", self._sensors.GetMap, smoke.box()), smoke.newest_hour(now)
        ):
            await self._rest(_POLL_SECONDS)

    def _publish_once(
        self, message: detection_pb2.PublishDetectionsRequest, *, timeout: float
    ) -> Awaitable[detection_pb2.PublishDetectionsResponse]:
        return self._ingest.PublishDetections(iter((message,)), timeout=timeout)

    def _publish_readings(
        self, message: sensors_pb2.PublishReadingsRequest, *, timeout: float
    ) -> Awaitable[sensors_pb2.PublishReadingsResponse]:
        return self._sensors.PublishReadings(iter((message,)), timeout=timeout)

    async def _until(self, micros: int) -> None:
        if (ahead := micros - self._micros()) > 0:
            await self._rest(ahead / MICROS)

    def _micros(self) -> int:
        return round(self._now() * MICROS)


def _micros(time: Timestamp) -> int:
    return time.seconds * MICROS + time.nanos // 1000
