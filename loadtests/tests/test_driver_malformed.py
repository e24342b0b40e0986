"""What is malformed on purpose: a call is right only when a refusal names the field, and what was
refused is not acknowledged, so that the checker never misses it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import grpc
import grpc.aio
import pytest
from city.cameras.v1 import camera_pb2, detection_pb2
from city.emergency.v1 import emergency_pb2
from city.health.v1 import kiosk_pb2
from city.parking.v1 import booking_pb2, occupancy_pb2
from city.sensors.v1 import sensors_pb2
from city_backbone.errors import FailedPrecondition, InvalidArgument
from city_backbone.rpc.status import to_status

from loadtests.city.health.people import people
from loadtests.driver.operation import Operation, Outcome, World
from loadtests.driver.operations import cameras, emergency, health, parking, sensors

_AT = datetime(2026, 3, 1, 12, 0, 0, 250_000, UTC)
Answer = Callable[[Any], Any]


def refusal(error: Any) -> grpc.aio.AioRpcError:
    """As a department answers it."""
    status: Any = to_status(error, "city.test")
    trailing = grpc.aio.Metadata(*status.trailing_metadata)
    return grpc.aio.AioRpcError(status.code, grpc.aio.Metadata(), trailing, status.details)


class Stream:
    """A session: each message is answered as `answer` says."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._last: Any = None

    async def write(self, message: Any) -> None:
        self._last = message

    async def read(self) -> Any:
        return self._answer(self._last)

    async def done_writing(self) -> None:
        pass

    def cancel(self) -> None:
        pass


