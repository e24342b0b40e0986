"""Bookings in PostgreSQL. A stored hold may be past its end: `Booking.at` says what it is now.

They are changed under the lock of their bay's row (lots.store.lock_terms).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from city_backbone.database import Connection
from psycopg.errors import ExclusionViolation

from parking.bookings.booking import Booking, Status, taken
from parking.interval import Interval

# Written out, not parameters: only so the planner knows the partial indexes for what they are.
_LIVE: LiteralString = "status in ('HELD', 'CONFIRMED', 'OCCUPIED')"
_STAYING: LiteralString = "status in ('OCCUPIED', 'OVERSTAYED')"


async def find(connection: Connection, booking_id: UUID) -> Booking | None:
    rows = await connection.execute("select * from booking where booking_id = %s", (booking_id,))
    row = await rows.fetchone()
    return None if row is None else _booking(row)


async def lock(connection: Connection, booking_id: UUID) -> Booking | None:
    """As it stands; the bay's row must be locked first."""
    rows = await connection.execute(
        "select * from booking where booking_id = %s for update", (booking_id,)
    )
    row = await rows.fetchone()
    return None if row is None else _booking(row)


async def current(
    connection: Connection, bay_ids: Sequence[str], now: datetime
) -> dict[str, list[Booking]]:
    """What matters to bays at `now`: live claims whose interval holds it, and cars checked in.

    Overstayed ones too; only bays that have any, oldest interval first.
    """
    rows = await connection.execute(
        f"select * from booking where bay_id = any(%(bays)s) and ({_STAYING}"
        f" or {_LIVE} and during @> %(now)s::timestamptz"
        " and (status <> 'HELD' or hold_expires_at > %(now)s))"
        " order by bay_id, lower(during), booking_id",
        {"bays": list(bay_ids), "now": now},
    )
    found: dict[str, list[Booking]] = {}
    for row in await rows.fetchall():
        found.setdefault(row["bay_id"], []).append(_booking(row))
    return found


async def last_ended(connection: Connection, bay_id: str, now: datetime) -> Booking | None:
    """The last settled one whose car had been checked in, as far as is known at `now`."""
    rows = await connection.execute(
        "select * from booking where bay_id = %s and status = 'SETTLED'"
        " and checked_in_at is not null and changed_at <= %s order by changed_at desc limit 1",
        (bay_id, now),
    )
    row = await rows.fetchone()
    return None if row is None else _booking(row)


async def lock_claims(connection: Connection, bay_id: str, interval: Interval) -> list[Booking]:
    """Of a bay: live claims that overlap the interval, and cars checked in; oldest first."""
    rows = await connection.execute(
        f"select * from booking where bay_id = %s and ({_STAYING}"
        f" or {_LIVE} and during && tstzrange(%s, %s))"
        " order by lower(during), booking_id for update",
        (bay_id, interval.starts_at, interval.ends_at),
    )
    return [_booking(row) for row in await rows.fetchall()]


async def lock_staying(connection: Connection, bay_id: str) -> list[Booking]:
    """Of a bay: those whose car is checked in."""
    rows = await connection.execute(
        f"select * from booking where bay_id = %s and {_STAYING}"
        " order by lower(during), booking_id for update",
        (bay_id,),
    )
    return [_booking(row) for row in await rows.fetchall()]


async def lock_due_bays(connection: Connection, now: datetime, limit: int) -> list[str]:
    """Bays of the bookings that are longest due, locked; what others hold is left to them."""
    rows = await connection.execute(
        "select bay_id from bay where bay_id in (select bay_id from booking where due_at <= %s"
        " order by due_at limit %s) order by bay_id for update skip locked",
        (now, limit),
    )
    return [row["bay_id"] for row in await rows.fetchall()]


async def lock_due(
    connection: Connection, bay_ids: Sequence[str], now: datetime, limit: int
) -> list[Booking]:
    """Of these bays, which must be locked; the longest due first."""
    rows = await connection.execute(
        "select * from booking where bay_id = any(%s) and due_at <= %s"
        " order by due_at, booking_id limit %s for update",
        (list(bay_ids), now, limit),
    )
    return [_booking(row) for row in await rows.fetchall()]


async def overdue_bays(connection: Connection, now: datetime, after: str, limit: int) -> list[str]:
    """Bays with a car that is past its end, behind `after` in the order of ids."""
    rows = await connection.execute(
        f"select distinct bay_id from booking where {_STAYING} and upper(during) <= %s"
        " and bay_id > %s order by bay_id limit %s",
        (now, after, limit),
    )
    return [row["bay_id"] for row in await rows.fetchall()]


