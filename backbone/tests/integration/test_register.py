"""Whatever is done to a register behind its back shows, and which record it was first."""

import asyncio
import hashlib
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import psycopg
import pytest
from city_backbone.database import migrate
from city_backbone.errors import InvalidEntry
from city_backbone.register import GENESIS, Entry, Head, Record, Register, Verdict, _hash
from city_backbone.testing import Mesh
from psycopg.rows import dict_row

from .things import Database, settings_of

SIZE = 9


def entry(number: int, **details: str | int | bool | None) -> Entry:
    return Entry(f"officer-{number}", "LOOKED", f"lease/{number}", "cameras", "10.0.0.7", details)


class Chain:
    """A register of its own with nine records, and ways to spoil it."""

    def __init__(self, database: Database, name: str) -> None:
        self.database = database
        self.name = name
        self.register = Register(name)

    async def fill(self) -> list[Record]:
        """In batches of one, two, three and three."""
        records: list[Record] = []
        for size in (1, 2, 3, 3):
            numbers = range(len(records) + 1, len(records) + size + 1)
            async with self.database.transaction():
                records += await self.register.append(
                    self.database,
                    [
                        entry(n, 번호=n, text="화재 \x7f\u2028", yes=True, none=None)
                        for n in numbers
                    ],
                )
        return records

    async def verify(self, *heads: Head) -> Verdict:
        async with self.database.transaction():
            return await self.register.verify(self.database, heads)

    async def head(self) -> Head:
        return await self.register.head(self.database)

    async def set(self, sequence: int, assignment: str) -> None:
        changed = await self.database.execute(
            f"update register_record set {assignment} where register = %s and sequence = %s",
            (self.name, sequence),
        )
        assert changed.rowcount == 1

    async def delete(self, condition: str) -> None:
        deleted = await self.database.execute(
            f"delete from register_record where register = %s and {condition}", (self.name,)
        )
        assert deleted.rowcount > 0

    async def swap(self, one: int, other: int) -> None:
        await self.set(one, "sequence = 1000000")
        await self.set(other, f"sequence = {one}")
        await self.set(1000000, f"sequence = {other}")

    async def rows(self) -> list[dict[str, Any]]:
        """As an outsider selects them, in the documented form."""
        found = await self.database.execute(
            "select *, to_char(recorded_at at time zone 'UTC',"
            ' \'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\') as moment'
            " from register_record where register = %s order by sequence",
            (self.name,),
        )
        return [
            {**{name: row[name] for name in row if name != "moment"}, "recorded_at": row["moment"]}
            for row in await found.fetchall()
        ]

    async def rewrite(self, first: int, last: int, change: Mapping[str, Any]) -> None:
        """Change record `first`, and compute its hash anew and those behind it up to `last`."""
        rows = await self.rows()
        rows[first - 1] = {**rows[first - 1], **change}
        for place in range(first - 1, last):
            if place >= first:
                rows[place]["previous"] = rows[place - 1]["hash"]
            rows[place]["hash"] = _hash(rows[place])
            await self.database.execute(
                "update register_record set actor = %(actor)s, subject = %(subject)s,"
                " previous = %(previous)s, hash = %(hash)s"
                " where register = %(register)s and sequence = %(sequence)s",
                {key: value for key, value in rows[place].items() if key != "details"},
            )


@pytest.fixture
async def chain(mesh: Mesh, database: Database) -> Chain:
    await migrate(settings_of(mesh).database, "probe")
    return Chain(database, f"trial-{os.urandom(4).hex()}")


@pytest.fixture
async def records(chain: Chain) -> list[Record]:
    return await chain.fill()


def head_of(record: Record) -> Head:
    return Head(record.sequence, record.hash)


async def test_an_empty_register_is_whole(chain: Chain) -> None:
    assert await chain.head() == Head(0, GENESIS)
    assert await chain.verify(Head(0, GENESIS)) == Verdict(True, None, None, Head(0, GENESIS))


async def test_a_register_is_whole_and_holds_every_head_it_ever_had(
    chain: Chain, records: list[Record]
) -> None:
    assert [record.sequence for record in records] == list(range(1, SIZE + 1))
    assert [record.previous for record in records] == [
        GENESIS,
        *(record.hash for record in records[:-1]),
    ]
    newest = head_of(records[-1])
    assert await chain.head() == newest
    verdict = await chain.verify(Head(0, GENESIS), *map(head_of, records))
    assert verdict == Verdict(True, None, None, newest)


