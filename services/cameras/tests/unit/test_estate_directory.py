"""The directory: one query for many, not more often than told, and old rather than none."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from cameras.directory import CameraPlace, Directory
from city_backbone.database import Database
from city_backbone.errors import DatabaseUnavailable


class Rows:
    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._rows = rows

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        for row in self._rows:
            yield row


class FakeDatabase:
    """Answers with `cameras`; `gate` holds a query back; `away` makes it fail."""

    def __init__(self) -> None:
        self.cameras = {"a": False}
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = asyncio.Event()
        self.away = False
        self.queries = 0

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["FakeDatabase"]:
        yield self

    async def execute(self, query: str) -> Rows:
        self.queries += 1
        self.asked.set()
        if self.away:
            raise DatabaseUnavailable("away")
        rows = [
            {"camera_id": name, "site_id": "s", "purpose": "PARK", "retired": retired}
            for name, retired in self.cameras.items()
        ]
        await self.gate.wait()
        return Rows(rows)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def database() -> FakeDatabase:
    return FakeDatabase()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def directory(database: FakeDatabase, clock: Clock) -> Directory:
    return Directory(cast(Database, database), 5.0, clock)


async def test_read_once_for_its_seconds(
    directory: Directory, database: FakeDatabase, clock: Clock
) -> None:
    assert await directory.places() == {"a": CameraPlace("a", "s", "PARK", False)}
    clock.now += 4.9
    await directory.places()
    assert database.queries == 1
    database.cameras["b"] = True
    clock.now += 0.1
    assert (await directory.places())["b"].retired
    assert database.queries == 2


async def test_callers_at_the_same_time_share_one_query(
    directory: Directory, database: FakeDatabase
) -> None:
    answers = await asyncio.gather(*(directory.places() for _ in range(50)))
    assert database.queries == 1
    assert all("a" in answer for answer in answers)


async def test_a_caller_that_goes_away_does_not_take_the_answer_with_it(
    directory: Directory, database: FakeDatabase
) -> None:
    database.gate.clear()
    first, second = (asyncio.ensure_future(directory.places()) for _ in range(2))
    await database.asked.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    database.gate.set()
    assert "a" in await second
    assert database.queries == 1


async def test_the_old_answer_stands_while_the_database_is_away(
    directory: Directory, database: FakeDatabase, clock: Clock
) -> None:
    await directory.places()
    database.away = True
    clock.now += 6
    assert "a" in await directory.places()
    assert "a" in await directory.places()
    assert database.queries == 2
    database.away = False
    database.cameras["b"] = False
    clock.now += 5
    assert "b" in await directory.places()


async def test_the_old_answer_stands_while_the_database_is_slow(
    directory: Directory, database: FakeDatabase, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await directory.places()
    monkeypatch.setattr("cameras.directory._PATIENCE_SECONDS", 0.0)
    database.gate.clear()
    clock.now += 6
    assert "a" in await directory.places()
    assert "a" in await directory.places()
    assert database.queries == 2
    database.gate.set()


async def test_without_any_answer_it_fails_and_is_tried_again(
    directory: Directory, database: FakeDatabase
) -> None:
    database.away = True
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable):
            await directory.places()
    assert database.queries == 2
    database.away = False
    assert "a" in await directory.places()


async def test_what_was_registered_counts_at_once(
    directory: Directory, database: FakeDatabase
) -> None:
    await directory.places()
    database.cameras["b"] = False
    directory.forget()
    assert "b" in await directory.places()


async def test_a_query_that_began_before_is_made_again(
    directory: Directory, database: FakeDatabase
) -> None:
    database.gate.clear()
    waiting = asyncio.ensure_future(directory.places())
    await database.asked.wait()
    database.cameras["b"] = False
    directory.forget()
    database.gate.set()
    assert "b" in await waiting
    assert "b" in await directory.places()
    assert database.queries == 2
