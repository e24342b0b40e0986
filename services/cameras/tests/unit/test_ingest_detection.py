"""What a detection must be; and that the intake publishes exactly those that are."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import cast

import pytest
from cameras.directory import CameraPlace, Directory
from cameras.ingest import facts
from cameras.ingest.detection import (
    KINDS,
    MAX_BEHIND_MICROS,
    Box,
    Detection,
    Problem,
    Reason,
    check,
)
from cameras.ingest.intake import DETECTIONS_METRIC, Intake
from cameras.ingest.rpc import MAX_PROBLEMS, DetectionServicer, detection_from
from city.cameras.v1 import detection_pb2 as pb
from city_backbone.database import Database
from city_backbone.errors import InvalidArgument, Overloaded, Transient
from city_backbone.events import OutgoingEvent, event_id
from city_backbone.rpc.admission import Admission
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, Sum

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NOW_MICROS = facts.micros(NOW)
PLACES: Mapping[str, CameraPlace] = MappingProxyType(
    {
        "cam-1": CameraPlace("cam-1", "site-1", "PARK", False),
        "cam-2": CameraPlace("cam-2", "site-2", "VEHICLE", False),
        "cam-old": CameraPlace("cam-old", "site-1", "PARK", True),
    }
)
GOOD = Detection("cam-1", "FALL", "t-1", 0.9, Box(0, 0, 1, 1), NOW_MICROS)


def reason(detection: Detection) -> Reason | None:
    judged = check(detection, PLACES, NOW_MICROS)
    return judged.reason if isinstance(judged, Problem) else None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, None),
        ({"camera_id": "cam-9"}, Reason.UNKNOWN_CAMERA),
        ({"camera_id": ""}, Reason.UNKNOWN_CAMERA),
        ({"camera_id": "cam-old"}, Reason.RETIRED_CAMERA),
        ({"kind": ""}, Reason.UNKNOWN_KIND),
        ({"track_id": ""}, Reason.INVALID_TRACK),
        ({"track_id": "x" * 65}, Reason.INVALID_TRACK),
        ({"track_id": "x" * 64}, None),
        ({"track_id": "사람"}, Reason.INVALID_TRACK),
        ({"track_id": "a\nb"}, Reason.INVALID_TRACK),
        ({"confidence": 1.0}, None),
        ({"confidence": -0.01}, Reason.OUT_OF_RANGE),
        ({"confidence": 1.01}, Reason.OUT_OF_RANGE),
        ({"confidence": float("nan")}, Reason.OUT_OF_RANGE),
        ({"confidence": float("inf")}, Reason.OUT_OF_RANGE),
        ({"box": None}, None),
        ({"box": Box(0, 0, 1.5, 1)}, Reason.OUT_OF_RANGE),
        ({"box": Box(0, float("nan"), 1, 1)}, Reason.OUT_OF_RANGE),
        ({"detected_at": None}, Reason.INVALID_TIME),
        ({"detected_at": -1}, Reason.INVALID_TIME),
        ({"detected_at": NOW_MICROS + 5_000_000}, None),
        ({"detected_at": NOW_MICROS + 5_000_001}, Reason.FUTURE_TIME),
        ({"detected_at": NOW_MICROS - MAX_BEHIND_MICROS}, None),
        ({"detected_at": NOW_MICROS - MAX_BEHIND_MICROS - 1}, Reason.INVALID_TIME),
        ({"detected_at": 0}, Reason.INVALID_TIME),
    ],
)
def test_the_first_fault_is_named(changes: dict[str, object], expected: Reason | None) -> None:
    assert reason(GOOD._replace(**changes)) == expected  # type: ignore[arg-type]


shares = st.floats(allow_nan=True, allow_infinity=True)


@given(
    st.builds(
        Detection,
        st.sampled_from(["cam-1", "cam-2", "cam-old", "cam-9", ""]),
        st.sampled_from([*KINDS, ""]),
        st.text(max_size=70) | st.just("track"),
        shares | st.floats(0, 1),
        st.none() | st.builds(Box, *[shares | st.floats(0, 1)] * 4),
        st.none() | st.integers(-(10**18), 10**18) | st.just(NOW_MICROS),
    )
)
def test_what_passes_fits_the_contract_and_what_does_not_names_a_field(
    detection: Detection,
) -> None:
    judged = check(detection, PLACES, NOW_MICROS)
    if isinstance(judged, Problem):
        assert judged.field.partition(".")[0] in Detection._fields
        assert "expected" in judged.message
        return
    assert judged.camera_id == detection.camera_id
    assert not judged.retired
    assert detection.kind in KINDS
    assert 1 <= len(detection.track_id) <= 64
    assert all(" " <= letter <= "~" for letter in detection.track_id)
    for share in (detection.confidence, *(detection.box or ())):
        assert 0 <= share <= 1
    event = facts.object_detected(detection, judged, NOW)
    assert event == facts.object_detected(detection, judged, NOW)
    assert (event.key, event.data["purpose"]) == (judged.site_id, judged.purpose)
    assert event.time <= NOW + timedelta(seconds=5)
    assert facts.micros(event.time) == detection.detected_at
    assert event.id == event_id(
        "detection",
        detection.camera_id,
        detection.kind,
        detection.track_id,
        detection.detected_at,
    )


def test_a_message_is_read_to_the_microsecond() -> None:
    time = Timestamp(seconds=1_763_812_800, nanos=123_456_999)
    said = pb.Detection(
        camera_id="cam-1",
        kind=pb.DETECTION_KIND_FIRE,
        track_id="t",
        confidence=0.5,
        box=pb.Box(x=0.1, y=0.2, width=0.3, height=0.4),
        detected_at=time,
    )
    assert detection_from(said) == Detection(
        "cam-1", "FIRE", "t", 0.5, Box(0.1, 0.2, 0.3, 0.4), 1_763_812_800_123_456
    )
    bare = detection_from(pb.Detection(kind=pb.DETECTION_KIND_UNSPECIFIED))
    assert (bare.kind, bare.box, bare.detected_at) == ("", None, None)
    for wrong in (Timestamp(seconds=-1), Timestamp(nanos=1_000_000_000), Timestamp(nanos=-1)):
        assert detection_from(pb.Detection(detected_at=wrong)).detected_at is None


class FakeDirectory(Directory):
    """Cameras that appear when told; counts how often it is read."""

    def __init__(self) -> None:
        super().__init__(cast(Database, None), 5.0)
        self.known = dict(PLACES)
        self.later: dict[str, CameraPlace] = {}
        self.forgotten = 0
        self.asked = 0
        self._old = False

    def forget(self) -> None:
        self.forgotten += 1
        self._old = True

    async def places(self) -> Mapping[str, CameraPlace]:
        self.asked += 1
        if self._old:
            self._old = False
            for _ in range(3):  # a query takes its time, and others are answered as before
                await asyncio.sleep(0)
            self.known |= self.later
        return dict(self.known)


class FakeDirect:
    def __init__(self) -> None:
        self.batches: list[Sequence[OutgoingEvent]] = []
        self.yielding: list[bool] = []
        self.away = False

    async def publish(self, events: Sequence[OutgoingEvent], *, yields: bool = False) -> None:
        if self.away:
            raise Transient("away")
        self.batches.append(list(events))
        self.yielding.append(yields)


def urgent(kind: str, purpose: str, at: int, confidence: float) -> bool:
    return (kind, purpose, at) == ("FIRE", "VEHICLE", NOW_MICROS) and confidence > 0.5


class Part:
    """The intake with fakes around it."""

    def __init__(self, refresh_seconds: float = 60.0) -> None:
        self.reader = InMemoryMetricReader()
        meter = MeterProvider(metric_readers=[self.reader]).get_meter("cameras")
        self.directory = FakeDirectory()
        self.direct = FakeDirect()
        self.admission = Admission(2)
        self.intake = Intake(
            self.directory, self.direct, urgent, meter, lambda: NOW, refresh_seconds
        )

    def counted(self) -> dict[tuple[str, ...], int]:
        data = self.reader.get_metrics_data()
        assert data is not None
        found = {}
        for metric in data.resource_metrics[0].scope_metrics[0].metrics:
            assert metric.name == DETECTIONS_METRIC
            assert isinstance(metric.data, Sum)
            for point in metric.data.data_points:
                labels = point.attributes or {}
                key = tuple(str(labels[name]) for name in ("outcome", "kind", "source"))
                found[key] = int(point.value)
        return found


async def test_good_ones_are_published_in_one_batch_and_counted() -> None:
    part = Part()
    refused = await part.intake.take(
        [GOOD, GOOD._replace(kind=""), GOOD._replace(camera_id="cam-2"), GOOD], "grpc"
    )
    assert [(position, problem.reason) for position, problem in refused] == [
        (1, Reason.UNKNOWN_KIND)
    ]
    (batch,) = part.direct.batches
    assert [event.key for event in batch] == ["site-1", "site-2", "site-1"]
    assert batch[0].id == batch[2].id
    assert part.directory.asked == 1
    assert part.counted() == {
        ("accepted", "fall", "grpc"): 3,
        ("unknown_kind", "unknown", "grpc"): 1,
    }


URGENT = GOOD._replace(camera_id="cam-2", kind="FIRE")


@pytest.mark.parametrize(
    ("detections", "yields"),
    [
        ([GOOD], True),
        ([GOOD, URGENT, GOOD], False),
        ([URGENT._replace(camera_id="cam-1")], True),
        ([URGENT._replace(confidence=0.5)], True),
        ([URGENT._replace(detected_at=NOW_MICROS - 1)], True),
        ([GOOD, URGENT._replace(track_id="")], True),
    ],
)
async def test_only_what_no_urgent_alarm_can_come_of_yields_and_may_be_refused(
    detections: Sequence[Detection], yields: bool
) -> None:
    part = Part()

    def refuse() -> None:
        raise Overloaded("too many")

    await part.intake.take(detections, "onvif")
    await part.intake.take(detections, "grpc", lambda: None)
    if yields:
        with pytest.raises(Overloaded):
            await part.intake.take(detections, "grpc", refuse)
    else:
        await part.intake.take(detections, "grpc", refuse)
    assert part.direct.yielding == [False, yields, *([] if yields else [False])]


async def test_cameras_of_one_site_are_published_in_order_of_time() -> None:
    """What one camera catches up with must not make the next one's too late."""
    part = Part()
    second = 1_000_000
    caught_up = [
        GOOD._replace(camera_id=camera, detected_at=NOW_MICROS - ago * second)
        for camera in ("cam-1", "cam-2")
        for ago in (15, 10, 5)
    ]
    await part.intake.take(caught_up, "onvif")
    (batch,) = part.direct.batches
    assert [event.time for event in batch] == sorted(event.time for event in batch)