class Channel:
    """Each call of whatever method is answered by `answer`; what it raises is the refusal."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def unary_unary(self, *_: Any, **__: Any) -> Any:
        async def call(request: Any, timeout: float) -> Any:
            return self._answer(request)

        return call

    def stream_unary(self, *_: Any, **__: Any) -> Any:
        async def call(requests: Iterator[Any], timeout: float) -> Any:
            (request,) = requests
            return self._answer(request)

        return call

    unary_stream = unary_unary

    def stream_stream(self, *_: Any, **__: Any) -> Any:
        return lambda timeout: Stream(self._answer)


async def outcome(
    make: Callable[[Any, World], Operation], answer: Answer, share: float = 1.0
) -> Outcome:
    channel: Any = Channel(answer)
    settings = {"malformed_share": share, "heartbeats_per_call": 3, "detections_per_call": 4}
    return await make(channel, World({}, 1, settings=settings))(_AT, 5)


def detections(field: str, refused: Callable[[int], bool]) -> Answer:
    def answer(request: detection_pb2.PublishDetectionsRequest) -> Any:
        found = detection_pb2.PublishDetectionsResponse()
        for index in filter(refused, range(len(request.detections))):
            found.problems.add(index=index, field=field)
        return found

    return answer


def heartbeats(field: str, refused: Callable[[int], bool]) -> Answer:
    def answer(request: camera_pb2.SendHeartbeatsRequest) -> Any:
        found = camera_pb2.SendHeartbeatsResponse()
        for index in filter(refused, range(len(request.heartbeats))):
            found.refused += 1
            found.problems.add(index=index, field=field)
        return found

    return answer


def readings(field: str, refused: Callable[[int], bool]) -> Answer:
    def answer(request: sensors_pb2.PublishReadingsRequest) -> Any:
        found = sensors_pb2.PublishReadingsResponse()
        for index in filter(refused, range(len(request.readings))):
            one = found.results.add(index=index, status=sensors_pb2.READING_STATUS_REFUSED)
            one.problems.add(field=field)
        return found

    return answer


def occupancy(field: str, refused: Callable[[int], bool]) -> Answer:
    def answer(request: occupancy_pb2.ReportOccupancyRequest) -> Any:
        found = occupancy_pb2.ReportOccupancyResponse()
        for index in filter(refused, range(len(request.readings))):
            found.refused += 1
            found.problems.add(index=index, field=field)
        return found

    return answer


def trip(channel: Any, world: World) -> Operation:
    return parking.Trip(channel, world, ["car"])


def session(channel: Any, world: World) -> Operation:
    return health.Session(channel, world, [(people(1)[0], "token")])


def everything(_: int) -> bool:
    return True


def nothing(_: int) -> bool:
    return False


LISTS = [
    pytest.param(cameras.Detections, detections, id="detections"),
    pytest.param(cameras.Heartbeats, heartbeats, id="heartbeats"),
    pytest.param(sensors.Readings, readings, id="readings"),
    pytest.param(parking.Occupancy, occupancy, id="occupancy"),
]


@pytest.mark.parametrize(("make", "answering"), LISTS)
async def test_what_is_malformed_must_be_refused_by_field(make: Any, answering: Any) -> None:
    right = await outcome(make, answering("some_field", everything))
    assert (right.status, right.acknowledged) == ("ok", ())
    assert "refused" in right.detail
    assert (await outcome(make, answering("", everything))).status == "failed"
    taken = await outcome(make, answering("some_field", nothing))
    assert taken.status == "failed"


@pytest.mark.parametrize(("make", "answering"), LISTS)
async def test_what_is_right_must_not_be_refused(make: Any, answering: Any) -> None:
    assert (await outcome(make, answering("f", nothing), share=0)).status == "ok"
    assert (await outcome(make, answering("f", everything), share=0)).status == "failed"
    assert (await outcome(make, answering("", everything), share=0)).status == "failed"


async def test_of_a_call_with_some_malformed_only_the_others_are_acknowledged() -> None:
    bad: set[int] = set()

    def answer(request: detection_pb2.PublishDetectionsRequest) -> Any:
        bad.update(
            index
            for index, one in enumerate(request.detections)
            if one.camera_id.startswith("gone-")
            or one.confidence > 1
            or not one.track_id
            or one.detected_at.ToDatetime(UTC) > _AT
        )
        return detections("f", lambda index: index in bad)(request)

    for number in range(20):
        channel: Any = Channel(answer)
        settings = {"malformed_share": 0.5, "detections_per_call": 6}
        bad.clear()
        made = cameras.Detections(channel, World({}, 1, settings=settings))
        found = await made(_AT, number)
        sent = len(list(made.seen(cameras.micros(_AT), number)))
        assert found.status == "ok"
        assert len(found.acknowledged) == sent - len(bad)


SINGLE = [
    pytest.param(trip, booking_pb2.HoldBayResponse(), id="trip"),
    pytest.param(emergency.Report, emergency_pb2.ReportIncidentResponse(), id="report"),
]


@pytest.mark.parametrize(("make", "taken"), SINGLE)
async def test_a_malformed_call_must_be_refused_by_field(make: Any, taken: Any) -> None:
    def refuse(error: Exception) -> Answer:
        def answer(_: Any) -> Any:
            raise error

        return answer

    right = await outcome(make, refuse(refusal(InvalidArgument("some_field", "expected x"))))
    assert (right.status, right.acknowledged) == ("ok", ())
    assert "some_field" in right.detail
    other = await outcome(make, refuse(refusal(FailedPrecondition("CLOSED", "closed"))))
    assert other.status == "failed"
    assert (await outcome(make, lambda _: taken)).status == "failed"


async def test_a_session_with_a_malformed_measurement_keeps_what_came_before() -> None:
    def refuse(message: kiosk_pb2.SessionRequest) -> Any:
        if message.measured.measurement.value > 1_000:
            raise refusal(InvalidArgument("measurement.value", "expected less"))
        return kiosk_pb2.SessionResponse()

    found = await outcome(session, refuse)
    assert found.status == "ok"
    assert "measurement.value" in found.detail
    assert found.acknowledged
    taken = await outcome(session, lambda _: kiosk_pb2.SessionResponse())
    assert taken.status == "failed"
    assert (await outcome(session, refuse, share=0)).detail == ""
