"""PostgreSQL: one role and one database per service; nobody else may connect to it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

import psycopg
from psycopg import sql

from meshctl.credentials import POSTGRES
from meshctl.errors import ApplyError

_CONNECT_SECONDS = 5
_STATEMENT_MS = 20_000


async def apply(address: str, services: Iterable[str], passwords: Mapping[str, str]) -> None:
    """Make what is missing, give each role its password. Raises ApplyError with the server's
    reason."""
    try:
        async with await connect(address, passwords[POSTGRES]) as connection:
            await _close_to_public(connection, [POSTGRES, "template1"])
            for service in services:
                await _provision(connection, service, passwords[service])
    except (psycopg.Error, TimeoutError) as error:
        raise ApplyError(f"postgres: {str(error).strip()}") from error


async def connect(address: str, password: str) -> psycopg.AsyncConnection:
    """As the superuser; within seconds. Raises psycopg.Error, TimeoutError."""
    host, _, port = address.rpartition(":")
    async with asyncio.timeout(_CONNECT_SECONDS):
        return await psycopg.AsyncConnection.connect(
            host=host,
            port=int(port),
            user=POSTGRES,
            password=password,
            dbname=POSTGRES,
            connect_timeout=_CONNECT_SECONDS,
            options=f"-c statement_timeout={_STATEMENT_MS}",
            autocommit=True,
        )


async def answers(address: str, password: str) -> bool:
    """Whether it lets its superuser in."""
    try:
        connection = await connect(address, password)
    except (psycopg.Error, TimeoutError):
        return False
    await connection.close()
    return True


async def _provision(connection: psycopg.AsyncConnection, service: str, password: str) -> None:
    name = sql.Identifier(service)
    found = await connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [service])
    verb = sql.SQL("CREATE" if await found.fetchone() is None else "ALTER")
    await connection.execute(
        sql.SQL("{} ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {}").format(
            verb, name, sql.Literal(password)
        )
    )
    found = await connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [service])
    if await found.fetchone() is None:
        await connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, name))
    await _close_to_public(connection, [service])


async def _close_to_public(connection: psycopg.AsyncConnection, databases: Iterable[str]) -> None:
    for database in databases:
        await connection.execute(
            sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database))
        )
