"""The department's own PostgreSQL: a pool, transactions with a deadline, migrations."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import psycopg
import structlog
import yoyo
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from city_backbone.errors import DatabaseUnavailable
from city_backbone.settings import DatabaseSettings

Connection: TypeAlias = psycopg.AsyncConnection[DictRow]

log = structlog.get_logger()

_MIGRATION_LOCK = 0x6D696772  # "migr"
_TURN_SECONDS = 60
_FRESH_SECONDS = 1.0

_used: WeakKeyDictionary[Connection, float] = WeakKeyDictionary()

_AWAY = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.SerializationFailure,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.IdleInTransactionSessionTimeout,
    PoolTimeout,
)


class Database:
    """A bounded pool of connections to one database.

    Transactions are READ COMMITTED; every statement has a deadline. What the server's absence
    raises becomes DatabaseUnavailable, and the transaction then had no effect, but for a COMMIT
    whose answer was lost: so every effect must be safe to try again.
    """

    def __init__(self, settings: DatabaseSettings) -> None:
        self._settings = settings
        milliseconds = int(settings.statement_timeout_seconds * 1000)
        self._arguments: dict[str, Any] = {
            "connect_timeout": max(1, int(settings.connect_timeout_seconds)),
            "row_factory": dict_row,
            "options": f"-c statement_timeout={milliseconds}"
            f" -c lock_timeout={milliseconds}"
            f" -c idle_in_transaction_session_timeout={2 * milliseconds}"
            " -c timezone=UTC",
        }
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            settings.dsn.get_secret_value(),
            min_size=2,
            max_size=settings.pool_size,
            kwargs=self._arguments,
            timeout=settings.connect_timeout_seconds,
            max_waiting=200,
            open=False,
            check=_check,
        )

    async def open(self) -> None:
        """Raises DatabaseUnavailable when the server does not answer in time."""
        try:
            await self._pool.open(wait=True, timeout=self._settings.connect_timeout_seconds)
        except PoolTimeout as error:
            raise DatabaseUnavailable(str(error)) from error

    async def close(self) -> None:
        await self._pool.close(timeout=self._settings.connect_timeout_seconds)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One transaction: committed at the end of the block, rolled back by an exception."""
        try:
            async with self._pool.connection() as connection:
                async with connection.transaction():
                    yield connection
                _used[connection] = time.monotonic()
        except _AWAY as error:
            raise DatabaseUnavailable(f"{type(error).__name__}: {error}".strip()) from error

    async def session(self) -> Connection:
        """A connection of one's own, in autocommit: for LISTEN and session locks. Close it."""
        try:
            return await psycopg.AsyncConnection.connect(
                self._settings.dsn.get_secret_value(), autocommit=True, **self._arguments
            )
        except _AWAY as error:
            raise DatabaseUnavailable(str(error)) from error


async def _check(connection: Connection) -> None:
    """Asks the server, unless it has just committed a transaction: that is a round trip less."""
    if time.monotonic() - _used.get(connection, 0.0) > _FRESH_SECONDS:
        await AsyncConnectionPool.check_connection(connection)


async def migrate(settings: DatabaseSettings, package: str) -> None:
    """Apply the backbone's migrations and then `package`'s, each once; replicas wait in turn.

    Raises DatabaseUnavailable.
    """
    try:
        await asyncio.to_thread(_migrate, settings.dsn.get_secret_value(), package)
    except _AWAY as error:
        raise DatabaseUnavailable(str(error)) from error


def _migrate(dsn: str, package: str) -> None:
    scheme, rest = dsn.split("://", 1)
    del scheme
    backend = yoyo.get_backend(f"postgresql+psycopg://{rest}")
    # Not yoyo's own lock: that is a row, which a killed process leaves behind for good.
    turn = psycopg.connect(dsn, autocommit=True, options=f"-c lock_timeout={_TURN_SECONDS}s")
    try:
        turn.execute("select pg_advisory_lock(%s)", (_MIGRATION_LOCK,))
        for owner in ("city_backbone", package):
            folder = resources.files(owner) / "migrations"
            if not folder.is_dir():
                continue
            for migration in backend.to_apply(yoyo.read_migrations(str(folder))):
                # Not yoyo's own way: that marks a migration after it is committed, and no start
                # gets past what a process did that ended in between.
                backend.ensure_internal_schema_updated()
                with backend.transaction():
                    migration.process_steps(backend, "apply")
                    backend.mark_one(migration, log=False)
                    backend.log_migration(migration, "apply")
                log.info("migration applied", package=owner, migration=migration.id)
    finally:
        turn.close()
        backend.connection.close()
