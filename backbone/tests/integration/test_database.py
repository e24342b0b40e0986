"""The inbox, idempotency keys, and a database that goes away."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from city.sensors.v1 import sensors_pb2
from city_backbone import inbox
from city_backbone.database import Database as Pool
from city_backbone.database import migrate
from city_backbone.errors import DatabaseUnavailable, IdempotencyConflict, InvalidArgument
from city_backbone.idempotency import Idempotency
from city_backbone.settings import DatabaseSettings
from city_backbone.testing import Mesh, run_service
from probe.bootstrap import ProbeSettings, bootstrap
from pydantic import SecretStr

from .things import DEAD, DOUBLED, Database, Source, number, outbox_is_empty, settings_of

Request = sensors_pb2.RetireStationRequest
Response = sensors_pb2.RetireStationResponse


@pytest.fixture
async def pool(mesh: Mesh) -> AsyncIterator[Pool]:
    settings = settings_of(mesh)
    await migrate(settings.database, "probe")
    pool = Pool(settings.database)
    await pool.open()
    yield pool
    await pool.close()


class Retiring:
    """A mutating RPC: each effect is a row; the answer tells which effect it was."""

    def __init__(self, pool: Pool, method: str) -> None:
        self._pool = pool
        self._method = method
        self.fails = False

    async def call(self, key: str, station: str = "a", caller: str = "operator") -> Response:
        async with self._pool.transaction() as connection:

            async def effect() -> Response:
                await connection.execute(
                    "insert into effect (event_id, thing_id, count, place) values (%s, %s, 0, '')",
                    (uuid4(), self._method),
                )
                await asyncio.sleep(0.02)
                if self.fails:
                    raise RuntimeError("after the effect")
                name = str(uuid4())
                return Response(station=sensors_pb2.Station(station_id=station, name=name))

            return await Idempotency().run(
                connection,
                key=key,
                method=self._method,
                caller=caller,
                request=Request(idempotency_key=key, station_id=station),
                response_type=Response,
                effect=effect,
            )

    async def effects(self, database: Database) -> int:
        query = "select count(*) from effect where thing_id = %s"
        return await number(database, query, self._method)


@pytest.fixture
def retiring(pool: Pool, source: Source) -> Retiring:
    return Retiring(pool, source.run)


async def test_concurrent_calls_with_one_key_take_effect_once(
    retiring: Retiring, database: Database
) -> None:
    key = str(uuid4())
    answers = await asyncio.gather(*(retiring.call(key) for _ in range(8)))
    assert len({answer.station.name for answer in answers}) == 1
    assert await retiring.effects(database) == 1
    await retiring.call(str(uuid4()))
    assert await retiring.effects(database) == 2


async def test_a_key_used_for_another_request_is_a_conflict(
    retiring: Retiring, database: Database
) -> None:
    key = str(uuid4())
    await retiring.call(key)
    with pytest.raises(IdempotencyConflict):
        await retiring.call(key, station="b")
    with pytest.raises(IdempotencyConflict):
        await retiring.call(key, caller="integrator")
    assert await retiring.effects(database) == 1


async def test_a_call_that_failed_may_be_made_again(retiring: Retiring, database: Database) -> None:
    key = str(uuid4())
    retiring.fails = True
    with pytest.raises(RuntimeError):
        await retiring.call(key)
    assert await retiring.effects(database) == 0
    retiring.fails = False
    await retiring.call(key)
    assert await retiring.effects(database) == 1


async def test_a_key_that_is_no_uuid_is_refused(retiring: Retiring) -> None:
    with pytest.raises(InvalidArgument, match="idempotency_key: expected a UUID"):
        await retiring.call("again")


async def test_an_event_is_admitted_once_however_many_try(pool: Pool) -> None:
    known, new = uuid4(), uuid4()

    async def admit() -> int:
        async with pool.transaction() as connection:
            admitted = await inbox.admit(connection, [known, new, new])
            await asyncio.sleep(0.02)
            return len(admitted)

    async with pool.transaction() as connection:
        assert await inbox.admit(connection, [known]) == {known}
    assert sorted(await asyncio.gather(*(admit() for _ in range(4)))) == [0, 0, 0, 1]


async def test_an_effect_that_is_rolled_back_was_not_admitted(pool: Pool) -> None:
    event = uuid4()

    async def fail() -> None:
        async with pool.transaction() as connection:
            await inbox.admit(connection, [event])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    async with pool.transaction() as connection:
        assert await inbox.admit(connection, [event]) == {event}


async def test_only_old_ids_are_forgotten(pool: Pool, database: Database) -> None:
    old, fresh = uuid4(), uuid4()
    async with pool.transaction() as connection:
        await inbox.admit(connection, [old, fresh])
        await connection.execute(
            "update inbox set received_at = clock_timestamp() - interval '32 days'"
            " where event_id = %s",
            (old,),
        )
    assert await inbox.forget(pool, 31) >= 1
    async with pool.transaction() as connection:
        assert await inbox.admit(connection, [old, fresh]) == {old}


async def test_a_database_that_is_not_there_is_said_to_be_unavailable() -> None:
    nowhere = DatabaseSettings(
        dsn=SecretStr("postgresql://probe:x@127.0.0.1:1/probe"), connect_timeout_seconds=1
    )
    with pytest.raises(DatabaseUnavailable):
        await migrate(nowhere, "probe")
    pool = Pool(nowhere)
    with pytest.raises(DatabaseUnavailable):
        await pool.open()
    with pytest.raises(DatabaseUnavailable):
        await pool.session()
    await pool.close()


async def test_a_connection_lost_in_a_transaction_is_said_to_be_unavailable(
    pool: Pool, database: Database
) -> None:
    async def lose() -> None:
        async with pool.transaction() as connection:
            pid = connection.info.backend_pid
            await database.execute("select pg_terminate_backend(%s)", (pid,))
            await connection.execute("select 1")

    with pytest.raises(DatabaseUnavailable):
        await lose()
    async with pool.transaction() as connection:
        await connection.execute("select 1")


async def test_a_stream_whose_connections_are_terminated_loses_and_doubles_nothing(
    mesh: Mesh, source: Source, database: Database, environment: dict[str, str]
) -> None:
    total = 4000
    await source.send(range(total))
    terminate = (
        "select count(pg_terminate_backend(pid)) from pg_stat_activity"
        " where datname = 'probe' and pid <> pg_backend_pid() and state like '%%in transaction%%'"
    )
    terminated = 0
    small = {"PROBE_KAFKA__MAX_POLL_RECORDS": "50"}
    async with run_service(mesh, ProbeSettings, bootstrap, "probe", small):
        while await source.count(database) < total:
            if terminated < 5:
                terminated += await number(database, terminate)
            await asyncio.sleep(0.005)
        await outbox_is_empty(database)
    assert terminated >= 5
    rows = await source.effects(database)
    assert sorted(row["count"] for row in rows) == list(range(total))
    doubled = await source.records(environment, DOUBLED)
    assert len({dict(record.headers)["ce_id"] for record in doubled}) == total
    assert await source.records(environment, DEAD) == []
