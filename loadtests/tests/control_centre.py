"""A control centre of the tests' own, and the alarm rule written a second time, plainly."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc
from city.cameras.v1 import alarm_pb2, camera_pb2, detection_pb2
from city.cameras.v1.alarm_pb2_grpc import AlarmServiceServicer
from city.cameras.v1.camera_pb2_grpc import CameraServiceServicer
from city.cameras.v1.detection_pb2_grpc import DetectionServiceServicer

from loadtests.city.cameras.kinds import Detection, Kind
from loadtests.city.cameras.rates import SHORTEST_DWELL

MICROS = 1_000_000
LATENESS = 2 * MICROS
_GAP = {Kind.FALL: 4, Kind.LOITERING: 10, Kind.ABANDONMENT: 10, Kind.MISSING_PERSON: 5}
_WITNESS = {Kind.LOITERING: 60, Kind.ABANDONMENT: 60, Kind.MISSING_PERSON: 60}


@dataclass
class Alarm:
    """What the rule makes."""

    site_id: str
    kind: Kind
    occurred: int
    cameras: set[str] = field(default_factory=set)


def alarms_of(found: Iterable[Detection]) -> list[Alarm]:
    """Alarms that all detections together make, by rule set 1's shortest dwells."""
    tracks: defaultdict[tuple[str, Kind, str], set[int]] = defaultdict(set)
    for one in found:
        least = 0.7 if one.kind is Kind.MISSING_PERSON else 0.6
        if one.fault is None and one.confidence >= least:
            tracks[one.camera_id, one.kind, one.track_id].add(one.micros)
    alarms: list[Alarm] = []
    for (camera_id, kind, _), times in sorted(tracks.items(), key=lambda item: min(item[1])):
        site_id = camera_id.rpartition("-")[0]
        lasting = [
            run[0]
            for run in _runs(sorted(times), _GAP.get(kind, 3) * MICROS)
            if run[-1] - run[0] >= SHORTEST_DWELL[kind] * MICROS
        ]
        if not lasting:
            continue
        within = _WITNESS.get(kind, 30) * MICROS
        same = [a for a in alarms if (a.site_id, a.kind) == (site_id, kind)]
        alarm = next((a for a in same if abs(lasting[0] - a.occurred) <= within), None)
        if alarm is None:
            alarm = Alarm(site_id, kind, lasting[0])
            alarms.append(alarm)
        alarm.cameras.add(camera_id)
    return alarms


def _runs(times: list[int], gap: int) -> Iterator[list[int]]:
    run: list[int] = []
    for time in times:
        if run and time - run[-1] > gap:
            yield run
            run = []
        run.append(time)
    if run:
        yield run


def late(arrivals: Iterable[Detection]) -> list[Detection]:
    """Those that come too long after a later one of their site and kind."""
    newest: dict[tuple[str, Kind], int] = {}
    found = []
    for one in arrivals:
        if one.fault is not None:
            continue
        key = one.camera_id.rpartition("-")[0], one.kind
        if one.micros < newest.get(key, 0) - LATENESS:
            found.append(one)
        newest[key] = max(one.micros, newest.get(key, 0))
    return found


def as_detection(sent: Any) -> Detection:
    """What a message says."""
    name = detection_pb2.DetectionKind.Name(sent.kind).removeprefix("DETECTION_KIND_")
    micros = sent.detected_at.seconds * MICROS + sent.detected_at.nanos // 1000
    return Detection(sent.camera_id, Kind(name), sent.track_id, sent.confidence, None, micros)


