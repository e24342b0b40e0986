"""The inbox: ids of the events whose effects are committed."""

from collections.abc import Sequence
from uuid import UUID

from city_backbone.database import Connection, Database


async def admit(connection: Connection, ids: Sequence[UUID]) -> set[UUID]:
    """Record `ids` in this transaction and return those that were not there before.

    A concurrent transaction with the same id is waited for, so that just one of them gets it.
    """
    known = await connection.execute(
        "with admitted as (insert into inbox (event_id)"
        " select distinct id from unnest(%(ids)b::uuid[]) as id"
        " order by id on conflict do nothing returning event_id)"
        " select id from unnest(%(ids)b::uuid[]) as id"
        " where id not in (select event_id from admitted)",
        {"ids": list(ids)},
    )
    # Asked for those that were there: mostly none.
    return set(ids) - {row["id"] async for row in known}


async def withdraw(connection: Connection, ids: Sequence[UUID]) -> None:
    """Take `ids` out again with this transaction: their events have had no effect."""
    await connection.execute("delete from inbox where event_id = any(%b::uuid[])", (list(ids),))


async def forget(database: Database, days: int) -> int:
    """Delete what is older than any topic keeps its events; returns how many."""
    async with database.transaction() as connection:
        deleted = await connection.execute(
            "delete from inbox where received_at < clock_timestamp() - make_interval(days => %s)",
            (days,),
        )
        await connection.execute(
            "delete from idempotency"
            " where created_at < clock_timestamp() - make_interval(days => %s)",
            (days,),
        )
        return deleted.rowcount