async def test_an_outsider_recomputes_each_hash_from_the_table_and_the_docstring(
    chain: Chain, records: list[Record]
) -> None:
    for row, record in zip(await chain.rows(), records, strict=True):
        members = {name: row[name] for name in row if name != "hash"}
        canonical = json.dumps(
            members, sort_keys=True, separators=(",", ":"), ensure_ascii=False
        ).encode()
        assert hashlib.sha256(canonical).hexdigest() == record.hash == row["hash"]


async def test_what_cannot_be_recorded_adds_nothing(chain: Chain) -> None:
    async with chain.database.transaction():
        with pytest.raises(InvalidEntry, match="details"):
            await chain.register.append(chain.database, [entry(1), entry(2, text="\0")])
    assert await chain.head() == Head(0, GENESIS)


FLIPS = {
    "actor": "actor = overlay(actor placing 'p' from 1 for 1)",  # o and p differ in one bit
    "action": "action = overlay(action placing 'M' from 1 for 1)",
    "subject": "subject = overlay(subject placing 'm' from 1 for 1)",
    "department": "department = overlay(department placing 'b' from 1 for 1)",
    "source_address": "source_address = overlay(source_address placing '0' from 1 for 1)",
    "details": "details = details || '{\"yes\": false}'",
    "details' name": "details = (details - 'yes') || '{\"xes\": true}'",
    "details' type": 'details = details || \'{"번호": "4"}\'',
    "details' shape": "details = '[]'",
    "recorded_at": "recorded_at = recorded_at + interval '1 microsecond'",
    "recorded_at no more": "recorded_at = 'infinity'",
    "previous": "previous = overlay(previous placing "
    "to_hex(('x' || left(previous, 1))::bit(4)::int # 1) from 1 for 1)",
    "hash": "hash = overlay(hash placing to_hex(('x' || left(hash, 1))::bit(4)::int # 1)"
    " from 1 for 1)",
}


@pytest.mark.parametrize("column", FLIPS)
@pytest.mark.parametrize("place", [1, 4, SIZE])
async def test_a_flipped_bit_is_found(
    chain: Chain, records: list[Record], column: str, place: int
) -> None:
    await chain.set(place, FLIPS[column])
    verdict = await chain.verify()
    assert (verdict.intact, verdict.first_bad_sequence) == (False, place)
    assert verdict.problem == "changed: its hash is of another content"
    before = head_of(records[place - 2]) if place > 1 else Head(0, GENESIS)
    assert verdict.head == before


Tamper: TypeAlias = Callable[[Chain], Awaitable[None]]


async def second_of_two_damages(chain: Chain) -> None:
    await chain.delete("sequence = 7")
    await chain.set(3, "actor = 'x'")


CASES: dict[str, tuple[Tamper, int, str]] = {
    "first deleted": (lambda c: c.delete("sequence = 1"), 1, "removed: the next record is 2"),
    "one deleted": (lambda c: c.delete("sequence = 5"), 5, "removed: the next record is 6"),
    "many deleted": (
        lambda c: c.delete("sequence between 3 and 8"),
        3,
        "removed: the next record is 9",
    ),
    "neighbours swapped": (lambda c: c.swap(4, 5), 4, "moved: it is now record 5"),
    "first and last swapped": (lambda c: c.swap(1, SIZE), 1, "moved: it is now record 9"),
    "last two swapped": (lambda c: c.swap(8, SIZE), 8, "moved: it is now record 9"),
    "moved behind the end": (
        lambda c: c.set(4, "sequence = 4 + 8"),
        4,
        "moved: it is now record 12",
    ),
    "last moved": (lambda c: c.set(SIZE, "sequence = 11"), SIZE, "moved: it is now record 11"),
    "moved to another register": (
        lambda c: c.set(4, "register = register || '2'"),
        4,
        "moved: it is now record 4 of ",
    ),
    "record and hash changed": (
        lambda c: c.rewrite(4, 4, {"actor": "x"}),
        4,
        "changed: record 5 follows another hash",
    ),
    "first record and hash changed": (
        lambda c: c.rewrite(1, 1, {"actor": "x"}),
        1,
        "changed: record 2 follows another hash",
    ),
    "first record begins elsewhere": (
        lambda c: c.rewrite(1, 1, {"previous": "1" * 64}),
        1,
        "changed: it does not follow the hash of record 0",
    ),
    "no JSON that can be read": (
        lambda c: c.set(4, "details = repeat('9', 5000)::jsonb"),
        4,
        "changed: its hash is of another content",
    ),
    "two damages": (second_of_two_damages, 3, "changed: its hash is of another content"),
}