class ControlCentre(CameraServiceServicer, DetectionServiceServicer, AlarmServiceServicer):
    """Keeps what it takes; fails as told, before or after taking it.

    With `raises` an alarm is there as soon as the rule says so; it shows no more than one witness
    to as many lists as `one_witness_for` says.
    """

    def __init__(self) -> None:
        self.sites: dict[str, Any] = {}
        self.cameras: dict[str, Any] = {}
        self.keys: set[str] = set()
        self.calls: list[list[Detection]] = []
        self.taken: dict[tuple[str, Kind, str, int], Detection] = {}
        self.heartbeats: list[tuple[str, int]] = []
        self.acts: list[tuple[str, str, str, str]] = []
        self.alarms: dict[str, alarm_pb2.Alarm] = {}
        self.watched: list[str] = []
        self.changes: list[alarm_pb2.Alarm] = []
        self.raises = False
        self.one_witness_for = 0
        self.before_act: Callable[[alarm_pb2.Alarm], None] = lambda alarm: None
        self.changed = asyncio.Event()
        self.heard = asyncio.Event()
        self.seen = asyncio.Event()
        self.fail_before: list[grpc.StatusCode] = []
        self.fail_after: list[grpc.StatusCode] = []

    async def RegisterSites(self, request: Any, context: Any) -> Any:
        self.keys.add(request.idempotency_key)
        self.sites |= {site.site_id: site for site in request.sites}
        return camera_pb2.RegisterSitesResponse(registered=len(request.sites))

    async def RegisterCameras(self, request: Any, context: Any) -> Any:
        if any(camera.site_id not in self.sites for camera in request.cameras):
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "unknown site")
        self.keys.add(request.idempotency_key)
        self.cameras |= {camera.camera_id: camera for camera in request.cameras}
        return camera_pb2.RegisterCamerasResponse(registered=len(request.cameras))

    async def SendHeartbeats(self, requests: Any, context: Any) -> Any:
        answer = camera_pb2.SendHeartbeatsResponse()
        async for request in requests:
            for one in request.heartbeats:
                self.heartbeats.append((one.camera_id, one.sent_at.seconds))
                answer.accepted += 1
        self.heard.set()
        return answer

    async def PublishDetections(self, requests: Any, context: Any) -> Any:
        sent = [as_detection(one) async for request in requests for one in request.detections]
        self.calls.append(sent)
        if self.fail_before:
            await context.abort(self.fail_before.pop(0), "told to")
        answer = detection_pb2.PublishDetectionsResponse()
        newest = max((one.micros for one in sent), default=0)
        for index, one in enumerate(sent):
            reason = self._wrong(one, newest)
            if reason:
                answer.problems.add(index=index, reason=reason, field="told", message="wrong")
                answer.refused += 1
            else:
                self.taken[one.camera_id, one.kind, one.track_id, one.micros] = one
                answer.accepted += 1
        self.seen.set()
        if self.raises:
            self._raise()
        if self.fail_after:
            await context.abort(self.fail_after.pop(0), "told to")
        return answer

    def _wrong(self, one: Detection, newest: int) -> Any:
        if one.camera_id not in self.cameras:
            return detection_pb2.DETECTION_PROBLEM_REASON_UNKNOWN_CAMERA
        if not one.track_id:
            return detection_pb2.DETECTION_PROBLEM_REASON_INVALID_TRACK
        if not 0 <= one.confidence <= 1:
            return detection_pb2.DETECTION_PROBLEM_REASON_OUT_OF_RANGE
        return None

    def _raise(self) -> None:
        for made in alarms_of(self.taken.values()):
            alarm_id = f"{made.site_id}/{made.kind}"
            alarm = self.alarms.setdefault(alarm_id, alarm_pb2.Alarm(alarm_id=alarm_id))
            alarm.site_id = made.site_id
            alarm.kind = detection_pb2.DetectionKind.Value(f"DETECTION_KIND_{made.kind}")
            alarm.occurred_at.FromMicroseconds(made.occurred)
            alarm.status = alarm.status or alarm_pb2.ALARM_STATUS_RAISED
            del alarm.witnesses[:]
            alarm.witnesses.extend(alarm_pb2.Witness(camera_id=c) for c in sorted(made.cameras))

    async def ListAlarms(self, request: Any, context: Any) -> Any:
        found = [
            one
            for one in self.alarms.values()
            if one.site_id == request.site_id and request.kind in (0, one.kind)
        ]
        answer = alarm_pb2.ListAlarmsResponse(alarms=found)
        if self.one_witness_for:
            self.one_witness_for -= 1
            for alarm in answer.alarms:
                del alarm.witnesses[1:]
        return answer

    async def WatchAlarms(self, request: Any, context: Any) -> Any:
        self.watched.append(request.cursor)
        seen = int(request.cursor or 0)
        while True:
            for alarm in self.changes[seen:]:
                seen += 1
                yield alarm_pb2.WatchAlarmsResponse(alarm=alarm, cursor=str(seen))
            if self.fail_after:
                await context.abort(self.fail_after.pop(0), "told to")
            await self.changed.wait()
            self.changed.clear()

    async def AcknowledgeAlarm(self, request: Any, context: Any) -> Any:
        await self._act("acknowledge", request, context)
        return alarm_pb2.AcknowledgeAlarmResponse()

    async def DismissAlarm(self, request: Any, context: Any) -> Any:
        await self._act("dismiss", request, context)
        return alarm_pb2.DismissAlarmResponse()

    async def EscalateAlarm(self, request: Any, context: Any) -> Any:
        await self._act("escalate", request, context)
        return alarm_pb2.EscalateAlarmResponse()

    async def _act(self, act: str, request: Any, context: Any) -> None:
        reason = getattr(request, "reason", "")
        self.acts.append((act, request.alarm_id, reason, request.idempotency_key))
        alarm = self.alarms.get(request.alarm_id, alarm_pb2.Alarm())
        self.before_act(alarm)
        if alarm.status == alarm_pb2.ALARM_STATUS_ESCALATED and act != "escalate":
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "it was escalated")

    async def FindNear(self, request: Any, context: Any) -> Any:
        raise AssertionError("not called by the city")

    GetCamera = ListCameras = RetireCamera = FindNear
    GetAlarm = GetRuleSet = PutRuleSet = FindNear
