"""Whatever somebody with the database's password does to the ledger: the first bad day is named.

Each case is done to the real tables, judged as VerifyLedger does, and rolled back.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from string import Template

import grpc
import pytest
import pytest_asyncio
from city.parking.v1 import ledger_pb2 as pb
from city_backbone.database import Connection
from city_backbone.testing import Mesh
from parking.ledger import messages
from parking.ledger.audit import verify
from parking.ledger.verdict import Verdict

from .ledger_world import World, a_sale, noon, opened, reason

pytestmark = pytest.mark.asyncio(loop_scope="module")

# What its owner can put away. Foreign keys and checks too: nothing but the seals is relied on.
GUARDS = [
    "alter table ledger_entry disable trigger user",
    "alter table ledger_posting disable trigger user",
    "alter table ledger_day disable trigger user",
    "alter table ledger_entry drop constraint ledger_entry_posting_id_fkey",
    "alter table ledger_posting drop constraint ledger_posting_day_fkey",
    "alter table ledger_posting drop constraint ledger_posting_kind_check",
    "alter table ledger_entry drop constraint ledger_entry_amount_won_check",
    "alter table ledger_day drop constraint ledger_day_check",
    "drop index ledger_posting_closes",
    "alter table ledger_entry alter column entry_id drop identity",
]
# Days: 0 and 2 with entries, 1 without, 3 with entries, all sealed; 4 is open and has entries.
D0, D1, D2, D3, D4 = range(5)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(mesh: Mesh) -> AsyncIterator[World]:
    async with opened(mesh) as world:
        for number in (D0, D2, D3, D4):
            world.clock.now = noon(world.day(number))
            await world.sold(1001)
            paid = a_sale()
            await world.pay(paid, 2000)
            await world.refund(paid, 2000, 1000)
        await world.seal_until(world.day(4))
        world.clock.now = noon(world.day(4))
        yield world


@asynccontextmanager
async def tampered(
    world: World, *statements: str, number: int = D2, other: int = D3
) -> AsyncIterator[Connection]:
    """`$day` in a statement is the day of `number`, `$other` that of `other`."""
    days = {"day": f"'{world.day(number)}'", "other": f"'{world.day(other)}'"}
    async with world.transaction() as connection, connection.transaction(force_rollback=True):
        for guard in GUARDS:
            await connection.execute(guard)
        for statement in statements:
            done = await connection.execute(Template(statement).substitute(days).encode())
            assert done.rowcount > 0, statement
        yield connection


async def judged(world: World, connection: Connection, seals: Sequence[pb.Seal] = ()) -> Verdict:
    return await verify(connection, messages.seals(seals))


ENTRY = (
    "update ledger_entry set $column = $value where entry_id ="
    " (select min(entry_id) from ledger_entry where day = $day)"
)
POSTING = (
    "update ledger_posting set $column = $value where posting_id ="
    " (select posting_id from ledger_posting where day = $day and kind = 'PAYMENT'"
    " order by posting_id limit 1)"
)
DAY = "update ledger_day set $column = $value where day = $day"
ANY_HASH = "repeat('ab', 32)"
LATER = "+ interval '1 microsecond'"
COLUMNS = [
    (ENTRY, "ledger_entry", "entry_id", "entry_id + 1000000"),
    (
        ENTRY,
        "ledger_entry",
        "posting_id",
        "(select max(posting_id::text)::uuid from ledger_posting"
        " where day = $day and posting_id <> ledger_entry.posting_id)",
    ),
    (ENTRY, "ledger_entry", "day", "$other"),
    (ENTRY, "ledger_entry", "day", "'infinity'"),
    (ENTRY, "ledger_entry", "account", "account || ' '"),
    (ENTRY, "ledger_entry", "amount_won", "amount_won + 1"),
    (ENTRY, "ledger_entry", "amount_won", "9007199254740993"),
    (POSTING, "ledger_posting", "posting_id", "gen_random_uuid()"),
    (POSTING, "ledger_posting", "day", "$other"),
    (POSTING, "ledger_posting", "day", "'infinity'"),
    (POSTING, "ledger_posting", "kind", "'OTHER'"),
    (POSTING, "ledger_posting", "booking_id", "gen_random_uuid()"),
    (POSTING, "ledger_posting", "lot_id", "'other'"),
    (POSTING, "ledger_posting", "posted_at", f"posted_at {LATER}"),
    (POSTING, "ledger_posting", "posted_at", "'infinity'"),
    (POSTING, "ledger_posting", "posted_at", "(posted_at::text || ' BC')::timestamptz"),
    (DAY, "ledger_day", "day", "day + 100000"),
    (DAY, "ledger_day", "entries", "entries + 1"),
    (DAY, "ledger_day", "entries", "9007199254740993"),
    (DAY, "ledger_day", "entries", "null"),
    (DAY, "ledger_day", "root", ANY_HASH),
    (DAY, "ledger_day", "previous", ANY_HASH),
    (DAY, "ledger_day", "seal_hash", ANY_HASH),
    (DAY, "ledger_day", "seal_hash", "null"),
    (DAY, "ledger_day", "sealed_at", "null"),
    (DAY, "ledger_day", "sealed_at", "'infinity'"),
    (DAY, "ledger_day", "sealed_at", f"sealed_at {LATER}"),
]


def setting(update: str, column: str, value: str) -> str:
    return Template(update).safe_substitute(column=column, value=value)


async def test_the_untouched_ledger_is_intact(world: World) -> None:
    seals = await world.seals()
    assert len(seals) == 4
    for given in ((), seals, seals[-1:], seals[:1]):
        verdict = await world.verify(*given)
        assert (verdict.intact, verdict.first_bad_day, verdict.problem) == (True, "", "")
        assert verdict.head == seals[-1]
    async with tampered(world) as connection:
        assert (await judged(world, connection, seals)).intact
    assert sum((await world.balances()).values()) == 0


async def test_every_column_is_tried(world: World) -> None:
    found = await world.rows(
        "select table_name, column_name from information_schema.columns"
        " where table_name in ('ledger_day', 'ledger_posting', 'ledger_entry')"
    )
    assert {(row["table_name"], row["column_name"]) for row in found} == {
        (table, column) for _, table, column, _ in COLUMNS
    }


@pytest.mark.parametrize("number", [D0, D2, D3])
@pytest.mark.parametrize(
    ("update", "column", "value"),
    [(update, column, value) for update, _, column, value in COLUMNS],
    ids=[f"{table}.{column} = {value[:24]}" for _, table, column, value in COLUMNS],
)
async def test_a_column_altered(
    world: World, update: str, column: str, value: str, number: int
) -> None:
    statement = setting(update, column, value)
    day = world.day(number).isoformat()
    seals = await world.seals()
    async with tampered(world, statement, number=number, other=D4) as connection:
        verdict = await judged(world, connection, seals)
        assert (verdict.intact, verdict.first_bad_day) == (False, day)
        assert verdict.problem
        assert (verdict.head.day if verdict.head else None) == (
            world.day(number - 1).isoformat() if number else None
        )
        if column == "sealed_at" and LATER in value:
            return  # the seal's hash does not hold it
        assert (await judged(world, connection)).first_bad_day == day
    assert (await world.verify(*seals)).intact


ADDED = (
    "insert into ledger_entry (entry_id, posting_id, day, account, amount_won)"
    " select (select max(entry_id) from ledger_entry) + place, posting_id, $day, 'payments', won"
    " from ledger_posting, unnest(array[5, -5]) with ordinality as added(won, place)"
    " where posting_id = (select min(posting_id::text)::uuid from ledger_posting where day = $of)"
)
LAST = (
    "delete from ledger_entry where entry_id ="
    " (select max(entry_id) from ledger_entry where day = $day)"
)


@pytest.mark.parametrize(
    ("statements", "number", "problem"),
    [
        ([ADDED.replace("$of", "$day")], D2, "added"),
        ([ADDED.replace("$of", "$other")], D1, "altered"),
        ([LAST], D2, "removed"),
        (["delete from ledger_entry where day = $day"], D2, "altered"),
        (
            [
                "delete from ledger_entry where day = $day",
                "delete from ledger_posting where day = $day",
            ],
            D2,
            "removed",
        ),
        (["delete from ledger_posting where day = $day"], D2, "removed"),
        (
            ["update ledger_entry set entry_id = -entry_id where day = $day"],
            D2,
            "altered",
        ),
        (
            [
                "insert into ledger_posting select gen_random_uuid(), $day, 'PAYMENT',"
                " gen_random_uuid(), 'lot', posted_at from ledger_posting limit 1"
            ],
            D2,
            "altered",
        ),
        (
            [
                "update ledger_posting set day = $other where day = $day",
                "update ledger_entry set day = $other where day = $day",
            ],
            D2,
            "removed",
        ),
        (["delete from ledger_day where day = $day"], D2, "removed"),
        (["delete from ledger_day where day = $day"], D1, "removed"),
        (
            [
                "delete from ledger_entry where day = $day",
                "delete from ledger_posting where day = $day",
                "delete from ledger_day where day = $day",
            ],
            D2,
            "removed",
        ),
        (
            [
                "delete from ledger_entry where day = $day",
                "delete from ledger_posting where day = $day",
                "delete from ledger_day where day = $day",
            ],
            D0,
            "removed",
        ),
        (["delete from ledger_day where day = $day"], D4, "removed"),
        (
            [
                "update ledger_day set entries = null, root = null, previous = null,"
                " seal_hash = null, sealed_at = null where day = $day"
            ],
            D2,
            "removed",
        ),
        ([setting(ENTRY, "amount_won", "amount_won + 1")], D4, "altered"),
    ],
)
async def test_a_day_tampered_with(
    world: World, statements: list[str], number: int, problem: str
) -> None:
    async with tampered(world, *statements, number=number) as connection:
        verdict = await judged(world, connection)
    assert (verdict.intact, verdict.first_bad_day) == (False, world.day(number).isoformat())
    assert verdict.problem.startswith(problem)


@pytest.mark.parametrize("days", [-3, 400])
async def test_entries_of_a_day_that_never_was(world: World, days: int) -> None:
    insert = (
        "insert into ledger_entry (entry_id, posting_id, day, account, amount_won)"
        " select (select max(entry_id) from ledger_entry) + 1, posting_id, $other, 'payments', 1"
        " from ledger_posting where day = $day limit 1"
    )
    async with tampered(world, insert, number=D3, other=days) as connection:
        verdict = await judged(world, connection)
    assert (verdict.intact, verdict.first_bad_day) == (False, world.day(days).isoformat())


async def reseal(world: World, connection: Connection, first: int) -> None:
    """As somebody could who knows all this code."""
    await connection.execute(
        "update ledger_day set entries = null, root = null, previous = null, seal_hash = null,"
        " sealed_at = null where day between %s and %s",
        (world.day(first), world.day(D3)),
    )
    while await world.sealing.seal(connection):
        pass


async def test_all_sealed_anew_shows_by_the_published_seals(world: World) -> None:
    seals = await world.seals()
    pair = (
        "update ledger_entry set amount_won = amount_won * 2 where posting_id ="
        " (select posting_id from ledger_posting where day = $day and kind = 'PAYMENT' limit 1)"
    )
    async with tampered(world, pair) as connection:
        assert (await judged(world, connection)).first_bad_day == world.day(D2).isoformat()
        await reseal(world, connection, D2)
        alone = await judged(world, connection)
        assert alone.intact
        verdict = await judged(world, connection, seals)
        newest = await judged(world, connection, seals[-1:])
    assert (verdict.intact, verdict.first_bad_day) == (False, world.day(D2).isoformat())
    assert verdict.head
    assert verdict.head.day == world.day(D1).isoformat()
    assert (newest.intact, newest.first_bad_day) == (False, world.day(D3).isoformat())


async def test_a_tail_cut_off_shows_by_the_published_seals(world: World) -> None:
    seals = await world.seals()
    cut = [
        "delete from ledger_entry where day >= $day",
        "delete from ledger_posting where day >= $day",
        "delete from ledger_day where day >= $day",
    ]
    async with tampered(world, *cut) as connection:
        assert (await judged(world, connection)).intact
        verdict = await judged(world, connection, seals[-1:])
    assert (verdict.intact, verdict.first_bad_day) == (False, world.day(D2).isoformat())
    assert verdict.problem.startswith("removed")


async def test_everything_gone_shows_by_the_published_seals(world: World) -> None:
    seals = await world.seals()
    gone = [f"delete from {table}" for table in ("ledger_entry", "ledger_posting", "ledger_day")]
    async with tampered(world, *gone) as connection:
        assert (await judged(world, connection)).intact
        verdict = await judged(world, connection, seals)
    assert (verdict.intact, verdict.first_bad_day) == (False, world.day(D0).isoformat())
    assert verdict.head is None


async def test_asked_by_rpc(world: World) -> None:
    seals = await world.seals()
    forged = pb.Seal(day=seals[2].day, seal_hash="0" * 64)
    verdict = await world.verify(*seals, forged)
    assert (verdict.intact, verdict.first_bad_day) == (False, seals[2].day)
    assert verdict.head == seals[1]
    assert verdict.problem == "altered: the seal given for it is another"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (pb.Seal(day="2024-1-1", seal_hash="0" * 64), "seals[0].day"),
        (pb.Seal(day="2024-01-01", seal_hash="0"), "seals[0].seal_hash"),
        (pb.Seal(day="2024-01-01", seal_hash="A" * 64), "seals[0].seal_hash"),
    ],
)
async def test_what_is_no_seal(world: World, given: pb.Seal, field: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await world.verify(given)
    assert reason(raised.value) == f"INVALID_ARGUMENT:{field}"


async def test_too_many_seals(world: World) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await world.verify(*[pb.Seal(day="2024-01-01", seal_hash="0" * 64)] * 4_001)
    assert reason(raised.value) == "INVALID_ARGUMENT:seals"
