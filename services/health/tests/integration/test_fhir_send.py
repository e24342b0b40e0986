"""What is sent is stored, told of and answered once, all of a Bundle or nothing of it."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from city_backbone.events import event_id
from city_backbone.testing import Mesh
from health.clock import utc_now
from health.measuring.measurement import Code
from health.measuring.sealing import open_sealed

from .fhir_world import World, bundle, identity_of, observation, opened
from .kiosks_world import PLACE

pytestmark = pytest.mark.asyncio(loop_scope="module")

BP, SPO2, TEMPERATURE, PULSE, BMI, GLUCOSE = Code


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(mesh: Mesh) -> AsyncIterator[World]:
    async with opened(mesh) as world:
        yield world


async def test_an_observation_is_stored_sealed_and_told_of(world: World) -> None:
    person, kiosk_id = await world.enrol(), await world.kiosk()
    sent = observation(person.token, TEMPERATURE, 36.8125, kiosk_id)
    answer = await world.send(sent)
    measurement_id = identity_of(sent)
    assert answer.status == 201
    assert answer.headers["Location"] == f"/fhir/Observation/{measurement_id}"
    assert answer.resource["id"] == str(measurement_id)
    assert answer.resource["valueQuantity"]["value"] == 36.8125
    assert answer.resource["note"]
    [row] = await world.stored(measurement_id)
    found = open_sealed(person.box, row["sealed"])
    assert (found.code, found.value) == (TEMPERATURE, 36.8125)
    assert found.taken_at.isoformat() == sent["effectiveDateTime"]
    assert (row["kiosk_id"], row["session_id"]) == (kiosk_id, None)
    assert await world.told(person) == [found]
    tables = ("measurement", "outbox", "person", "register_record")
    content = b"\n".join(world.measurements.raw)
    for table in tables:
        rows = await world.rows(f"select to_jsonb(t) as row from {table} t")
        content += json.dumps([one["row"] for one in rows], ensure_ascii=False).encode()
    content = re.sub(rb"\d\d:\d\d:\d\d(\.\d+)?", b"", content)  # an instant may have it by chance
    for words in (person.token, "36.81", sent["identifier"][0]["value"], '"8310-5"'):
        assert words.encode() not in content


async def test_what_is_sent_again_is_answered_the_same(world: World) -> None:
    person, kiosk_id = await world.enrol(), await world.kiosk()
    acute = bundle(
        observation(person.token, PULSE, 72, kiosk_id),
        observation(person.token, SPO2, 89, kiosk_id),
    )
    one = observation(person.token, GLUCOSE, 131)
    first = [await world.send(acute), await world.send(one)]
    await world.told(person)
    before = await world.everything()
    again = [await world.send(acute), await world.send({**one, "status": "amended"})]
    assert [(a.status, a.resource) for a in again] == [(a.status, a.resource) for a in first]
    assert await world.everything() == before
    assert len(await world.told(person)) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"effectiveDateTime": "2026-01-01T00:00:00Z"},
        {"valueQuantity": {"value": 73, "system": "http://unitsofmeasure.org", "code": "/min"}},
        {
            "code": {"coding": [{"system": "http://loinc.org", "code": "2339-0"}]},
            "valueQuantity": {
                "value": 72,
                "system": "http://unitsofmeasure.org",
                "code": "mg/dL",
            },
        },
        {"device": None},
        {"subject": None},
    ],
    ids=["time", "value", "code", "kiosk", "person"],
)
async def test_the_same_identifier_with_another_content(
    world: World, change: dict[str, Any]
) -> None:
    person, kiosk_id = await world.enrol(), await world.kiosk()
    sent = observation(person.token, PULSE, 72, kiosk_id)
    await world.send(sent)
    if "subject" in change:
        change = {"subject": observation((await world.enrol()).token)["subject"]}
    await world.told(person)
    before = await world.everything()
    other = bundle(observation(person.token), {**sent, **change})
    assert (await world.send({**sent, **change})).refusal == (
        409,
        "conflict",
        "Observation.identifier[0]",
    )
    assert (await world.send(other)).refusal == (
        409,
        "conflict",
        "Bundle.entry[1].resource.identifier[0]",
    )
    assert await world.everything() == before


async def test_of_two_at_once_one_is_stored_and_the_other_refused(world: World) -> None:
    person = await world.enrol()
    one = observation(person.token, PULSE, 72)
    others = [
        {**one, "valueQuantity": {**one["valueQuantity"], "value": 60 + number}}
        for number in range(6)
    ]
    answers = await asyncio.gather(*map(world.send, others))
    statuses = sorted(answer.status for answer in answers)
    assert statuses == [201, *[409] * 5]
    [told] = await world.told(person)
    [winner] = [answer for answer in answers if answer.status == 201]
    assert winner.resource["valueQuantity"]["value"] == told.value


async def test_a_bundle_is_all_or_nothing(world: World) -> None:
    person, other = await world.enrol(), await world.enrol()
    await world.withdrawals.withdraw(other.token)
    await world.told(person)
    before = await world.everything()
    sent = [observation(person.token), observation(person.token, SPO2, 98)]
    for wrong, expected in (
        (observation(other.token), (403, "forbidden", "subject.identifier.value")),
        (observation(person.token, value=1), (422, "value", "valueQuantity.value")),
        (
            observation(person.token, kiosk_id="nowhere"),
            (422, "not-found", "device.identifier.value"),
        ),
    ):
        status, code, place = expected
        answer = await world.send(bundle(*sent, wrong))
        assert answer.refusal == (status, code, f"Bundle.entry[2].resource.{place}")
    assert await world.everything() == before
    assert (await world.send(bundle(*sent))).status == 200
    assert len(await world.told(person)) == 2


async def test_a_bundle_of_several_people(world: World) -> None:
    one, other = await world.enrol(), await world.enrol()
    sent = [
        observation(one.token, PULSE, 71),
        observation(other.token, PULSE, 72),
        observation(one.token, TEMPERATURE, 36.5),
    ]
    answer = await world.send(bundle(*sent))
    assert [entry["response"] for entry in answer.resource["entry"]] == [
        {"status": "201 Created", "location": f"Observation/{identity_of(one)}"} for one in sent
    ]
    assert [entry["resource"]["id"] for entry in answer.resource["entry"]] == [
        str(identity_of(one)) for one in sent
    ]
    assert {found.value for found in await world.told(one)} == {71, 36.5}
    assert {found.value for found in await world.told(other)} == {72}


async def calls(world: World, *case_ids: object) -> list[dict[str, Any]]:
    await world.published()
    return [one for one in await world.acute.all() if one["case_id"] in map(str, case_ids)]


async def test_readings_of_one_bundle_are_each_others_context(world: World) -> None:
    """Temperature 39.2 (2), saturation 92 (2) and pulse 95 (1) are 5 together: 119 is called."""
    person, kiosk_id = await world.enrol(), await world.kiosk()
    sent = [
        observation(person.token, TEMPERATURE, 39.2, kiosk_id),
        observation(person.token, SPO2, 92, kiosk_id),
        observation(person.token, PULSE, 95, kiosk_id),
    ]
    alone = [await world.send(one) for one in sent]
    assert not await calls(world, *[event_id("case", identity_of(one)) for one in sent])
    assert not any("119" in one.resource["note"][-1]["text"] for one in alone)
    again = [{**one, "identifier": observation("")["identifier"]} for one in sent]
    answer = await world.send(bundle(*again))
    case_id = event_id("case", identity_of(again[0]))
    [event] = await calls(world, case_id)
    assert (event["kiosk_id"], event["place"], event["score"]) == (kiosk_id, PLACE, 5)
    for entry in answer.resource["entry"]:
        assert entry["resource"]["interpretation"][0]["coding"][0]["code"] == "AA"
        assert "119" in entry["resource"]["note"][-1]["text"]
    await world.send(bundle(*again))
    assert len(await calls(world, case_id)) == 1


async def test_another_person_is_no_context(world: World) -> None:
    one, other, kiosk_id = await world.enrol(), await world.enrol(), await world.kiosk()
    sent = [
        observation(one.token, TEMPERATURE, 39.2, kiosk_id),
        observation(one.token, SPO2, 92, kiosk_id),
        observation(other.token, PULSE, 95, kiosk_id),
    ]
    assert (await world.send(bundle(*sent))).status == 200
    assert not await calls(world, *[event_id("case", identity_of(one)) for one in sent])


async def test_nobody_is_called_for_what_was_long_ago_or_nowhere(world: World) -> None:
    person, kiosk_id = await world.enrol(), await world.kiosk()
    late = (utc_now() - timedelta(minutes=31)).isoformat()
    sent = [
        observation(person.token, SPO2, 85, kiosk_id, effectiveDateTime=late),
        observation(person.token, SPO2, 85),
    ]
    assert [(await world.send(one)).status for one in sent] == [201, 201]
    assert not await calls(world, *[event_id("case", identity_of(one)) for one in sent])


async def test_without_consent_to_measurements(world: World) -> None:
    person = await world.enrol()
    await world.rows(
        "update person set purposes = '{REMINDER}' where person_id = %s returning 1",
        person.person_id,
    )
    answer = await world.send(observation(person.token))
    assert answer.refusal == (403, "forbidden", "Observation.subject.identifier.value")


async def test_a_person_whose_key_is_not_there_is_not_taken(world: World) -> None:
    person = await world.enrol()
    [path] = world.service.backbone.settings.people.keyring.glob(f"{person.person_id}*")
    key = path.read_bytes()
    path.write_bytes(b"damaged")
    sent = observation(person.token)
    assert (await world.send(sent)).refusal == (503, "no-store", None)
    assert (await world.search(person.token)).refusal == (503, "no-store", None)
    assert not await world.stored(identity_of(sent))
    path.write_bytes(key)
    assert (await world.send(sent)).status == 201
