"""Acts and their entries on the real database: both or neither, refused ones too, each once."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from city_backbone.audit.act import Attempt, Origin
from city_backbone.audit.attempts import Attempts
from city_backbone.audit.seal import Seal
from city_backbone.database import Connection
from city_backbone.errors import (
    BackboneError,
    FailedPrecondition,
    IdempotencyConflict,
    InvalidArgument,
    InvalidEntry,
)
from city_backbone.register import Entry, Register
from city_backbone.runtime import Backbone, Service, running
from city_backbone.testing import Mesh, eventually
from google.protobuf.wrappers_pb2 import StringValue
from probe.bootstrap import ProbeSettings

from .things import read_all, settings_of

SEALED = "probe.register-sealed.v1"


@dataclass
class Office:
    """A register of its own, an act that leaves a row, and what became of both."""

    backbone: Backbone[ProbeSettings]
    name: str = field(default_factory=lambda: f"office-{os.urandom(4).hex()}")
    refusal: BackboneError | None = None
    actor: str = "kim"
    acts: int = 0

    def __post_init__(self) -> None:
        self.register = Register(self.name)
        self.attempts = Attempts(self.backbone.database, self.backbone.idempotency, self.register)

    async def act(self, connection: Connection) -> StringValue:
        self.acts += 1
        if self.refusal is not None:
            raise self.refusal
        await connection.execute(
            "insert into effect (event_id, thing_id, count, place) values (%s, %s, 1, '')",
            (uuid4(), self.name),
        )
        entry = Entry(self.actor, "done", "thing", "probe", "::1", {})
        await self.register.append(connection, [entry])
        return StringValue(value=str(self.acts))

    def attempt(self) -> Attempt:
        return Attempt("denied", Origin("probe", "::1"), "kim", "thing", {"why": "because"})

    async def make(self) -> str:
        return (await self.attempts.make(self.attempt(), StringValue, self.act)).value

    async def once(self, key: str, request: str = "please") -> str:
        said = await self.attempts.once(
            self.attempt(), "Act", StringValue(value=request), key, StringValue, self.act
        )
        return said.value

    async def rows(self, query: str) -> list[dict[str, Any]]:
        async with self.backbone.database.transaction() as connection:
            return await (await connection.execute(query, (self.name,))).fetchall()

    async def effects(self) -> int:
        return len(await self.rows("select from effect where thing_id = %s"))

    async def entries(self) -> list[tuple[str, str]]:
        found = await self.rows(
            "select action, details ->> 'refusal' as refusal from register_record"
            " where register = %s order by sequence"
        )
        return [(row["action"], row["refusal"] or "") for row in found]


@pytest.fixture
async def office(mesh: Mesh) -> AsyncIterator[Office]:
    async def nothing(backbone: Backbone[ProbeSettings]) -> Service:
        return Service()

    async with running(settings_of(mesh), nothing, "probe") as started:
        yield Office(started.backbone)


ENDED = FailedPrecondition("ENDED", "it has ended")


async def test_an_act_stands_in_the_register_and_each_call_is_one(office: Office) -> None:
    assert [await office.make(), await office.make()] == ["1", "2"]
    assert await office.effects() == 2
    assert await office.entries() == [("done", "")] * 2


async def test_a_refusal_commits_with_its_entry_and_is_raised(office: Office) -> None:
    office.refusal = ENDED
    with pytest.raises(FailedPrecondition, match="it has ended"):
        await office.make()
    assert await office.effects() == 0
    assert await office.entries() == [("denied", "ENDED")]
    (row,) = await office.rows("select * from register_record where register = %s")
    assert row["details"] == {"why": "because", "refusal": "ENDED", "message": "it has ended"}
    assert (row["actor"], row["department"], row["source_address"]) == ("kim", "probe", "::1")


async def test_what_cannot_be_registered_does_not_happen(office: Office) -> None:
    office.actor = "\0"
    with pytest.raises(InvalidEntry):
        await office.make()
    key = str(uuid4())
    with pytest.raises(InvalidEntry):
        await office.once(key)
    assert (await office.effects(), await office.entries()) == (0, [])
    office.actor = "kim"
    assert await office.once(key) == "3"


async def test_a_fault_of_ours_is_no_refusal(office: Office) -> None:
    office.refusal = BackboneError("broken")
    with pytest.raises(BackboneError, match="broken"):
        await office.make()
    assert await office.entries() == []


async def test_a_key_acts_once_however_often_it_is_sent_at_once(office: Office) -> None:
    key = str(uuid4())
    assert set(await asyncio.gather(*(office.once(key) for _ in range(5)))) == {"1"}
    assert (await office.effects(), await office.entries()) == (1, [("done", "")])


async def test_a_refused_key_is_told_the_same_again_and_registered_once(office: Office) -> None:
    key = str(uuid4())
    office.refusal = ENDED
    for _ in range(2):
        with pytest.raises(FailedPrecondition) as raised:
            await office.once(key)
        assert (raised.value.reason, str(raised.value)) == ("ENDED", "it has ended")
        office.refusal = None
    assert (office.acts, await office.effects()) == (1, 0)
    assert await office.entries() == [("denied", "ENDED")]


async def test_a_bad_key_is_a_refusal_too(office: Office) -> None:
    key = str(uuid4())
    await office.once(key)
    with pytest.raises(IdempotencyConflict):
        await office.once(key, "something else")
    with pytest.raises(InvalidArgument, match="idempotency_key"):
        await office.once("nonsense")
    assert await office.effects() == 1
    assert await office.entries() == [
        ("done", ""),
        ("denied", "IDEMPOTENCY_KEY_REUSED"),
        ("denied", "INVALID_IDEMPOTENCY_KEY"),
    ]


class Calendar:
    """A minute after midnight in Seoul, behind a day that ended."""

    def __init__(self) -> None:
        self.ended = date(2026, 11, 21)

    def __call__(self) -> datetime:
        midnight = datetime(self.ended.year, self.ended.month, self.ended.day, tzinfo=UTC)
        return midnight + timedelta(days=1, hours=-9, minutes=1)


async def seals(office: Office, mesh: Mesh) -> list[dict[str, Any]]:
    """Those of this register on the topic, once the outbox is empty."""

    async def sent() -> bool:
        return not await office.rows("select from outbox where convert_from(key, 'UTF8') = %s")

    await eventually(sent)
    codec = office.backbone.outbox._codec
    records = await read_all(mesh.environment("probe"), SEALED)
    return [
        await codec.decode(SEALED, record.value)
        for record in records
        if record.key == office.name.encode()
    ]


async def test_each_day_is_sealed_once_by_however_many(office: Office, mesh: Mesh) -> None:
    clock = Calendar()
    seal = Seal(office.name, office.register, SEALED, office.backbone.outbox, clock)

    async def turn() -> None:
        async with office.backbone.database.transaction() as connection:
            assert not await seal.seal(connection)

    await office.make()
    await asyncio.gather(*(turn() for _ in range(4)))
    office.refusal = ENDED
    with suppress(FailedPrecondition):
        await office.make()
    await turn()
    clock.ended = date(2026, 11, 25)  # days of silence: only the newest that ended
    await asyncio.gather(*(turn() for _ in range(4)))

    said = await seals(office, mesh)
    assert [(event["day"], event["sequence"]) for event in said] == [
        (date(2026, 11, 21), 1),
        (date(2026, 11, 25), 2),
    ]
    records = await office.rows("select * from register_record where register = %s")
    assert [event["head_hash"] for event in said] == [row["hash"] for row in records]
    rows = await office.rows("select * from register_seal where register = %s order by day")
    assert [(row["day"], row["sequence"], row["head_hash"]) for row in rows] == [
        (event["day"], event["sequence"], event["head_hash"]) for event in said
    ]
    assert {event["register"] for event in said} == {office.name}
    assert said[-1]["sealed_at"] == clock()
