"""Days of the ledger: where postings go around midnight, and how days are sealed."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from city_backbone.events import event_id
from city_backbone.testing import Mesh, eventually
from parking.ledger.sale import Sale

from .ledger_world import SEALED, World, a_sale, clean, decoded, noon, opened, published, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOTHING = hashlib.sha256(b"").hexdigest()
LAST_MOMENT = timedelta(hours=12, microseconds=-1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(mesh: Mesh) -> AsyncIterator[World]:
    async with opened(mesh) as world:
        yield world


@pytest_asyncio.fixture(loop_scope="module")
async def world(shared: World) -> World:
    """Empty books on a day that no test before has sealed."""
    async with shared.transaction() as connection:
        await clean(connection)
    shared.first += timedelta(days=10)
    shared.clock.now = noon(shared.first)
    return shared


async def days(world: World) -> list[tuple[int, int | None]]:
    """Number of the day and its entries, None while it is open."""
    found = await world.rows("select day, entries from ledger_day order by day")
    return [((row["day"] - world.first).days, row["entries"]) for row in found]


async def day_of(world: World, sale: Sale) -> list[int]:
    found = await world.rows(
        "select posting.day, array_agg(distinct entry.day) as entry_days from ledger_posting"
        " posting join ledger_entry entry using (posting_id) where booking_id = %s"
        " group by posting_id",
        sale.booking_id,
    )
    assert all(row["entry_days"] == [row["day"]] for row in found)
    return sorted((row["day"] - world.first).days for row in found)


async def pay_at(world: World, sale: Sale, at: datetime) -> None:
    async with world.transaction() as connection:
        await world.books.pay(connection, sale, 1000, at)


async def waits(world: World) -> bool:
    """Whether somebody waits for a day."""
    return bool(
        await world.rows(
            "select from pg_stat_activity where datname = current_database()"
            " and wait_event_type = 'Lock' and strpos(query, 'ledger_day') > 0"
        )
    )


async def told(world: World, mesh: Mesh) -> list[dict[str, Any]]:
    """Seals on the topic of this test's days."""
    seals = [decoded(SEALED, one.value) for one in await published(world, mesh, SEALED)]
    return [seal for seal in seals if world.day(0) <= seal["day"] < world.day(10)]


async def test_a_day_ends_at_midnight_in_seoul(world: World) -> None:
    last, first = a_sale(), a_sale()
    await pay_at(world, last, noon(world.day(0)) + LAST_MOMENT)
    await pay_at(world, first, noon(world.day(1)) - timedelta(hours=12))
    assert (await day_of(world, last), await day_of(world, first)) == ([0], [1])


async def test_what_comes_too_late_for_its_day_is_of_today(world: World) -> None:
    await world.sold(1000)
    await world.seal_until(world.day(1))
    late = a_sale()
    await pay_at(world, late, noon(world.day(0)) + LAST_MOMENT)
    assert await day_of(world, late) == [1]
    # A clock that is behind the one that sealed.
    world.clock.now = noon(world.day(0))
    await world.settle(late, 1000)
    assert await day_of(world, late) == [1, 1]
    assert (await world.verify()).intact


async def test_a_day_without_postings_is_not_opened_when_it_is_over(world: World) -> None:
    await world.sold(1000)
    world.clock.now = noon(world.day(2))
    late = a_sale()
    await pay_at(world, late, noon(world.day(-1)))
    assert await day_of(world, late) == [2]
    assert await days(world) == [(0, None), (2, None)]


async def test_every_day_is_sealed_in_order_also_an_empty_one(world: World, mesh: Mesh) -> None:
    await world.sold(1000)
    world.clock.now = noon(world.day(3))
    await world.sold(500)
    await world.seal_until(world.day(5))
    assert await days(world) == [(0, 6), (1, 0), (2, 0), (3, 6), (4, 0)]
    seals = await told(world, mesh)
    assert [(seal["day"] - world.first).days for seal in seals] == [0, 1, 2, 3, 4]
    assert [seal["root"] == NOTHING for seal in seals] == [False, True, True, False, True]
    previous = "0" * 64
    for seal in seals:
        said = {name: seal[name] for name in ("entries", "previous", "root")}
        said["day"] = seal["day"].isoformat()
        text = json.dumps(said, sort_keys=True, separators=(",", ":"))
        assert seal["seal_hash"] == hashlib.sha256(text.encode()).hexdigest()
        assert seal["previous"] == previous
        assert seal["sealed_at"] == world.clock.now
        assert seal["ledger"] == "parking"
        previous = seal["seal_hash"]
    stored = [(seal.day, seal.seal_hash) for seal in await world.seals()]
    assert stored == [(seal["day"].isoformat(), seal["seal_hash"]) for seal in seals]
    (first, *_) = [
        record
        for record in await published(world, mesh, SEALED)
        if decoded(SEALED, record.value)["day"] == world.first
    ]
    assert first.key == b"parking"
    expected = event_id("ledger-sealed", "parking", seals[0]["seal_hash"])
    assert dict(first.headers)["ce_id"] == str(expected).encode()


