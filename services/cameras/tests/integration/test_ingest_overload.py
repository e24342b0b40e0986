"""When more comes than the broker takes: what 112 and 119 may wait for is let in first."""

import asyncio
from datetime import timedelta

import grpc
from cameras.bootstrap import bootstrap
from cameras.settings import CamerasSettings
from city.cameras.v1 import detection_pb2 as pb
from city.cameras.v1.detection_pb2_grpc import DetectionServiceStub
from city_backbone.testing import Mesh, eventually, run_service
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from .ingest_edges import Edges, Topic, detection, now

KIND = pb.DETECTION_KIND_ABANDONMENT  # the shipped rules call FALL urgent and this not
AT_ONCE = 40


def seen(camera_id: str, track: int, kind: "pb.DetectionKind.ValueType" = KIND) -> pb.Detection:
    return detection(camera_id, now(), track_id=f"t-{track}", kind=kind)


async def refusal(edges: Edges, one: pb.Detection) -> grpc.aio.AioRpcError | None:
    try:
        await edges.publish(one)
    except grpc.aio.AioRpcError as error:
        return error
    return None


async def test_while_the_broker_is_away_calls_wait_but_not_all_of_them(mesh: Mesh) -> None:
    overrides = {
        "CAMERAS_ROLE": "rpc",
        "CAMERAS_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:9",
        "CAMERAS_INGEST__MAX_CALLS": "1",
        "CAMERAS_DIRECT__DEADLINE_SECONDS": "8",
    }
    async with run_service(mesh, CamerasSettings, bootstrap, "cameras", overrides) as service:
        edges = Edges(service, DetectionServiceStub(service.channel), Topic(mesh))
        camera_id = await edges.camera()
        waiting: list[asyncio.Task[grpc.aio.AioRpcError | None]] = []

        async def refused() -> grpc.aio.AioRpcError | None:
            """Once the rules have been read and one call waits; before that all are let in."""
            call = asyncio.create_task(refusal(edges, seen(camera_id, len(waiting))))
            waiting.append(call)
            await asyncio.wait([call], timeout=1)
            return call.result() if call.done() else None

        error = await eventually(refused)
        assert error
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        status = rpc_status.from_call(error)
        again = error_details_pb2.RetryInfo()
        assert status
        assert any(detail.Unpack(again) for detail in status.details)
        assert again.retry_delay.ToTimedelta() > timedelta(0)
        urgent = await refusal(edges, seen(camera_id, 99, pb.DETECTION_KIND_FALL))
        assert urgent
        assert urgent.code() is grpc.StatusCode.UNAVAILABLE, "waited as long as calls may"
        await asyncio.gather(*waiting)


async def test_what_was_refused_is_taken_when_it_is_sent_again_and_urgent_never_is(
    mesh: Mesh,
) -> None:
    overrides = {"CAMERAS_ROLE": "rpc", "CAMERAS_INGEST__MAX_CALLS": "1"}
    topic = Topic(mesh)
    await topic.start()
    try:
        async with run_service(mesh, CamerasSettings, bootstrap, "cameras", overrides) as service:
            edges = Edges(service, DetectionServiceStub(service.channel), topic)
            camera_id = await edges.camera()
            numbers: list[int] = []

            async def some_are_refused() -> bool:
                first = len(numbers)
                numbers.extend(range(first + 1, first + 1 + AT_ONCE))
                answers = await asyncio.gather(
                    *(refusal(edges, seen(camera_id, n)) for n in numbers[first:]),
                    *(
                        refusal(edges, seen(camera_id, -n, pb.DETECTION_KIND_FALL))
                        for n in numbers[first:]
                    ),
                )
                assert answers[AT_ONCE:] == [None] * AT_ONCE, "an urgent one was refused"
                refused = [n for n, answer in zip(numbers[first:], answers, strict=False) if answer]
                on_topic = {event["track_id"] for event in await topic.of(camera_id)}
                assert on_topic.isdisjoint(f"t-{n}" for n in refused)
                for number in refused:
                    assert await refusal(edges, seen(camera_id, number)) is None
                return bool(refused)

            await eventually(some_are_refused)
            tracks = [event["track_id"] for event in await topic.of(camera_id)]
            assert sorted(tracks) == sorted(f"t-{n}" for n in [*numbers, *(-n for n in numbers)])
    finally:
        await topic.stop()