@pytest.mark.parametrize("case", CASES)
async def test_the_first_record_that_is_not_as_it_was_is_named(
    chain: Chain, records: list[Record], case: str
) -> None:
    tamper, place, problem = CASES[case]
    await tamper(chain)
    verdict = await chain.verify()
    assert (verdict.intact, verdict.first_bad_sequence) == (False, place)
    assert verdict.problem
    assert verdict.problem.startswith(problem)
    assert verdict.head == (head_of(records[place - 2]) if place > 1 else Head(0, GENESIS))


async def test_a_head_tells_which_of_two_neighbours_was_changed(
    chain: Chain, records: list[Record]
) -> None:
    await chain.rewrite(5, 5, {"previous": "1" * 64})
    assert (await chain.verify()).first_bad_sequence == 4
    verdict = await chain.verify(head_of(records[3]))
    assert verdict.first_bad_sequence == 5
    assert verdict.problem == "changed: it does not follow the hash of record 4"


async def test_a_tail_cut_off_is_shown_by_a_head(chain: Chain, records: list[Record]) -> None:
    await chain.delete("sequence > 6")
    assert (await chain.verify(*map(head_of, records[:6]))).intact
    verdict = await chain.verify(head_of(records[8]), head_of(records[7]), head_of(records[2]))
    assert verdict == Verdict(
        False, 7, "removed: the register ends here, a head given is of 8", head_of(records[5])
    )


async def test_a_register_emptied_is_shown_by_a_head(chain: Chain, records: list[Record]) -> None:
    await chain.delete("true")
    assert (await chain.verify()).intact
    assert (await chain.verify(head_of(records[0]))).first_bad_sequence == 1


@pytest.mark.parametrize("first", [1, 4, SIZE])
async def test_history_rewritten_consistently_is_shown_by_a_head(
    chain: Chain, records: list[Record], first: int
) -> None:
    await chain.rewrite(first, SIZE, {"actor": "x"})
    assert (await chain.verify(*map(head_of, records[: first - 1]))).intact
    verdict = await chain.verify(*map(head_of, records))
    assert (verdict.intact, verdict.first_bad_sequence) == (False, first)
    assert verdict.problem == f"changed: a head given for record {first} has another hash"
    assert not (await chain.verify(head_of(records[-1]))).intact


async def test_two_heads_of_one_record_cannot_both_be_held(
    chain: Chain, records: list[Record]
) -> None:
    verdict = await chain.verify(head_of(records[3]), Head(4, "1" * 64))
    assert verdict.first_bad_sequence == 4
    assert not (await chain.verify(Head(0, "1" * 64))).intact
    assert not (await chain.verify(Head(-1, GENESIS))).intact


async def test_registers_do_not_touch_each_other(chain: Chain, records: list[Record]) -> None:
    other = Chain(chain.database, f"{chain.name}-other")
    theirs = await other.fill()
    await chain.delete("sequence = 2")
    assert not (await chain.verify()).intact
    assert (await other.verify(*map(head_of, theirs))).intact


async def test_what_is_rolled_back_leaves_no_gap(chain: Chain, records: list[Record]) -> None:
    async with chain.database.transaction(force_rollback=True):
        await chain.register.append(chain.database, [entry(1)])
    async with chain.database.transaction():
        (record,) = await chain.register.append(chain.database, [entry(2)])
    assert record.sequence == SIZE + 1
    assert (await chain.verify(head_of(record))).intact


async def test_concurrent_appends_make_one_chain(chain: Chain, environment: dict[str, str]) -> None:
    async def append(worker: int) -> list[Record]:
        written: list[Record] = []
        async with await psycopg.AsyncConnection.connect(
            environment["PROBE_DATABASE__DSN"], autocommit=True, row_factory=dict_row
        ) as connection:
            for turn in range(10):
                async with connection.transaction():
                    entries = [entry(worker, turn=turn, part=part) for part in range(3)]
                    written += await chain.register.append(connection, entries)
        return written

    written = [record for part in await asyncio.gather(*map(append, range(6))) for record in part]
    assert sorted(record.sequence for record in written) == list(range(1, 181))
    assert (await chain.verify(*map(head_of, written))).intact


async def test_a_long_chain_is_read_in_batches(chain: Chain) -> None:
    async with chain.database.transaction():
        records = await chain.register.append(chain.database, [entry(n) for n in range(1300)])
    assert await chain.verify(*map(head_of, records)) == Verdict(
        True, None, None, head_of(records[-1])
    )
    await chain.set(1203, "actor = 'x'")
    assert (await chain.verify()).first_bad_sequence == 1203
