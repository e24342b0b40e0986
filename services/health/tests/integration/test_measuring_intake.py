"""The intake, as FHIR uses it: bundles without a session, with or without a kiosk."""

from collections.abc import AsyncIterator, Sequence
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from city_backbone.events import event_id
from city_backbone.testing import Mesh
from health.assessment.advice import Assessment
from health.errors import Invalid
from health.measuring.intake import Taken
from health.measuring.measurement import Code, Measurement
from health.measuring.sealing import open_sealed
from health.measuring.store import of_person
from health.measuring.wiring import intake

from .kiosks_world import Enrolled, World, opened, reading

pytestmark = pytest.mark.asyncio(loop_scope="module")

BP, SPO2, TEMPERATURE, PULSE, BMI, GLUCOSE = Code


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(mesh: Mesh) -> AsyncIterator[World]:
    async with opened(mesh) as world:
        yield world


def bundle(kiosk_id: str | None, *measurements: Measurement) -> list[Taken]:
    return [Taken(uuid4(), one, kiosk_id, None, None) for one in measurements]


async def take(world: World, person: Enrolled, taken: Sequence[Taken]) -> list[Assessment]:
    known = await world.person(person.token)
    async with world.service.backbone.database.transaction() as connection:
        return await intake(world.service.backbone).take(connection, known, person.box, taken, [])


async def cases(world: World, case_id: UUID) -> list[str]:
    rows = await world.rows("select kiosk_id from acute_case where case_id = %s", case_id)
    return [row["kiosk_id"] for row in rows]


async def test_a_bundle_is_stored_told_of_and_assessed_once(world: World) -> None:
    person = await world.enrol()
    readings = [reading(PULSE, 120), reading(SPO2, 93), reading(BMI, 24)]
    taken = bundle(None, *readings)
    first = await take(world, person, taken)
    assert [(one.acute_score, one.repeated) for one in first] == [
        *((2, False), (4, False), (4, False))
    ]
    again = await take(world, person, taken)
    assert [(one.acute_score, one.repeated) for one in again] == [(2, True), (4, True), (4, True)]
    async with world.service.backbone.database.transaction() as connection:
        rows = await of_person(connection, person.person_id)
    assert {row.measurement_id for row in rows} == {one.measurement_id for one in taken}
    assert all((row.session_id, row.kiosk_id) == (None, None) for row in rows)
    kept = [open_sealed(person.box, row.sealed) for row in rows]
    assert sorted(kept, key=lambda one: one.taken_at) == readings
    assert await world.told(person) == readings
    told = [one["person_id"] for one in await world.measurements.all()]
    assert told.count(str(person.person_id)) == 3


async def test_of_a_bundle_that_was_half_there_the_rest_is_new(world: World) -> None:
    person = await world.enrol()
    taken = bundle(None, reading(PULSE, 70), reading(PULSE, 71))
    await take(world, person, taken[:1])
    assert [one.repeated for one in await take(world, person, taken)] == [True, False]
    assert len(await world.told(person)) == 2


async def test_nothing_is_no_bundle(world: World) -> None:
    assert await take(world, await world.enrol(), []) == []


async def test_at_a_kiosk_a_bundle_calls_119_once(world: World) -> None:
    person, kiosk_id = await world.enrol(), await world.kiosk()
    taken = bundle(kiosk_id, reading(TEMPERATURE, 36.6), reading(SPO2, 85), reading(PULSE, 140))
    for _ in range(2):
        assert [one.acute for one in await take(world, person, taken)][1:] == [True, True]
    assert await cases(world, event_id("case", taken[0].measurement_id)) == [kiosk_id]


async def test_of_no_kiosk_nobody_can_be_sent(world: World) -> None:
    person = await world.enrol()
    taken = bundle(None, reading(SPO2, 85))
    [assessment] = await take(world, person, taken)
    assert (assessment.acute, assessment.acute_score) == (False, 3)
    assert assessment.advice.rule_id == "news2"
    assert "119에 알렸습니다" not in assessment.advice.text
    assert await cases(world, event_id("case", taken[0].measurement_id)) == []


async def test_what_comes_again_calls_nobody(world: World) -> None:
    """Also in another bundle, which would be another case."""
    person, kiosk_id = await world.enrol(), await world.kiosk()
    taken = bundle(kiosk_id, reading(PULSE, 70), reading(SPO2, 85))
    assert [one.acute for one in await take(world, person, taken)] == [False, True]
    assert [one.acute for one in await take(world, person, taken[1:])] == [False]
    rows = await world.rows("select from acute_case where person_id = %s", person.person_id)
    assert len(rows) == 1


async def test_one_that_is_not_plausible_refuses_all(world: World) -> None:
    person = await world.enrol()
    with pytest.raises(Invalid):
        await take(world, person, bundle(None, reading(PULSE, 70), reading(PULSE, 7000)))
    assert await world.told(person) == []
