"""Merging on the real database: what it finds, and what happens at once."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from city_backbone.database import Database
from city_backbone.testing import eventually
from emergency.alarms import Dispatcher
from emergency.domain.alarm import Alarm, AlarmKind
from emergency.domain.incident import Incident, Position
from emergency.domain.merging import Bounds, Merging
from emergency.ledger import Ledger, incident_id
from emergency.rules import load_rules

from .test_store import waiting

BOUNDS = Bounds(metres=100, seconds=120)
AT = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


@pytest.fixture
def place() -> Position:
    """Where no other test has alarms."""
    chance = Random(uuid4().int)
    return Position(chance.uniform(-60, 30), chance.uniform(-170, 170))


@pytest.fixture
def dispatcher(ledger: Ledger) -> Dispatcher:
    return Dispatcher(ledger, load_rules(), BOUNDS)


@pytest.fixture(autouse=True)
async def nothing_wanted_later(database: Database) -> AsyncIterator[None]:
    """A service of another test must not gather what these incidents want."""
    yield
    async with database.transaction() as connection:
        await connection.execute("delete from context_request where state = 'waiting'")


def alarm(
    place: Position, kind: AlarmKind = AlarmKind.FIGHT, metres: float = 0, seconds: float = 0
) -> Alarm:
    at = AT + timedelta(seconds=seconds)
    return Alarm(
        id=uuid4(),
        kind=kind,
        site_id="living-0001",
        place="의정부역 동부광장",
        purpose="PARK",
        position=Position(place.latitude + metres / 111_195, place.longitude),
        occurred_at=at,
        escalated_at=at,
        escalated_by="kim.operator",
        automatic=False,
        reason="",
        camera_ids=("living-0001-1",),
    )


async def apply(database: Database, dispatcher: Dispatcher, alarms: Sequence[Alarm]) -> None:
    async with database.transaction() as connection:
        await dispatcher.apply(connection, alarms)


async def incidents_of(database: Database, alarms: Sequence[Alarm]) -> list[UUID]:
    """The incident of each alarm, which has exactly one."""
    async with database.transaction() as connection:
        rows = await connection.execute(
            "select alarm_id, incident_id from incident_alarm where alarm_id = any(%s)",
            ([one.id for one in alarms],),
        )
        joined = {row["alarm_id"]: row["incident_id"] for row in await rows.fetchall()}
    return [joined[one.id] for one in alarms]


async def test_partitions_at_once_open_one_incident(
    database: Database, dispatcher: Dispatcher, place: Position
) -> None:
    first, second = alarm(place), alarm(place, metres=50, seconds=20)
    async with database.transaction() as connection:
        await dispatcher.apply(connection, [first])
        other: asyncio.Task[object] = asyncio.create_task(apply(database, dispatcher, [second]))
        await eventually(lambda: waiting(database, other))
    await other
    assert len(set(await incidents_of(database, [first, second]))) == 1


async def test_an_alarm_joins_once_though_it_comes_twice(
    database: Database, dispatcher: Dispatcher, place: Position
) -> None:
    one, later = alarm(place), alarm(place, seconds=3600)
    await apply(database, dispatcher, [one, one])
    await apply(database, dispatcher, [one, later])
    ids = await incidents_of(database, [one, later])
    async with database.transaction() as connection:
        rows = await connection.execute(
            "select revision from incident where incident_id = any(%s)", (ids,)
        )
        assert [row["revision"] for row in await rows.fetchall()] == [1, 1]


@pytest.mark.parametrize("seed", range(4))
async def test_what_the_database_merges_is_what_the_rule_says(
    database: Database, dispatcher: Dispatcher, place: Position, seed: int
) -> None:
    """Batches of any cut against one pass over everything in memory."""
    chance = Random(seed)
    alarms = [
        alarm(
            place,
            chance.choice(list(AlarmKind)),
            metres=chance.uniform(0, 500),
            seconds=chance.uniform(0, 900),
        )
        for _ in range(60)
    ]
    rest = list(alarms)
    while rest:
        size = chance.randint(1, 20)
        await apply(database, dispatcher, rest[:size])
        rest = rest[size:]
    nothing: dict[UUID, Incident] = {}
    merging = Merging(load_rules(), BOUNDS, nothing)
    now = datetime.now(UTC)
    expected = [merging.take(one, incident_id("cameras", one.id), now) for one in alarms]
    found = await incidents_of(database, alarms)
    assert found == [one.id for one in expected]
    assert 1 < len(set(found)) < len(alarms)


async def test_a_batch_costs_a_handful_of_statements(
    database: Database, dispatcher: Dispatcher, place: Position
) -> None:
    """Not one per alarm: those that insert rows are sent as one pipeline each."""
    alarms = [alarm(place, metres=1000 * number) for number in range(200)]
    statements = 0
    async with database.transaction() as connection:
        execute: Any = connection.execute

        async def counting(*arguments: Any) -> Any:
            nonlocal statements
            statements += 1
            return await execute(*arguments)

        connection.execute = counting  # type: ignore[method-assign, assignment]
        await dispatcher.apply(connection, alarms)
    assert statements < 20
