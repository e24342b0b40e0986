"""What the database must guarantee under concurrency."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from city_backbone.database import Database
from city_backbone.testing import eventually
from emergency import handlers, store, store_rooms
from emergency.domain.air import AirAlert, Level
from emergency.domain.incident import Facts, Grade, Incident, Position, Source, Status
from emergency.domain.routing import Route
from emergency.ledger import Ledger, incident_id
from emergency.telemetry import Metrics

AT = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


def fresh(at: datetime = AT) -> Incident:
    facts = Facts(Grade.NORMAL, "화재", "연기", "보람동", Position(36.5, 127.3))
    source = Source("operator", "1")
    return Incident(uuid4(), "fire", Status.OCCURRED, facts, at, at, "operator", source)


def alert(alert_id: str, sequence: int, level: Level) -> AirAlert:
    return AirAlert(
        alert_id, sequence, "보람동", "PM10", level, AT, False, "r1", [], Position(36.5, 127.3)
    )


async def record(database: Database, ledger: Ledger, incident: Incident) -> Incident:
    async with database.transaction() as connection:
        await store.lock(connection, [incident.id])
        (saved,) = await ledger.record(connection, [incident])
        return saved


async def waiting(database: Database, task: "asyncio.Task[object]") -> bool:
    """Whether `task` is done, or stands before a lock that another transaction holds."""
    async with database.transaction() as connection:
        rows = await connection.execute(
            "select 1 from pg_locks where locktype = 'advisory' and not granted"
        )
        return task.done() or bool(await rows.fetchall())


async def test_a_watcher_never_sees_a_change_before_an_earlier_one(
    database: Database, ledger: Ledger
) -> None:
    first, second = fresh(), fresh()
    async with database.transaction() as connection:
        start = await store.last_change(connection)

    async def seen() -> list[UUID]:
        async with database.transaction() as connection:
            return [one.id for _, one in await store.changes_after(connection, start, 10)]

    async with database.transaction() as connection:
        await store.lock(connection, [first.id])
        await ledger.record(connection, [first])
        other: asyncio.Task[object] = asyncio.create_task(record(database, ledger, second))
        await eventually(lambda: waiting(database, other))
        assert await seen() == []
    await other
    assert await seen() == [first.id, second.id]


async def test_two_transactions_cannot_both_open_an_incident(
    database: Database, ledger: Ledger, metrics: Metrics
) -> None:
    name = str(uuid4())

    async def apply(one: AirAlert) -> None:
        async with database.transaction() as connection:
            await handlers.apply_air_alerts(connection, ledger, metrics, [one])

    async with database.transaction() as connection:
        await handlers.apply_air_alerts(
            connection, ledger, metrics, [alert(name, 1, Level.ADVISORY)]
        )
        other: asyncio.Task[object] = asyncio.create_task(apply(alert(name, 2, Level.WARNING)))
        await eventually(lambda: waiting(database, other))
    await other
    async with database.transaction() as connection:
        changes = await store.history(connection, incident_id("sensors", name))
    assert [(change.revision, change.status) for change in changes] == [
        (1, Status.OCCURRED),
        (2, Status.CHANGED),
    ]


async def test_incidents_of_one_instant_get_numbers_of_their_own(
    database: Database, ledger: Ledger
) -> None:
    at = datetime.now(UTC)
    saved = await asyncio.gather(*(record(database, ledger, fresh(at)) for _ in range(8)))
    async with database.transaction() as connection:
        batch = [fresh(at) for _ in range(8)]
        await store.lock(connection, [incident.id for incident in batch])
        saved += await ledger.record(connection, batch)
    numbers: Sequence[int] = sorted(incident.number or 0 for incident in saved)
    assert numbers == list(range(numbers[0], numbers[0] + 16))


async def test_a_refused_transaction_leaves_nothing(database: Database, ledger: Ledger) -> None:
    incident = fresh()
    try:
        async with database.transaction() as connection:
            await store.lock(connection, [incident.id])
            await ledger.record(connection, [incident])
            raise asyncio.CancelledError
    except asyncio.CancelledError:
        pass
    async with database.transaction() as connection:
        assert await store.find(connection, incident.id) is None
        assert await store_rooms.deliveries(connection, incident.id) == []


async def test_a_batch_of_alerts_is_applied_in_order(
    database: Database, ledger: Ledger, metrics: Metrics, route: Route
) -> None:
    names = [str(uuid4()) for _ in range(100)]
    steps = ((1, Level.ADVISORY), (2, Level.WARNING), (2, Level.WARNING), (3, Level.LIFTED))
    alerts = [alert(name, sequence, level) for sequence, level in steps for name in names]
    async with database.transaction() as connection:
        await handlers.apply_air_alerts(connection, ledger, metrics, alerts)
        for name in names:
            one = incident_id("sensors", name)
            assert [change.status for change in await store.history(connection, one)] == [
                Status.OCCURRED,
                Status.CHANGED,
                Status.CLEARED,
            ]
            (delivery,) = await store_rooms.deliveries(connection, one)
            assert (delivery.room, delivery.pending) == (route.room, 3)


async def test_cleared_incidents_are_completed_in_time(database: Database, ledger: Ledger) -> None:
    opened = await record(database, ledger, fresh())
    cleared = await record(database, ledger, opened.advance(Status.CLEARED, AT, "operator"))

    async def complete(after: timedelta) -> int:
        async with database.transaction() as connection:
            return await handlers.complete_cleared(connection, ledger, after)

    async def status() -> Status:
        async with database.transaction() as connection:
            found = await store.find(connection, cleared.id)
            assert found is not None
            return found.status

    while await complete(timedelta(hours=1)):
        pass
    assert await status() is Status.CLEARED
    while await complete(timedelta(0)):
        pass
    assert await status() is Status.COMPLETED
