"""Entries as they stand in the day's tree, read a batch at a time."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from city_backbone.database import Connection

from parking.ledger.canonical import canonical
from parking.ledger.tree import EMPTY_ROOT, Tree

_BATCH = 500
# As JSON writes times, which is exact for whatever somebody may have put there.
_QUERY = (
    "select entry.entry_id, entry.posting_id::text, to_json(entry.day) #>> '{}' as day,"
    " entry.account, entry.amount_won, posting.kind, posting.booking_id::text, posting.lot_id,"
    " (to_json(posting.posted_at at time zone 'UTC') #>> '{}') || 'Z' as posted_at,"
    " to_json(posting.day) #>> '{}' as posting_day"
    " from ledger_entry entry left join ledger_posting posting using (posting_id)"
)
_LEAF = (
    "account",
    "amount_won",
    "booking_id",
    "day",
    "entry_id",
    "kind",
    "lot_id",
    "posted_at",
    "posting_id",
)


@dataclass(frozen=True, slots=True)
class Content:
    """What a day holds. `flaw` says which entry and posting do not belong together."""

    entries: int = 0
    root: str = EMPTY_ROOT
    balance_won: int = 0
    flaw: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """An entry in its day's tree: the leaf's text, its index from 0, the tree's size and hashes."""

    entry: str
    index: int
    size: int
    audit_path: list[str]


class _Count:
    def __init__(self) -> None:
        self.tree = Tree()
        self._balance_won = 0
        self._flaw = ""

    def add(self, row: Mapping[str, Any]) -> bytes:
        leaf = canonical({name: row[name] for name in _LEAF})
        self.tree.add(leaf)
        self._balance_won += row["amount_won"]
        if row["kind"] is None:
            self._flaw = self._flaw or f"removed: entry {row['entry_id']} has no posting"
        elif row["posting_day"] != row["day"]:
            self._flaw = (
                self._flaw or f"altered: entry {row['entry_id']} is not of its posting's day"
            )
        return leaf

    def content(self) -> Content:
        return Content(self.tree.size, self.tree.root(), self._balance_won, self._flaw)


async def content(connection: Connection, day: date) -> Content:
    """Of one day."""
    count = _Count()
    async for row in _rows(connection, "where entry.day = %s order by entry.entry_id", day):
        count.add(row)
    return count.content()


async def contents(connection: Connection) -> dict[str, Content]:
    """Of every day that has entries or postings, sealed or not, by yyyy-mm-dd."""
    found: dict[str, Content] = {}
    day, count = "", _Count()
    async for row in _rows(connection, "order by entry.day, entry.entry_id"):
        if row["day"] != day:
            if count.tree.size:
                found[day] = count.content()
            day, count = row["day"], _Count()
        count.add(row)
    if count.tree.size:
        found[day] = count.content()
    bare = await connection.execute(
        "select to_json(day) #>> '{}' as day, min(posting_id::text) as posting_id"
        " from ledger_posting posting where not exists"
        " (select from ledger_entry entry where entry.posting_id = posting.posting_id) group by day"
    )
    async for row in bare:
        known = found.get(row["day"], Content())
        flaw = known.flaw or f"altered: posting {row['posting_id']} has no entries"
        found[row["day"]] = Content(known.entries, known.root, known.balance_won, flaw)
    return found


async def places(connection: Connection, day: date, entry_ids: set[int]) -> list[Place]:
    """Where these entries of a day are in its tree, in their order."""
    count = _Count()
    leaves: dict[int, bytes] = {}
    async for row in _rows(connection, "where entry.day = %s order by entry.entry_id", day):
        leaf = count.add(row)
        if row["entry_id"] in entry_ids:
            leaves[count.tree.size - 1] = leaf
    return [
        Place(leaf.decode(), index, count.tree.size, count.tree.audit_path(index))
        for index, leaf in leaves.items()
    ]


async def of_booking(
    connection: Connection, booking_id: UUID, account: str | None
) -> dict[date, set[int]]:
    """Ids of its entries by day; only those of `account` when given."""
    found = await connection.execute(
        "select entry.day, array_agg(entry.entry_id) as entry_ids"
        " from ledger_posting posting join ledger_entry entry using (posting_id)"
        " where posting.booking_id = %s and coalesce(entry.account = %s, true)"
        " group by entry.day order by entry.day",
        (booking_id, account),
    )
    return {row["day"]: set(row["entry_ids"]) async for row in found}


async def _rows(
    connection: Connection, rest: str, *values: object
) -> AsyncIterator[dict[str, Any]]:
    async with connection.cursor(name="ledger") as rows:
        rows.itersize = _BATCH
        await rows.execute(f"{_QUERY} {rest}", values)
        async for row in rows:
            yield row
