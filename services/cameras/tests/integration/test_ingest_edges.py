"""From a camera's message to the topic: over gRPC and over ONVIF, on the real parts."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from aiokafka.partitioner import DefaultPartitioner
from cameras.ingest.facts import OBJECT_DETECTED, micros
from cameras.ingest.notifications import MAX_HELD_PER_CAMERA, NOTIFICATIONS_METRIC
from cameras.settings import CamerasSettings
from city.cameras.v1 import detection_pb2 as pb
from city.cameras.v1.detection_pb2_grpc import DetectionServiceStub
from city_backbone.events import event_id
from city_backbone.testing import Mesh, eventually, run_service

from .ingest_edges import (
    OVERRIDES,
    SECOND,
    Edges,
    Topic,
    bootstrap,
    counted,
    detection,
    message,
    now,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def topic(mesh: Mesh) -> AsyncIterator[Topic]:
    topic = Topic(mesh)
    await topic.start()
    try:
        yield topic
    finally:
        await topic.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def edges(mesh: Mesh, topic: Topic) -> AsyncIterator[Edges]:
    async with run_service(mesh, CamerasSettings, bootstrap, "cameras", OVERRIDES) as service:
        yield Edges(service, DetectionServiceStub(service.channel), topic)


async def test_what_is_accepted_is_on_the_topic_when_the_answer_comes(edges: Edges) -> None:
    camera_id, when = await edges.camera(), now()
    before = datetime.now(UTC)
    answer = await edges.publish(
        detection(camera_id, when), detection(camera_id, when, confidence=7)
    )
    assert (answer.accepted, answer.refused, answer.problems[0].index) == (1, 1, 1)
    (event,) = await edges.topic.of(camera_id)
    identity = str(event_id("detection", camera_id, "FALL", "t-1", micros(when)))
    site_id = f"site-{camera_id}"
    headers, received_at = event.pop("headers"), event.pop("received_at")
    assert event == {
        "detection_id": identity,
        "camera_id": camera_id,
        "site_id": site_id,
        "purpose": "PARK",
        "kind": "FALL",
        "track_id": "t-1",
        "confidence": 0.9,
        "box": {"x": 0.25, "y": 0.5, "width": 0.125, "height": 0.25},
        "detected_at": when,
        "key": site_id,
        "partition": DefaultPartitioner()(site_id.encode(), list(range(6)), list(range(6))),
    }
    assert before - SECOND <= received_at <= datetime.now(UTC) + SECOND
    assert headers["ce_id"] == identity
    assert headers["ce_type"] == OBJECT_DETECTED
    assert headers["ce_source"] == "/citymesh/cameras"
    assert headers["ce_subject"] == site_id
    assert datetime.fromisoformat(headers["ce_time"]) == when


async def test_sent_again_it_has_the_same_id(edges: Edges) -> None:
    camera_id, when = await edges.camera(), now()
    sent = [detection(camera_id, when + n * timedelta(milliseconds=1)) for n in range(5)]
    for _ in range(2):
        assert (await edges.publish(*sent)).accepted == 5
    ids = [event["headers"]["ce_id"] for event in await edges.topic.of(camera_id)]
    assert len(ids) == 10
    assert ids[:5] == ids[5:]
    assert len(set(ids)) == 5


async def test_a_new_camera_counts_at_once_and_a_retired_one_does_not(edges: Edges) -> None:
    retired = await edges.camera(retired=True)
    fresh = await edges.camera()
    answer = await edges.publish(
        detection(fresh, now()), detection(retired, now()), detection("nobody", now())
    )
    assert answer.accepted == 1
    assert [problem.reason for problem in answer.problems] == [
        pb.DETECTION_PROBLEM_REASON_RETIRED_CAMERA,
        pb.DETECTION_PROBLEM_REASON_UNKNOWN_CAMERA,
    ]


async def test_a_state_said_once_is_seen_every_second_until_it_is_over(edges: Edges) -> None:
    camera_id, when = await edges.camera(), now()
    assert await edges.notify(camera_id, message("true", when)) == 200
    assert [event["detected_at"] for event in await edges.topic.of(camera_id)][:1] == [when]
    ((name, track),) = await edges.held(camera_id)
    assert name == "fall"

    async def four() -> bool:
        return len(await edges.topic.of(camera_id)) >= 4

    await eventually(four)
    assert await edges.notify(camera_id, message("false", now())) == 200
    assert await edges.held(camera_id) == []
    events = await edges.topic.of(camera_id)
    assert {(event["kind"], event["track_id"]) for event in events} == {("FALL", track)}
    times = [event["detected_at"] for event in events[1:]]
    assert times == [times[0] + number * SECOND for number in range(len(times))]
    assert times[0].microsecond == 0
    assert events[1]["headers"]["ce_id"] == str(
        event_id("detection", camera_id, "FALL", track, micros(times[0]))
    )


async def test_the_state_at_subscription_begins_nothing_and_confirms_what_is_held(
    edges: Edges,
) -> None:
    camera_id = await edges.camera()
    initial = message("true", now(), operation="Initialized")
    assert await edges.notify(camera_id, initial) == 200
    assert await edges.held(camera_id) == []
    assert await edges.topic.of(camera_id) == []
    await edges.notify(camera_id, message("true", now()))
    (first,) = await edges.rows(
        "select confirmed_at from held_state where camera_id = %s", camera_id
    )
    await edges.notify(camera_id, initial)
    (again,) = await edges.rows(
        "select confirmed_at from held_state where camera_id = %s", camera_id
    )
    assert again > first
    await edges.notify(camera_id, message("true", now(), operation="Deleted"))
    assert await edges.held(camera_id) == []


async def test_in_one_notify_the_last_word_counts(edges: Edges) -> None:
    camera_id, when = await edges.camera(), now()
    both = (message("true", when), message("false", when + SECOND))
    assert await edges.notify(camera_id, *both) == 200
    assert await edges.held(camera_id) == []
    assert len(await edges.topic.of(camera_id)) == 1
    await edges.notify(camera_id, *reversed(both))
    assert len(await edges.held(camera_id)) == 1
    await edges.notify(camera_id, both[1])


async def test_a_retired_camera_is_no_longer_seen(edges: Edges) -> None:
    camera_id = await edges.camera()
    await edges.notify(camera_id, message("true", now()))
    await edges.rows("update camera set retired = true where camera_id = %s returning 1", camera_id)
    await edges.publish(detection("nobody-else", now()))  # the directory is read again

    async def forgotten() -> bool:
        return await edges.held(camera_id) == []

    await eventually(forgotten)


async def test_what_nobody_can_read_is_parked_once_and_counted(edges: Edges) -> None:
    camera_id = await edges.camera()
    strange = message("true", now(), "tns1:Gardening/Bloom")
    broken = message("perhaps", now())
    labels = ({"topic": "other"}, {"topic": "fall"}, {"topic": "tns1:Gardening/Bloom"})
    before = [counted(NOTIFICATIONS_METRIC, outcome="parked", **label) for label in labels]
    assert await edges.notify(camera_id, strange, strange, broken, message("true", now())) == 200
    assert await edges.notify(camera_id, strange) == 200
    assert await edges.parked(camera_id) == [
        ("tns1:Gardening/Bloom", "unknown topic", 3),
        ("tns1:RuleEngine/FallDetector/Fall", "no state item", 1),
    ]
    assert len(await edges.held(camera_id)) == 1
    (sample,) = await edges.rows(
        "select sample from parked_notification where camera_id = %s and reason = 'unknown topic'",
        camera_id,
    )
    assert "Data State=true" in sample[0]
    counts = [counted(NOTIFICATIONS_METRIC, outcome="parked", **label) for label in labels]
    assert [after - earlier for after, earlier in zip(counts, before, strict=True)] == [3, 1, 0]
    await edges.notify(camera_id, message("false", now()))


async def test_an_unknown_camera_is_parked_and_not_asked_to_repeat(edges: Edges) -> None:
    ghost = f"cam-{uuid.uuid4().hex[:8]}"
    assert await edges.notify(ghost, message("true", now()), message("true", now())) == 200
    assert await edges.parked(ghost) == [("", "unknown camera", 2)]
    assert await edges.held(ghost) == []
    assert await edges.topic.of(ghost) == []


async def test_a_camera_holds_only_so_many_states(edges: Edges) -> None:
    camera_id, when = await edges.camera(), now()
    many = [message("true", when, rule=f"r{n}") for n in range(MAX_HELD_PER_CAMERA + 5)]
    assert await edges.notify(camera_id, *many) == 200
    assert len(await edges.held(camera_id)) == MAX_HELD_PER_CAMERA
    assert [row[1:] for row in await edges.parked(camera_id)] == [("too many states", 5)]
    seen = [event for event in await edges.topic.of(camera_id) if event["detected_at"] == when]
    assert len(seen) == MAX_HELD_PER_CAMERA + 5
    ended = [message("false", when, rule=f"r{n}") for n in range(MAX_HELD_PER_CAMERA + 5)]
    await edges.notify(camera_id, *ended)
    assert await edges.held(camera_id) == []
