"""People are taken in once, and nothing they said is kept in the clear."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
import pytest_asyncio
from city.health.v1 import person_pb2 as pb
from city_backbone.errors import DatabaseUnavailable
from city_backbone.testing import Mesh
from health.people.person import Group, Profile

from .people_world import DEADLINE, World, application, opened, refusal

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(mesh: Mesh, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with opened(mesh, tmp_path_factory.mktemp("people")) as world:
        yield world


async def enrol(world: World, request: pb.EnrolPersonRequest) -> str:
    return (await world.stub.EnrolPerson(request, timeout=DEADLINE)).person_token


async def counted(world: World) -> tuple[int, int]:
    """People and keys."""
    (row,) = await world.rows("select count(*) as n from person")
    return row["n"], len(list(world.keys.glob("*.key")))


async def test_what_is_kept_opens_with_the_persons_key_alone(world: World) -> None:
    who = await world.enrol(groups=[pb.VULNERABLE_GROUP_DISABLED], medical_note="와파린")
    async with world.service.backbone.database.transaction() as connection:
        profile = await world.people.profile(connection, who.person_id)
        assert await world.people.profile(connection, uuid4()) is None
    assert profile == Profile(
        who.request.name,
        date(1948, 3, 1),
        who.request.contact,
        "와파린",
        frozenset([Group.DISABLED]),
    )
    (row,) = await world.rows("select * from person where person_id = %s", who.person_id)
    assert (row["status"], row["priority"], row["zone"]) == ("ENROLLED", 1, "조치원")
    assert row["purposes"] == ["MEASUREMENT", "REMINDER"]
    said = str(row).encode() + bytes(row["profile"])
    for secret in (who.request.name, who.request.contact, "와파린", "1948-03-01", who.token):
        assert secret.encode() not in said


@pytest.mark.parametrize("found", ["by_token", "by_id", "profile"])
async def test_who_was_found_stays_as_they_are_to_the_end(world: World, found: str) -> None:
    """So that a withdrawal waits, and nothing is stored after it."""
    who = await world.enrol()
    query = "select from person where person_id = %s for update nowait"
    async with world.service.backbone.database.transaction() as connection:
        given = who.token if found == "by_token" else who.person_id
        assert await getattr(world.people, found)(connection, given)
        with pytest.raises(DatabaseUnavailable, match="LockNotAvailable"):
            await world.execute(query, who.person_id)
    await world.execute(query, who.person_id)


async def test_the_same_call_is_told_the_same_token(world: World) -> None:
    request = application()
    before = await counted(world)
    tokens = await asyncio.gather(*(enrol(world, request) for _ in range(4)))
    assert len(set(tokens)) == 1
    assert await enrol(world, request) == tokens[0]
    assert await counted(world) == (before[0] + 1, before[1] + 1)


async def test_another_call_with_the_same_key_is_refused(world: World) -> None:
    request = application()
    await enrol(world, request)
    before = await counted(world)
    for field, value in {"name": "이영희", "contact": "02-123-4567", "zone": "한솔동"}.items():
        other = pb.EnrolPersonRequest()
        other.CopyFrom(request)
        setattr(other, field, value)
        told = await refusal(enrol(world, other))
        assert told == "ALREADY_EXISTS:IDEMPOTENCY_KEY_REUSED", field
    assert await counted(world) == before


async def test_a_token_in_use_is_not_told_again(world: World) -> None:
    who = await world.enrol()
    told = await refusal(enrol(world, who.request))
    assert told == "FAILED_PRECONDITION:TOKEN_IN_USE"
    assert await world.who(who.token) == who.person_id


async def test_a_key_that_outlived_its_row_enrols_nobody_twice(world: World) -> None:
    request = application()
    token = await enrol(world, request)
    before = await counted(world)
    await world.execute("delete from idempotency where key = %s", request.idempotency_key)
    told = await refusal(enrol(world, request))
    assert told == "ALREADY_EXISTS:IDEMPOTENCY_KEY_REUSED"
    assert await counted(world) == before
    assert await world.who(token)


async def test_who_withdrew_is_not_enrolled_by_the_old_call(world: World) -> None:
    request = application()
    token = await enrol(world, request)
    await world.stub.WithdrawConsent(pb.WithdrawConsentRequest(person_token=token))
    before = await counted(world)
    told = await refusal(enrol(world, request))
    assert told == "PERMISSION_DENIED:CONSENT_WITHDRAWN"
    assert await counted(world) == before


async def test_the_idempotency_table_keeps_nothing_of_anybody(world: World) -> None:
    one, other = application(), application()
    for request in (one, other):
        await enrol(world, request)
    rows = await world.rows(
        "select request_digest, response from idempotency where key = any(%s::uuid[])",
        [one.idempotency_key, other.idempotency_key],
    )
    digests = {bytes(row["request_digest"]) for row in rows}
    assert len(digests) == 1, "it is of no person"
    assert len({bytes(row["response"]) for row in rows}) == 2
    for row, request in zip(rows, (one, other), strict=True):
        for field in (request.name, request.contact, request.medical_note):
            assert field.encode() not in bytes(row["response"])


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("idempotency_key", "x", "INVALID_ARGUMENT:idempotency_key"),
        ("birth_date", "x", "INVALID_ARGUMENT:birth_date"),
        ("purposes", [pb.CONSENT_PURPOSE_EMERGENCY], "INVALID_ARGUMENT:purposes"),
    ],
)
async def test_what_cannot_be_leaves_nothing(
    world: World, field: str, value: object, told: str
) -> None:
    before = await counted(world)
    assert await refusal(enrol(world, application(**{field: value}))) == told
    assert await counted(world) == before


async def test_who_may_be_reminded_is_so_from_the_start(world: World) -> None:
    who = await world.enrol(groups=[pb.VULNERABLE_GROUP_CHRONIC])
    found = await world.follow_ups(who)
    assert set(found) == {"MEASURE_AGAIN"}
    row = found["MEASURE_AGAIN"]
    assert row["priority"] == 2
    ahead = row["due_at"] - datetime.now(UTC)
    assert timedelta(days=89) < ahead <= timedelta(days=90)
    silent = await world.enrol(purposes=[pb.CONSENT_PURPOSE_MEASUREMENT])
    assert await world.follow_ups(silent) == {}