async def test_before_the_first_posting_nothing_is_sealed(world: World, mesh: Mesh) -> None:
    await world.seal_until(world.day(3))
    assert await days(world) == []
    assert await told(world, mesh) == []


async def test_today_is_not_sealed(world: World) -> None:
    await world.sold(1000)
    await world.seal_until(world.day(0))
    world.clock.now = noon(world.day(0)) + LAST_MOMENT
    async with world.transaction() as connection:
        assert not await world.sealing.seal(connection)
    assert await days(world) == [(0, None)]


async def test_a_sealed_day_is_kept_by_the_database(world: World) -> None:
    await world.sold(1000)
    await world.seal_until(world.day(1))
    for statement in ("update ledger_day set entries = 0", "delete from ledger_day"):
        with pytest.raises(psycopg.errors.RestrictViolation):
            await world.execute(statement)


async def test_sealing_waits_for_what_is_being_posted(world: World) -> None:
    await world.sold(1000)
    straddling = a_sale()
    async with world.transaction() as connection:
        await world.books.pay(connection, straddling, 700, noon(world.day(0)) + LAST_MOMENT)
        sealing = asyncio.create_task(world.seal_until(world.day(1)))
        await eventually(lambda: waits(world))
        assert not sealing.done()
    await sealing
    assert await day_of(world, straddling) == [0]
    assert await days(world) == [(0, 8)]
    assert (await world.verify()).intact


async def test_posting_waits_for_the_seal_and_is_of_the_next_day(world: World) -> None:
    await world.sold(1000)
    late = a_sale()
    world.clock.now = noon(world.day(1)) - timedelta(hours=11)
    async with world.transaction() as connection:
        assert await world.sealing.seal(connection)
        posting = asyncio.create_task(pay_at(world, late, noon(world.day(0)) + LAST_MOMENT))
        await eventually(lambda: waits(world))
    await posting
    assert await day_of(world, late) == [1]
    assert await days(world) == [(0, 6), (1, None)]


async def test_who_waited_for_another_replica_seals_the_next_day(world: World) -> None:
    await world.sold(1000)
    world.clock.now = noon(world.day(2))

    async def seal() -> bool:
        async with world.transaction() as connection:
            return await world.sealing.seal(connection)

    async with world.transaction() as connection:
        assert await world.sealing.seal(connection)
        other = asyncio.create_task(seal())
        await eventually(lambda: waits(world))
    assert await other
    assert await days(world) == [(0, 6), (1, 0)]
    assert not await seal()


async def test_two_replicas_seal_once(world: World, mesh: Mesh) -> None:
    await world.sold(1000)
    world.clock.now = noon(world.day(4))
    fast = {"PARKING_LEDGER__SEAL_EVERY_SECONDS": "0.01"}

    async def sealed() -> bool:
        return [number for number, entries in await days(world) if entries is not None] == [
            0,
            1,
            2,
            3,
        ]

    async with (
        running(mesh, world.clock, {"PARKING_INSTANCE": "parking-1", **fast}),
        running(mesh, world.clock, {"PARKING_INSTANCE": "parking-2", **fast}),
    ):
        await eventually(sealed)
    seals = await told(world, mesh)
    assert [(seal["day"] - world.first).days for seal in seals] == [0, 1, 2, 3]


async def test_many_entries_are_read_in_batches(world: World) -> None:
    """More than a batch, and as many as no tree is full with."""
    sale = await world.sold(1000)
    await world.execute(
        "insert into ledger_entry (posting_id, day, account, amount_won)"
        " select posting_id, day, 'payments', amount from ledger_posting,"
        " generate_series(1, 600), unnest(array[1, -1]) amount"
        " where booking_id = %s and kind = 'PAYMENT'",
        sale.booking_id,
    )
    await world.seal_until(world.day(1))
    assert await days(world) == [(0, 1206)]
    assert (await world.verify(*await world.seals())).intact
    answer = await world.prove(sale.booking_id, sale.owner_id)
    assert [entry.tree_size for entry in answer.entries] == [1206]


async def test_verifying_while_days_are_opened_and_sealed(world: World) -> None:
    """An answer is of one moment: no day comes up half way through."""
    done = asyncio.Event()

    async def verify() -> list[bool]:
        verdicts = []
        while not done.is_set():
            verdicts.append((await world.verify()).intact)
        return verdicts

    verifying = [asyncio.create_task(verify()) for _ in range(3)]
    for number in range(9):
        world.clock.now = noon(world.day(number))
        await asyncio.gather(*(world.sold(1000) for _ in range(4)))
        if number % 3 == 2:
            await world.seal_until(world.day(number))
    done.set()
    verdicts = [verdict for found in await asyncio.gather(*verifying) for verdict in found]
    assert verdicts
    assert all(verdicts)
