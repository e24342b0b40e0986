"""An acute reading becomes a case and calls 119 once, and only while it is fresh."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from city.health.v1 import kiosk_pb2 as pb
from city_backbone.events import event_id
from city_backbone.testing import Mesh
from health.clock import utc_now
from health.measuring import facts
from health.measuring.measurement import Code, Measurement

from .kiosks_world import PLACE, World, begin, measured, opened, reading

pytestmark = pytest.mark.asyncio(loop_scope="module")

BP, SPO2, TEMPERATURE, PULSE, BMI, GLUCOSE = Code


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(mesh: Mesh) -> AsyncIterator[World]:
    async with opened(mesh) as world:
        yield world


async def visit(world: World, taken: Sequence[Measurement], session_id: UUID) -> list[bool]:
    """By somebody new at a kiosk of its own; whether each answer says that 119 is told."""
    person = await world.enrol()
    answers = await world.session(await world.kiosk(), person.token, taken, session_id)
    return [one.assessment.acute for one in answers[1:-1]]


async def test_119_is_told_where_and_how_bad_and_not_who(world: World) -> None:
    kiosk_id, person, session_id = await world.kiosk(), await world.enrol(), uuid4()
    before = utc_now()
    taken = [reading(PULSE, 135), reading(SPO2, 91)]
    await world.session(kiosk_id, person.token, taken, session_id)
    [case] = await world.cases(session_id)
    [event] = case.pop("events")
    assert set(case) == {
        *("case_id", "person_id", "session_id", "kiosk_id", "score", "detected_at")
    }
    assert case["case_id"] == event_id("case", session_id)
    assert (case["person_id"], case["kiosk_id"]) == (person.person_id, kiosk_id)
    assert case["score"] == 3
    assert before <= event["detected_at"] == case["detected_at"] <= utc_now()
    assert event == {
        "case_id": str(case["case_id"]),
        "kiosk_id": kiosk_id,
        "place": PLACE,
        "zone": "조치원",
        "latitude": 36.6011,
        "longitude": 127.2986,
        "severity": "URGENT",
        "score": 3,
        "rule_version": 1,
        "taken_at": taken[0].taken_at,
        "detected_at": case["detected_at"],
        "key": str(case["case_id"]),
        "ce_id": str(event_id(facts.ACUTE_READING_DETECTED, case["case_id"])),
    }
    content = b"\n".join(world.acute.raw)
    for words in (person.person_id, session_id, person.token, "김복순"):
        assert str(words).encode() not in content


async def test_once_per_session_however_often_it_is_acute(world: World) -> None:
    session_id = uuid4()
    taken = [reading(SPO2, 97), reading(SPO2, 88), reading(PULSE, 140), reading(SPO2, 87)]
    assert await visit(world, taken, session_id) == [False, True, True, True]
    [case] = await world.cases(session_id)
    assert (case["score"], [one["score"] for one in case["events"]]) == (3, [3])


async def test_every_session_has_its_own_case(world: World) -> None:
    sessions = [uuid4(), uuid4()]
    for session_id in sessions:
        await visit(world, [reading(SPO2, 88)], session_id)
    cases = [case for session_id in sessions for case in await world.cases(session_id)]
    assert [len(case["events"]) for case in cases] == [1, 1]


@pytest.mark.parametrize(
    ("values", "severity"),
    [
        ({SPO2: 91, BP: 88}, "CRITICAL"),
        ({SPO2: 92, PULSE: 120, TEMPERATURE: 38.5}, "URGENT"),
        ({TEMPERATURE: 39.2, SPO2: 93}, None),
        ({BMI: 45, GLUCOSE: 25}, None),
    ],
)
async def test_what_is_acute(world: World, values: dict[Code, float], severity: str | None) -> None:
    """Of the first two one alone calls; the case stays what it was when 119 was told."""
    session_id = uuid4()
    taken = [
        reading(code, value, diastolic=50 if code is BP else None) for code, value in values.items()
    ]
    told = await visit(world, taken, session_id)
    assert told[-1] == (severity is not None)
    severities = [
        event["severity"] for case in await world.cases(session_id) for event in case["events"]
    ]
    assert severities == ([] if severity is None else ["URGENT"])


async def test_a_reading_that_comes_late_calls_nobody(world: World) -> None:
    session_id = uuid4()
    taken = [reading(SPO2, 80, ago=timedelta(minutes=31)), reading(TEMPERATURE, 36.6)]
    assert await visit(world, taken, session_id) == [False, False]
    assert await world.cases(session_id) == []


async def test_a_reading_that_comes_just_in_time_calls(world: World) -> None:
    session_id = uuid4()
    assert await visit(world, [reading(SPO2, 80, ago=timedelta(minutes=29))], session_id) == [True]
    assert len(await world.cases(session_id)) == 1


async def test_late_readings_do_not_add_to_fresh_ones(world: World) -> None:
    """Together they are 5 points, the fresh one alone 2."""
    session_id = uuid4()
    late = timedelta(hours=1)
    taken = [reading(SPO2, 92, ago=late), reading(PULSE, 95, ago=late), reading(TEMPERATURE, 39.5)]
    assert await visit(world, taken, session_id) == [False, False, False]
    assert await world.cases(session_id) == []


async def test_119_is_not_called_back_by_a_better_reading(world: World) -> None:
    session_id = uuid4()
    kiosk_id, person = await world.kiosk(), await world.enrol()
    line = world.line()
    await line.say(begin(session_id, kiosk_id, person.token))
    first = await line.say(measured(1, reading(SPO2, 90)))
    second = await line.say(measured(2, reading(SPO2, 98)))
    await line.close()
    assert first.assessment.text == second.assessment.text
    assert "119에 알렸습니다" in second.assessment.text
    assert (second.assessment.acute, second.assessment.acute_score) == (True, 0)
    assert second.assessment.advice == pb.ADVICE_LEVEL_CONSULT_SOON


async def test_sealed_events_of_a_case_name_no_person(world: World) -> None:
    """The field list of the schema, as the topic has it."""
    session_id = uuid4()
    await visit(world, [reading(SPO2, 88)], session_id)
    events = [event for case in await world.cases(session_id) for event in case["events"]]
    assert {name for event in events for name in event} - {"key", "ce_id"} == {
        *("case_id", "kiosk_id", "place", "zone", "latitude", "longitude"),
        *("severity", "score", "rule_version", "taken_at", "detected_at"),
    }
