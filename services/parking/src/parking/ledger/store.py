"""Postings and their entries in PostgreSQL. They are only ever added."""

from datetime import date
from uuid import UUID

from city_backbone.database import Connection

from parking.ledger.posting import Posting


async def add(connection: Connection, new: Posting, day: date) -> bool:
    """On a day that is held; False when it was added before."""
    added = await connection.execute(
        "insert into ledger_posting (posting_id, day, kind, booking_id, lot_id, posted_at)"
        " values (%s, %s, %s, %s, %s, %s) on conflict (posting_id) do nothing returning posting_id",
        (new.posting_id, day, new.kind, new.booking_id, new.lot_id, new.posted_at),
    )
    if await added.fetchone() is None:
        return False
    await connection.execute(
        "insert into ledger_entry (posting_id, day, account, amount_won)"
        " select %s, %s, account, amount_won"
        " from unnest(%s::text[], %s::bigint[]) with ordinality as line(account, amount_won, place)"
        " order by place",
        (
            new.posting_id,
            day,
            [line.account for line in new.lines],
            [line.amount_won for line in new.lines],
        ),
    )
    return True


async def balances(
    connection: Connection,
    *,
    booking_id: UUID | None = None,
    lot_id: str | None = None,
    account: str | None = None,
) -> list[tuple[str, int]]:
    """Accounts and debits less credits, won, in the order of names; of what is given, or all."""
    asked = {
        "posting.booking_id": booking_id,
        "posting.lot_id": lot_id,
        "entry.account": account,
    }
    given = {column: value for column, value in asked.items() if value is not None}
    only = " and ".join(f"{column} = %s" for column in given) or "true"
    found = await connection.execute(
        "select entry.account, sum(entry.amount_won)::bigint as balance_won"
        f" from ledger_entry entry join ledger_posting posting using (posting_id) where {only}"
        ' group by entry.account order by entry.account collate "C"',
        list(given.values()),
    )
    return [(row["account"], row["balance_won"]) async for row in found]


async def has_public_lots(connection: Connection, scheme: str) -> bool:
    """Whether bays without an owner follow the scheme."""
    found = await connection.execute(
        "select exists (select from lot where scheme = %s and kind = 'PUBLIC') as has", (scheme,)
    )
    row = await found.fetchone()
    return bool(row and row["has"])
