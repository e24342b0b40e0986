"""A person's own search: what is theirs, opened for them alone, each search in the register."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio
from city_backbone.testing import Mesh
from health.fhir.search import SEARCH_DENIED, SEARCHED
from health.measuring.measurement import Code
from health.people.reads import REGISTER

from .fhir_world import Answer, Enrolled, World, bundle, identity_of, observation, opened

pytestmark = pytest.mark.asyncio(loop_scope="module")

BP, SPO2, TEMPERATURE, PULSE, BMI, GLUCOSE = Code
START = datetime(2026, 3, 1, tzinfo=UTC)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(mesh: Mesh) -> AsyncIterator[World]:
    async with opened(mesh) as world:
        yield world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def person(world: World) -> Enrolled:
    """With seven pulses, a day apart, and a fasting glucose."""
    person = await world.enrol()
    pulses = [
        observation(
            person.token,
            PULSE,
            70 + day,
            effectiveDateTime=(START + timedelta(days=day)).isoformat(),
        )
        for day in range(7)
    ]
    fasting = {"code": {"coding": [{"system": "http://loinc.org", "code": "49541-6"}]}}
    glucose = observation(
        person.token,
        GLUCOSE,
        101,
        await world.kiosk(),
        effectiveDateTime=(START - timedelta(days=1)).isoformat(),
        component=[{**fasting, "valueBoolean": True}],
    )
    sent = await world.send(bundle(*pulses[::2], glucose, *pulses[1::2]))
    assert sent.status == 200
    return person


def resources(answer: Answer) -> list[dict[str, Any]]:
    assert answer.status == 200, answer.resource
    assert answer.headers["Cache-Control"] == "no-store"
    return [entry["resource"] for entry in answer.resource.get("entry", [])]


def values(answer: Answer) -> list[float]:
    return [one["valueQuantity"]["value"] for one in resources(answer)]


def link(answer: Answer, relation: str) -> str | None:
    return next(
        (one["url"] for one in answer.resource["link"] if one["relation"] == relation), None
    )


async def test_all_of_it_newest_first(world: World, person: Enrolled) -> None:
    answer = await world.search(person.token)
    assert values(answer) == [76, 75, 74, 73, 72, 71, 70, 101]
    assert answer.resource["total"] == 8
    glucose = resources(answer)[-1]
    assert glucose["component"][0]["valueBoolean"] is True
    assert "device" in glucose
    assert glucose["interpretation"][0]["coding"][0]["code"] == "A"
    assert person.token not in str(answer.resource)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("code=2339-0", [101]),
        ("code=http://loinc.org|2339-0", [101]),
        ("code=8310-5", []),
        ("code=8867-4&date=ge2026-03-03&date=lt2026-03-05T00:00:00Z", [73, 72]),
        ("date=ge2026-03-06T00:00:00Z", [76, 75]),
        ("date=lt2026-03-01", [101]),
        ("_count=2", [76, 75]),
        ("_format=json&_count=1", [76]),
    ],
)
async def test_chosen(world: World, person: Enrolled, query: str, expected: list[float]) -> None:
    assert values(await world.search(person.token, query)) == expected


async def test_pages(world: World, person: Enrolled) -> None:
    answer = await world.search(person.token, "code=8867-4&_count=3")
    seen = values(answer)
    newer = observation(person.token, PULSE, 99)
    assert (await world.send(newer)).status == 201
    while (url := link(answer, "next")) is not None:
        # Addresses stand in logs: neither who nor when is in them.
        assert "2026" not in url
        assert person.token not in url
        answer = await world.follow(person.token, url)
        seen += values(answer)
    assert seen == [76, 75, 74, 73, 72, 71, 70]
    await world.rows(
        "delete from measurement where measurement_id = %s returning 1", identity_of(newer)
    )


async def test_a_page_of_somebody_else_does_not_open(world: World, person: Enrolled) -> None:
    url = link(await world.search(person.token, "_count=1"), "next")
    assert url is not None
    other = await world.enrol()
    for wrong in (url, url[:-4] + "AAAA", "/fhir/Observation?page=김", "/fhir/Observation?page=a"):
        answer = await world.follow(other.token, wrong)
        assert answer.refusal == (400, "value", None)


async def test_each_search_is_registered(world: World) -> None:
    person = await world.enrol()
    await world.send(observation(person.token, PULSE, 131.5))
    assert await world.entries(person.person_id) == []
    await world.search(person.token, "code=8867-4")
    await world.search(person.token, "code=8310-5")
    entries = await world.entries(person.person_id)
    assert [entry["action"] for entry in entries] == [SEARCHED] * 2
    assert [entry["details"] for entry in entries] == [
        {"reason": "own view", "observations": 1},
        {"reason": "own view", "observations": 0},
    ]
    assert {entry["actor"] for entry in entries} == {str(person.person_id)}
    assert {entry["source_address"] for entry in entries} == {"127.0.0.1"}
    for words in (person.token, "131.5"):
        assert words not in str(entries)
    # Within a hash, or the digits of an instant, it may be by chance.
    assert not re.search("(?<![0-9a-f])8867(?![0-9a-f])", str(entries))
    assert (await world.verified()).intact


async def test_nobody_sees_anothers(world: World, person: Enrolled) -> None:
    other = await world.enrol()
    answer = await world.search(other.token)
    assert resources(answer) == []
    assert answer.resource["total"] == 0


async def test_after_withdrawal(world: World) -> None:
    person = await world.enrol()
    await world.send(observation(person.token))
    await world.withdrawals.withdraw(person.token)
    before = (await world.everything())["register_record"]
    answer = await world.search(person.token)
    assert answer.refusal == (403, "forbidden", None)
    entries = (await world.everything())["register_record"]
    [entry] = [one for one in entries if one not in before]
    assert (entry["register"], entry["action"]) == (REGISTER, SEARCH_DENIED)
    assert entry["details"]["refusal"] == "CONSENT_WITHDRAWN"
    assert person.token not in str(entry)


async def test_without_a_token_that_is_somebodys(world: World) -> None:
    before = await world.everything()
    for token in ("", "a" * 32, "x y", "%00", "ü"):
        answer = await world.search(token)
        assert answer.refusal == (401, "login", None)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert await world.everything() == before


@pytest.mark.parametrize("name", ["patient", "subject"])
async def test_a_token_in_the_address_is_refused(
    world: World, person: Enrolled, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    answer = await world.search(person.token, f"{name}={person.token}")
    assert answer.refusal == (400, "value", None)
    assert name in answer.issue["diagnostics"]
    text = "".join(capfd.readouterr()) + str(answer.resource)
    assert person.token not in text
    assert quote(person.token) not in text