async def test_a_camera_put_back_in_service_elsewhere_is_found() -> None:
    part = Part()
    part.directory.later["cam-old"] = CameraPlace("cam-old", "site-1", "PARK", False)
    assert await part.intake.take([GOOD._replace(camera_id="cam-old")], "grpc") == []


async def test_a_camera_registered_a_moment_ago_is_found() -> None:
    part = Part()
    part.directory.later["cam-3"] = CameraPlace("cam-3", "site-3", "PARK", False)
    assert await part.intake.take([GOOD._replace(camera_id="cam-3")], "grpc") == []
    assert part.directory.forgotten == 1


async def test_unknown_cameras_do_not_read_the_directory_again_and_again() -> None:
    part = Part()
    ghost = GOOD._replace(camera_id="cam-ghost")
    for _ in range(5):
        (found,) = await part.intake.take([ghost], "grpc")
        assert found[1].reason is Reason.UNKNOWN_CAMERA
    assert part.directory.forgotten == 1


async def test_callers_in_the_same_moment_share_one_refresh() -> None:
    part = Part()
    part.directory.later["cam-3"] = CameraPlace("cam-3", "site-3", "PARK", False)
    new = GOOD._replace(camera_id="cam-3")
    answers = await asyncio.gather(*(part.intake.take([new], "grpc") for _ in range(5)))
    assert answers == [[]] * 5
    assert part.directory.forgotten == 1


