"""What a responder is told of an acute case: by emergency alone, for its own live incident, and
each call is in the register, refused or not."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from city.health.v1 import kiosk_pb2
from city.health.v1 import person_pb2 as pb
from city_backbone.events import event_id
from city_backbone.testing import Mesh
from health.clock import seoul_day, utc_now
from health.measuring.intake import Taken
from health.measuring.measurement import Code
from health.measuring.wiring import intake
from health.people.withdrawal import Step

from .cases_world import PLACE, CasesWorld, opened
from .people_world import Enrolled, reading, refusal

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONSENTED = [pb.CONSENT_PURPOSE_MEASUREMENT, pb.CONSENT_PURPOSE_EMERGENCY]
SPO2 = kiosk_pb2.MEASUREMENT_CODE_OXYGEN_SATURATION
BP = kiosk_pb2.MEASUREMENT_CODE_BLOOD_PRESSURE


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(mesh: Mesh, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[CasesWorld]:
    async with opened(mesh, tmp_path_factory.mktemp("cases")) as world:
        yield world


async def refused(
    world: CasesWorld, case_id: object, incident_id: object, told: str, word: str, **how: Any
) -> dict[str, Any]:
    """It is refused so, and stands in the register once, with the word for programs."""
    before = len(await world.entries())
    assert await refusal(world.case(case_id, incident_id, **how)) == told
    (entry,) = await world.entries(before)
    assert (entry["action"], entry["details"]["refusal"]) == ("case-denied", word)
    return entry


def secrets(who: Enrolled) -> list[str]:
    request = who.request
    return [request.name, request.contact, request.medical_note, who.token]


async def test_what_a_responder_is_told(world: CasesWorld) -> None:
    today = seoul_day(utc_now())
    who = await world.enrol(purposes=CONSENTED, birth_date=f"{today.year - 78}-01-01")
    case_id = await world.acute(who)
    incident = await world.incident(case_id)
    before = len(await world.entries())
    told = await world.case(case_id, incident)
    assert (told.kiosk_id, told.place) == (world.kiosk_id, PLACE)
    assert (told.acute_score, told.age_years) == (3, 78)
    assert [(one.code, one.value) for one in told.measurements] == [(BP, 85), (SPO2, 88)]
    assert told.measurements[0].diastolic == 50
    request = who.request
    assert (told.name, told.contact, told.medical_note) == (
        request.name,
        request.contact,
        request.medical_note,
    )

    (entry,) = await world.entries(before)
    assert (entry["action"], entry["actor"], entry["department"]) == (
        "case-shown",
        "119",
        "emergency",
    )
    assert (entry["subject"], entry["source_address"]) == (str(who.person_id), "127.0.0.1")
    assert entry["details"] == {
        "reason": "acute case",
        "case_id": str(case_id),
        "incident_id": str(incident),
        "measurements": 2,
        "named": True,
    }
    assert not [secret for secret in secrets(who) if secret in str(entry["details"])]


async def test_without_consent_for_emergencies_nobody_is_named(world: CasesWorld) -> None:
    who = await world.enrol()
    case_id = await world.acute(who)
    before = len(await world.entries())
    told = await world.case(case_id, await world.incident(case_id))
    assert (told.name, told.contact, told.medical_note) == ("", "", "")
    assert len(told.measurements) == 2
    assert told.age_years > 70
    (entry,) = await world.entries(before)
    assert entry["details"]["named"] is False


async def test_only_what_was_measured_in_its_session(world: CasesWorld) -> None:
    who = await world.enrol()
    await world.measure(who, reading(value=61))
    later = Enrolled(who.token, who.person_id, who.request, await world.session(who.person_id))
    case_id = await world.acute(later)
    told = await world.case(case_id, await world.incident(case_id))
    assert [one.value for one in told.measurements] == [85, 88]


async def test_a_case_that_came_as_fhir_has_its_bundle(world: CasesWorld) -> None:
    who = await world.enrol()
    earlier, *ids = (uuid4() for _ in range(3))
    readings = [reading(Code.OXYGEN_SATURATION, 89), reading(value=130)]
    service = world.service.backbone
    for batch in ([(earlier, reading(value=62))], list(zip(ids, readings, strict=True))):
        taken = [Taken(number, one, world.kiosk_id, None, None) for number, one in batch]
        async with service.database.transaction() as connection:
            person = await world.people.by_token(connection, who.token)
            box = await world.people.box(person.person_id)
            assert box is not None
            await intake(service).take(connection, person, box, taken, ())
    case_id = event_id("case", ids[0])
    told = await world.case(case_id, await world.incident(case_id))
    assert [one.value for one in told.measurements] == [130, 89]


async def test_another_caller_is_refused_whatever_the_policy_says(world: CasesWorld) -> None:
    who = await world.enrol(purposes=CONSENTED)
    case_id = await world.acute(who)
    incident = await world.incident(case_id)
    told = "PERMISSION_DENIED:NOT_EMERGENCY"
    entry = await refused(world, case_id, incident, told, "NOT_EMERGENCY", stub=world.stub)
    assert (entry["department"], entry["actor"]) == ("operator", "119")


@pytest.mark.parametrize("status", ["CLEARED", "CANCELLED", "COMPLETED"])
async def test_an_incident_that_ended(world: CasesWorld, status: str) -> None:
    who = await world.enrol()
    case_id = await world.acute(who)
    incident = await world.incident(case_id)
    assert await world.case(case_id, incident)
    await world.incident(case_id, status, incident)
    told = "FAILED_PRECONDITION:INCIDENT_NOT_LIVE"
    entry = await refused(world, case_id, incident, told, "INCIDENT_NOT_LIVE")
    assert entry["subject"] == str(who.person_id)
    # What was true before comes late.
    await world.incident(case_id, "CHANGED", incident, revision=1)
    await refused(world, case_id, incident, told, "INCIDENT_NOT_LIVE")


async def test_the_incident_of_something_else(world: CasesWorld) -> None:
    case_id, other = [await world.acute(await world.enrol()) for _ in range(2)]
    told = "FAILED_PRECONDITION:INCIDENT_OF_ANOTHER"
    for incident in (
        await world.incident(other),
        await world.incident(None, source="cameras"),
        await world.incident(case_id, source="cameras"),
        await world.incident(case_id, source="B4113000000_FDS"),
    ):
        await refused(world, case_id, incident, told, "INCIDENT_OF_ANOTHER")


async def test_an_incident_that_is_not_known_here(world: CasesWorld) -> None:
    case_id = await world.acute(await world.enrol())
    told = "FAILED_PRECONDITION:INCIDENT_UNKNOWN"
    await refused(world, case_id, uuid4(), told, "INCIDENT_UNKNOWN")


async def test_a_case_that_is_not_known(world: CasesWorld) -> None:
    incident = await world.incident(await world.acute(await world.enrol()))
    for incident_id in (incident, uuid4()):
        entry = await refused(world, uuid4(), incident_id, "NOT_FOUND:NOT_FOUND", "CASE_NOT_FOUND")
        assert entry["subject"] == ""


async def test_who_withdrew_is_forgotten(world: CasesWorld) -> None:
    who = await world.enrol(purposes=CONSENTED)
    case_id = await world.acute(who)
    incident = await world.incident(case_id)
    assert (await world.case(case_id, incident)).name == who.request.name
    told = "FAILED_PRECONDITION:FORGOTTEN"
    # While it is under way the case is still there.
    world.scissors.at = Step.BEGUN
    assert (await refusal(world.withdraw(who))).startswith("INTERNAL")
    assert await world.rows("select from acute_case where case_id = %s", case_id)
    await refused(world, case_id, incident, told, "FORGOTTEN")
    await world.withdraw(who)
    assert not await world.rows("select from acute_case where case_id = %s", case_id)
    await refused(world, case_id, incident, told, "FORGOTTEN")


async def test_a_key_that_is_missing_is_said(world: CasesWorld) -> None:
    who = await world.enrol()
    case_id = await world.acute(who)
    incident = await world.incident(case_id)
    (world.keys / f"{who.person_id}.key").unlink()
    told = "FAILED_PRECONDITION:KEY_MISSING"
    await refused(world, case_id, incident, told, "KEY_MISSING")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"case_id": "김철수"}, "case_id"),
        ({"incident_id": "김철수"}, "incident_id"),
        ({"requester": "김 철수"}, "requester"),
        ({"requester": ""}, "requester"),
    ],
)
async def test_what_is_malformed_is_not_written_down(
    world: CasesWorld, changes: dict[str, str], field: str
) -> None:
    asked = {"case_id": str(UUID(int=1)), "incident_id": str(UUID(int=2)), "requester": "119"}
    given = {**asked, **changes}
    entry = await refused(
        world,
        given["case_id"],
        given["incident_id"],
        f"INVALID_ARGUMENT:{field}",
        f"INVALID_{field.upper()}",
        requester=given["requester"],
    )
    assert "철수" not in str(entry)
