"""Starts that migrate: several at once, and after one that was killed in the middle."""

import asyncio
import getpass
from typing import Any

import psycopg
import pytest
from city_backbone.database import migrate
from city_backbone.settings import DatabaseSettings
from pydantic import SecretStr


async def test_replicas_that_start_at_once_migrate_once(
    environment: dict[str, str], database: psycopg.AsyncConnection[dict[str, Any]]
) -> None:
    settings = DatabaseSettings(dsn=SecretStr(environment["PROBE_DATABASE__DSN"]))
    await asyncio.gather(*(migrate(settings, "probe") for _ in range(4)))
    rows = await database.execute("select migration_id from _yoyo_migration order by 1")
    applied = [row["migration_id"] for row in await rows.fetchall()]
    assert applied == ["0001.backbone", "0001.effect", "0002.register", "0003.register_seal"]


async def test_a_start_that_was_killed_while_migrating_locks_nobody_out(
    environment: dict[str, str], database: psycopg.AsyncConnection[dict[str, Any]]
) -> None:
    """What it leaves is yoyo's row, and a session that ended with it."""
    settings = DatabaseSettings(dsn=SecretStr(environment["PROBE_DATABASE__DSN"]))
    await migrate(settings, "probe")
    await database.execute("insert into yoyo_lock values (1, now(), 4711)")
    try:
        async with asyncio.timeout(20):
            await migrate(settings, "probe")
    finally:
        await database.execute("delete from yoyo_lock")


async def test_a_database_of_an_earlier_release_gets_what_is_new(
    environment: dict[str, str], database: psycopg.AsyncConnection[dict[str, Any]]
) -> None:
    settings = DatabaseSettings(dsn=SecretStr(environment["PROBE_DATABASE__DSN"]))
    await migrate(settings, "probe")
    await database.execute("drop table register_record")
    await database.execute("delete from _yoyo_migration where migration_id = '0002.register'")
    await migrate(settings, "probe")
    rows = await database.execute("select count(*) as count from register_record")
    assert await rows.fetchone() == {"count": 0}


async def test_a_migration_that_could_not_be_noted_had_no_effect(
    environment: dict[str, str],
    database: psycopg.AsyncConnection[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As in a container whose user has no name; the next start begins it anew."""
    settings = DatabaseSettings(dsn=SecretStr(environment["PROBE_DATABASE__DSN"]))
    await migrate(settings, "probe")
    await database.execute("drop table register_record")
    await database.execute("delete from _yoyo_migration where migration_id = '0002.register'")

    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 10001")

    with monkeypatch.context() as broken:
        broken.setattr(getpass, "getuser", nameless)
        with pytest.raises(KeyError):
            await migrate(settings, "probe")
    await migrate(settings, "probe")
    rows = await database.execute("select count(*) as count from register_record")
    assert await rows.fetchone() == {"count": 0}
