"""Days of the ledger in PostgreSQL: opened and held by postings, sealed when they are over."""

from collections.abc import Collection
from dataclasses import asdict
from datetime import date, timedelta

from city_backbone.database import Connection

from parking.ledger.seal import Seal
from parking.ledger.verdict import Day

_DAY = timedelta(days=1)
# As JSON writes days, and finite: exact for whatever somebody may have put there.
_COLUMNS = (
    "to_json(day) #>> '{}' as day, entries, root, previous, seal_hash,"
    " case when sealed_at between '2000-01-01' and '9999-01-01' then sealed_at end as sealed_at"
)


async def hold(connection: Connection, day: date, today: date) -> date:
    """`day` if postings may still be added, else `today` or what is open after it.

    It cannot be sealed before the caller's transaction ends. A day that is over is not opened any
    more, so nothing comes in before the first day or between two sealed ones.
    """
    while True:
        held = await _share(connection, day)
        if held is None and day >= today:
            await _open(connection, day)
            held = await _share(connection, day)
        if held:
            return day
        day = today if day < today else day + _DAY


async def due(connection: Connection, today: date) -> tuple[date, Seal | None] | None:
    """The oldest day before `today` without a seal, and the seal of the day before; None: none.

    Locked: who posts on it has committed, who would post on it waits.
    """
    newest = await connection.execute(
        f"select {_COLUMNS} from ledger_day where seal_hash is not null order by day desc limit 1"
    )
    row = await newest.fetchone()
    last = Seal(**row) if row else None
    day = date.fromisoformat(last.day) + _DAY if last else await _first(connection)
    if day is None or day >= today:
        return None
    await _open(connection, day)
    locked = await connection.execute(
        "select seal_hash is null as open from ledger_day where day = %s for update", (day,)
    )
    row = await locked.fetchone()
    if row is None or not row["open"]:  # another replica was faster
        return await due(connection, today)
    return day, last


async def close(connection: Connection, sealed: Seal) -> None:
    """Of a day that is due."""
    await connection.execute(
        "update ledger_day set entries = %(entries)s, root = %(root)s, previous = %(previous)s,"
        " seal_hash = %(seal_hash)s, sealed_at = %(sealed_at)s where day = %(day)s::date",
        asdict(sealed),
    )


async def everything(connection: Connection) -> list[Day]:
    """Every row, as it stands there."""
    found = await connection.execute(f"select {_COLUMNS} from ledger_day")
    return [Day(**row) async for row in found]


async def seals(connection: Connection, days: Collection[date]) -> dict[date, Seal]:
    """Of those of these days that are sealed."""
    found = await connection.execute(
        f"select {_COLUMNS} from ledger_day where day = any(%s) and seal_hash is not null",
        (list(days),),
    )
    return {date.fromisoformat(row["day"]): Seal(**row) async for row in found}


async def _first(connection: Connection) -> date | None:
    found = await connection.execute("select min(day) as day from ledger_day")
    row = await found.fetchone()
    return row["day"] if row else None


async def _open(connection: Connection, day: date) -> None:
    await connection.execute(
        "insert into ledger_day (day) values (%s) on conflict do nothing", (day,)
    )


async def _share(connection: Connection, day: date) -> bool | None:
    """Whether it is open; None: there is no such day."""
    found = await connection.execute(
        "select seal_hash is null as open from ledger_day where day = %s for share", (day,)
    )
    row = await found.fetchone()
    return row["open"] if row else None
