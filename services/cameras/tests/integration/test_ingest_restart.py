"""What needs a service of its own: a restart, a broker that is away, other limits."""

from collections.abc import AsyncIterator

import grpc
import pytest
import pytest_asyncio
from cameras.ingest.notifications import HELD_METRIC
from cameras.settings import CamerasSettings
from city.cameras.v1.detection_pb2_grpc import DetectionServiceStub
from city_backbone.testing import Mesh, eventually, run_service

from .ingest_edges import OVERRIDES, Edges, Topic, bootstrap, counted, detection, message, now

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def topic(mesh: Mesh) -> AsyncIterator[Topic]:
    topic = Topic(mesh)
    await topic.start()
    try:
        yield topic
    finally:
        await topic.stop()


async def test_a_state_goes_on_after_a_restart_and_ends_by_itself(mesh: Mesh, topic: Topic) -> None:
    async with run_service(mesh, CamerasSettings, bootstrap, "cameras", OVERRIDES) as service:
        edges = Edges(service, DetectionServiceStub(service.channel), topic)
        camera_id = await edges.camera()
        assert await edges.notify(camera_id, message("true", now())) == 200
        before = len(await topic.of(camera_id))
    async with run_service(mesh, CamerasSettings, bootstrap, "cameras", OVERRIDES) as service:
        edges = Edges(service, DetectionServiceStub(service.channel), topic)

        async def more() -> bool:
            return len(await topic.of(camera_id)) > before + 2

        await eventually(more)
        expired = counted(HELD_METRIC, outcome="expired")
        await edges.rows(
            "update held_state set confirmed_at = now() - interval '10 minutes'"
            " where camera_id = %s returning 1",
            camera_id,
        )

        async def over() -> bool:
            return await edges.held(camera_id) == []

        await eventually(over)
        times = [event["detected_at"] for event in await topic.of(camera_id)][1:]
        assert times == sorted(set(times))
        assert {time.microsecond for time in times} == {0}
        assert counted(HELD_METRIC, outcome="expired") == expired + 1


async def test_no_broker_no_answer_but_try_again(mesh: Mesh, topic: Topic) -> None:
    overrides = {
        **OVERRIDES,
        "CAMERAS_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:9",
        "CAMERAS_DIRECT__DEADLINE_SECONDS": "0.5",
    }
    async with run_service(mesh, CamerasSettings, bootstrap, "cameras", overrides) as service:
        edges = Edges(service, DetectionServiceStub(service.channel), topic)
        camera_id = await edges.camera()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await edges.publish(detection(camera_id, now()))
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert await edges.notify(camera_id, message("true", now())) == 503
        assert len(await edges.held(camera_id)) == 1
        await edges.rows("delete from held_state where camera_id = %s returning 1", camera_id)


async def test_only_so_many_rows_are_parked(mesh: Mesh, topic: Topic) -> None:
    overrides = {**OVERRIDES, "CAMERAS_INGEST__MAX_PARKED": "0"}
    async with run_service(mesh, CamerasSettings, bootstrap, "cameras", overrides) as service:
        edges = Edges(service, DetectionServiceStub(service.channel), topic)
        camera_id = await edges.camera()
        strange = message("true", now(), "tns1:Gardening/Bloom")
        assert await edges.notify(camera_id, strange) == 200
        assert await edges.parked(camera_id) == []
        await edges.rows(
            "insert into parked_notification values ('tns1:Gardening/Bloom', %s,"
            " 'unknown topic', now(), now(), 1, '') returning 1",
            camera_id,
        )
        assert await edges.notify(camera_id, strange) == 200
        assert [count for _, _, count in await edges.parked(camera_id)] == [2]