async def lock_free_bays(connection: Connection, bay_ids: Sequence[str]) -> list[str]:
    """Those of the bays that nobody else holds, locked."""
    rows = await connection.execute(
        "select bay_id from bay where bay_id = any(%s) order by bay_id for update skip locked",
        (list(bay_ids),),
    )
    return [row["bay_id"] for row in await rows.fetchall()]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which bookings; all where a filter is empty."""

    bay_id: str = ""
    lot_id: str = ""
    vehicle_id: UUID | None = None
    statuses: Sequence[Status] = ()


async def newest(
    connection: Connection,
    wanted: Wanted,
    before: tuple[datetime, UUID] | None,
    now: datetime,
    limit: int,
) -> list[Booking]:
    """Newest first; by the status they have at `now`."""
    held_at, booking_id = before or (None, None)
    rows = await connection.execute(
        "select * from booking where (%(bay)s = '' or bay_id = %(bay)s)"
        " and (%(lot)s = '' or lot_id = %(lot)s)"
        " and (%(vehicle)s::uuid is null or vehicle_id = %(vehicle)s)"
        " and (%(all)s or case when status = 'HELD' and hold_expires_at <= %(now)s"
        " then 'EXPIRED' else status end = any(%(statuses)s))"
        " and (%(at)s::timestamptz is null or (held_at, booking_id) < (%(at)s, %(id)s))"
        " order by held_at desc, booking_id desc limit %(limit)s",
        {
            "bay": wanted.bay_id,
            "lot": wanted.lot_id,
            "vehicle": wanted.vehicle_id,
            "all": not wanted.statuses,
            "statuses": [str(status) for status in wanted.statuses],
            "now": now,
            "at": held_at,
            "id": booking_id,
            "limit": limit,
        },
    )
    return [_booking(row) for row in await rows.fetchall()]


async def add(connection: Connection, booking: Booking, due_at: datetime | None) -> bool:
    """False when it is there already. Raises Aborted (BAY_TAKEN) when the bay is claimed."""
    try:
        rows = await connection.execute(_INSERT, _values(booking, due_at))
    except ExclusionViolation:
        raise taken() from None
    return await rows.fetchone() is not None


async def save(connection: Connection, booking: Booking, due_at: datetime | None) -> None:
    """What an act may change; it must be locked."""
    await connection.execute(_UPDATE, _values(booking, due_at))


_INSERT = """
insert into booking (
    booking_id, bay_id, lot_id, vehicle_id, owners, during, status, revision, price_won,
    overstay_won, refund_won, payment_reference, held_at, hold_expires_at, confirmed_at,
    checked_in_at, checked_out_at, changed_at, reason, due_at
) values (
    %(booking_id)s, %(bay_id)s, %(lot_id)s, %(vehicle_id)s, %(owners)s,
    tstzrange(%(starts_at)s, %(ends_at)s), %(status)s, %(revision)s, %(price_won)s,
    %(overstay_won)s, %(refund_won)s, %(payment_reference)s, %(held_at)s, %(hold_expires_at)s,
    %(confirmed_at)s, %(checked_in_at)s, %(checked_out_at)s, %(changed_at)s, %(reason)s, %(due_at)s
) on conflict (booking_id) do nothing returning booking_id
"""
_UPDATE = """
update booking set status = %(status)s, revision = %(revision)s, overstay_won = %(overstay_won)s,
    refund_won = %(refund_won)s, payment_reference = %(payment_reference)s,
    confirmed_at = %(confirmed_at)s, checked_in_at = %(checked_in_at)s,
    checked_out_at = %(checked_out_at)s, changed_at = %(changed_at)s, reason = %(reason)s,
    due_at = %(due_at)s
where booking_id = %(booking_id)s
"""


async def put_off(connection: Connection, booking_id: UUID, due_at: datetime | None) -> None:
    """When the clock looks at it next; nothing else changes."""
    await connection.execute(
        "update booking set due_at = %s where booking_id = %s", (due_at, booking_id)
    )


def _values(booking: Booking, due_at: datetime | None) -> dict[str, Any]:
    values = asdict(booking)
    del values["interval"]
    return {
        **values,
        "starts_at": booking.interval.starts_at,
        "ends_at": booking.interval.ends_at,
        "due_at": due_at,
    }


def _booking(row: Mapping[str, Any]) -> Booking:
    fields = {name: value for name, value in row.items() if name not in ("during", "due_at")}
    interval = Interval(row["during"].lower, row["during"].upper)
    return Booking(**{**fields, "interval": interval, "status": Status(row["status"])})