async def test_what_the_broker_did_not_confirm_is_not_counted() -> None:
    part = Part()
    part.direct.away = True
    with pytest.raises(Transient):
        await part.intake.take([GOOD], "grpc")
    part.direct.away = False
    await part.intake.take([GOOD], "grpc")
    assert part.counted() == {("accepted", "fall", "grpc"): 1}


def at(time: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(time)
    return stamp


def said(number: int, **changes: object) -> pb.Detection:
    fields = {
        "camera_id": "cam-1",
        "kind": pb.DETECTION_KIND_FALL,
        "track_id": f"t-{number}",
        "confidence": 0.9,
        "detected_at": at(NOW),
    }
    return pb.Detection(**{**fields, **changes})  # type: ignore[arg-type]


async def call(part: Part, *messages: Sequence[pb.Detection]) -> pb.PublishDetectionsResponse:
    async def stream() -> AsyncIterator[pb.PublishDetectionsRequest]:
        for detections in messages:
            yield pb.PublishDetectionsRequest(detections=detections)

    servicer = DetectionServicer(part.intake, part.admission)
    return await servicer.PublishDetections(stream(), None)  # type: ignore[arg-type]


async def test_positions_run_through_the_call() -> None:
    answer = await call(
        Part(), [said(0), said(1, confidence=2)], [], [said(2, track_id=""), said(3)]
    )
    assert (answer.accepted, answer.refused) == (2, 2)
    assert [(problem.index, problem.reason, problem.field) for problem in answer.problems] == [
        (1, pb.DETECTION_PROBLEM_REASON_OUT_OF_RANGE, "confidence"),
        (2, pb.DETECTION_PROBLEM_REASON_INVALID_TRACK, "track_id"),
    ]


async def test_the_first_thousand_problems_are_told() -> None:
    wrong = [said(number, kind=0) for number in range(700)]
    answer = await call(Part(), wrong, wrong)
    assert (answer.accepted, answer.refused, len(answer.problems)) == (0, 1_400, MAX_PROBLEMS)
    assert answer.problems[-1].index == 999


async def test_a_call_over_the_bound_is_let_in_with_what_is_urgent_alone() -> None:
    part = Part()
    with part.admission.call(), part.admission.call():
        fire = said(0, camera_id="cam-2", kind=pb.DETECTION_KIND_FIRE)
        assert (await call(part, [said(1), fire])).accepted == 2
        with pytest.raises(Overloaded):
            await call(part, [said(2)], [fire], [said(3), fire, fire])
    assert [len(batch) for batch in part.direct.batches] == [2, 1, 3]
    await call(part, [said(2)])
    assert part.admission.busy == 0


async def test_a_stream_that_is_silent_between_messages_takes_nobodys_place() -> None:
    part = Part()
    busy: list[int] = []

    async def stream() -> AsyncIterator[pb.PublishDetectionsRequest]:
        for number in range(3):
            busy.append(part.admission.busy)
            yield pb.PublishDetectionsRequest(detections=[said(number)])

    servicer = DetectionServicer(part.intake, part.admission)
    answer = await servicer.PublishDetections(stream(), None)  # type: ignore[arg-type]
    assert answer.accepted == 3
    assert busy == [1, 0, 0], "a call counts from its start, later by its messages"


async def test_too_many_in_a_message_or_a_call_are_refused() -> None:
    part = Part()
    with pytest.raises(InvalidArgument, match="1000 in a message"):
        await call(part, [said(n) for n in range(1_001)])
    full = [said(n) for n in range(1_000)]
    with pytest.raises(InvalidArgument, match="10000 in a call"):
        await call(part, *[full] * 10, [said(0)])
    assert sum(len(batch) for batch in part.direct.batches) == 10_000
