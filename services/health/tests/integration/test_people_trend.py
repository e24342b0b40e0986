"""A person sees their own measurements, and every look at them is a record in the register."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from city.health.v1 import kiosk_pb2
from city.health.v1 import person_pb2 as pb
from city_backbone.rpc.paging import page_token
from city_backbone.testing import Mesh, eventually
from google.protobuf.timestamp_pb2 import Timestamp
from health.measuring.measurement import Code
from health.people.reads import REGISTER, REGISTER_SEALED

from .people_topics import told
from .people_world import DEADLINE, Enrolled, World, opened, reading, refusal, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

HEART_RATE = kiosk_pb2.MEASUREMENT_CODE_HEART_RATE
BLOOD_PRESSURE = kiosk_pb2.MEASUREMENT_CODE_BLOOD_PRESSURE
NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=10)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(mesh: Mesh, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with opened(mesh, tmp_path_factory.mktemp("people")) as world:
        yield world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def who(world: World) -> Enrolled:
    """Heart rates of 60 to 66, an hour apart but stored in another order, and what is beside."""
    who = await world.enrol()
    for hour in (3, 0, 6, 1, 5, 2, 4):
        await world.measure(who, reading(value=60 + hour, taken_at=at(hour)))
    await world.measure(who, reading(Code.BLOOD_PRESSURE, 165, at(1), diastolic=85))
    await world.measure(who, reading(value=99, taken_at=NOON - timedelta(days=380)))
    return who


def at(hour: int) -> datetime:
    return NOON + timedelta(hours=hour)


def stamp(moment: datetime) -> Timestamp:
    message = Timestamp()
    message.FromDatetime(moment)
    return message


def values(answer: pb.GetTrendResponse) -> list[float]:
    return [point.measurement.value for point in answer.points]


async def test_oldest_first_and_of_the_last_year(world: World, who: Enrolled) -> None:
    answer = await world.trend(who.token, HEART_RATE)
    assert values(answer) == [60, 61, 62, 63, 64, 65, 66]
    assert answer.next_page_token == ""
    assert {point.kiosk_id for point in answer.points} == {world.kiosk_id}
    assert answer.points[0].measurement.taken_at.ToDatetime(UTC) == at(0)


async def test_with_what_it_means(world: World, who: Enrolled) -> None:
    (point,) = (await world.trend(who.token, BLOOD_PRESSURE)).points
    assert (point.measurement.value, point.measurement.diastolic) == (165, 85)
    assert point.assessment.advice == kiosk_pb2.ADVICE_LEVEL_CONSULT_SOON
    assert point.assessment.rule_id == "blood-pressure-stage-2"
    assert point.assessment.text
    assert point.assessment.rule_version == 1
    assert not point.assessment.acute


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({"from": stamp(at(2))}, [62, 63, 64, 65, 66]),
        ({"until": stamp(at(2))}, [60, 61]),
        ({"from": stamp(at(1)), "until": stamp(at(3))}, [61, 62]),
        ({"from": stamp(NOON - timedelta(days=400)), "until": stamp(at(1))}, [99, 60]),
        ({"until": stamp(NOON - timedelta(days=379))}, [99]),
    ],
    ids=["from", "until", "both", "long ago", "a year before until"],
)
async def test_of_a_time(
    world: World, who: Enrolled, bounds: dict[str, Any], expected: list[float]
) -> None:
    assert values(await world.trend(who.token, HEART_RATE, **bounds)) == expected


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
async def test_page_by_page_it_is_the_same(world: World, who: Enrolled, size: int) -> None:
    token, found = "", []
    for _ in range(8):
        answer = await world.trend(who.token, HEART_RATE, page_size=size, page_token=token)
        found += values(answer)
        assert len(answer.points) <= size
        token = answer.next_page_token
        if not token:
            break
    assert found == [60, 61, 62, 63, 64, 65, 66]


async def test_each_sees_their_own_alone(world: World, who: Enrolled) -> None:
    other = await world.enrol()
    assert values(await world.trend(other.token, HEART_RATE)) == []
    await world.measure(other, reading(value=80))
    assert values(await world.trend(other.token, HEART_RATE)) == [80]
    assert len(values(await world.trend(who.token, HEART_RATE))) == 7


async def test_what_was_moved_to_another_person_does_not_open(world: World) -> None:
    one, other = await world.enrol(), await world.enrol()
    (mine,) = await world.measure(one, reading(value=70))
    (theirs,) = await world.measure(other, reading(value=80))
    await world.measure(one, reading(value=71))
    await world.execute(
        "update measurement set sealed = (select sealed from measurement where measurement_id = %s)"
        " where measurement_id = %s",
        *(theirs, mine),
    )
    assert values(await world.trend(one.token, HEART_RATE)) == [71], "the others are shown"


async def test_every_look_is_in_the_register(world: World, who: Enrolled) -> None:
    before = len(await world.entries())
    await world.trend(who.token, HEART_RATE, page_size=2)
    (entry,) = await world.entries(before)
    assert (entry["actor"], entry["subject"]) == (str(who.person_id), str(who.person_id))
    assert (entry["action"], entry["department"]) == ("trend-shown", "operator")
    assert entry["source_address"] == "127.0.0.1"
    assert entry["details"] == {"reason": "own view", "points": 2}


@pytest.mark.parametrize(
    ("changes", "told_why"),
    [
        ({"person_token": ""}, "PERMISSION_DENIED:UNKNOWN_TOKEN"),
        ({"person_token": "a" * 32}, "PERMISSION_DENIED:UNKNOWN_TOKEN"),
        ({"code": 0}, "INVALID_ARGUMENT:code"),
        ({"code": 99}, "INVALID_ARGUMENT:code"),
        ({"page_size": 1001}, "INVALID_ARGUMENT:page_size"),
        ({"page_token": "x"}, "INVALID_ARGUMENT:page_token"),
        ({"page_token": page_token([10**30, str(uuid4())])}, "INVALID_ARGUMENT:page_token"),
        ({"page_token": page_token([1, "x"])}, "INVALID_ARGUMENT:page_token"),
        ({"from": stamp(at(1)), "until": stamp(at(1))}, "INVALID_ARGUMENT:until"),
        ({"from": Timestamp(seconds=10**12)}, "INVALID_ARGUMENT:from"),
    ],
)
async def test_refusals_are_in_the_register_too(
    world: World, who: Enrolled, changes: dict[str, Any], told_why: str
) -> None:
    before = len(await world.entries())
    request = pb.GetTrendRequest(**{"person_token": who.token, "code": HEART_RATE, **changes})
    assert await refusal(world.stub.GetTrend(request, timeout=DEADLINE)) == told_why
    (entry,) = await world.entries(before)
    assert (entry["action"], entry["actor"], entry["subject"]) == ("trend-denied", "", "")
    assert set(entry["details"]) == {"refusal", "message"}
    assert who.token not in str(entry)


async def test_who_withdrew_sees_nothing(world: World) -> None:
    who = await world.enrol()
    await world.measure(who)
    await world.withdraw(who)
    told_why = await refusal(world.trend(who.token, HEART_RATE))
    assert told_why == "PERMISSION_DENIED:CONSENT_WITHDRAWN"


async def test_a_key_that_is_missing_is_said(world: World) -> None:
    who = await world.enrol()
    await world.measure(who)
    path = world.keys / f"{who.person_id}.key"
    key = path.read_bytes()
    for lost in (path.unlink, lambda: path.write_bytes(b"damaged")):
        lost()
        told_why = await refusal(world.trend(who.token, HEART_RATE))
        assert told_why == "FAILED_PRECONDITION:KEY_MISSING"
    path.write_bytes(key)
    assert values(await world.trend(who.token, HEART_RATE)) == [70]


async def verdict(world: World, *heads: pb.RegisterHead) -> pb.VerifyRegisterResponse:
    return await world.stub.VerifyRegister(pb.VerifyRegisterRequest(heads=heads), timeout=DEADLINE)


async def test_the_register_shows_what_was_altered(world: World, who: Enrolled) -> None:
    await world.trend(who.token, HEART_RATE)
    whole = await verdict(world)
    assert whole.intact
    assert whole.head.sequence == len(await world.entries())
    flip = "update register_record set actor = %s where register = %s and sequence = %s"
    last = whole.head.sequence
    await world.execute(flip, "somebody", REGISTER, last)
    broken = await verdict(world, whole.head)
    assert (broken.intact, broken.first_bad_sequence) == (False, last)
    await world.execute(flip, str(who.person_id), REGISTER, last)
    assert (await verdict(world, whole.head)).intact


async def test_a_bad_head(world: World) -> None:
    bad = pb.RegisterHead(sequence=1, hash="x")
    assert await refusal(verdict(world, bad)) == "INVALID_ARGUMENT:heads[0].hash"


async def test_the_registers_head_is_published_daily(
    world: World, mesh: Mesh, who: Enrolled
) -> None:
    await world.trend(who.token, HEART_RATE)
    (row,) = await world.rows("select coalesce(max(day), current_date) as day from register_seal")
    ended: date = row["day"] + timedelta(days=1)
    midnight = datetime.combine(ended + timedelta(days=1), time(), UTC) - timedelta(hours=9)
    world.clock.now = midnight + timedelta(minutes=1)
    fast = {"HEALTH_PEOPLE__SEAL_EVERY_SECONDS": "0.05", "HEALTH_INSTANCE": "health-1"}

    async def sealed() -> bool:
        return bool(await world.rows("select from register_seal where day = %s", ended))

    try:
        async with running(mesh, fast, stream=False, clock=world.clock):
            await eventually(sealed)
    finally:
        world.clock.now = None
    news = [
        event
        for record in await world.topic(REGISTER_SEALED)
        if (event := told(record, "register_sealed.v1"))["day"] == ended
    ]
    (event,) = news
    assert event["register"] == REGISTER
    head = pb.RegisterHead(sequence=event["sequence"], hash=event["head_hash"])
    assert head.sequence == len(await world.entries())
    assert (await verdict(world, head)).intact
