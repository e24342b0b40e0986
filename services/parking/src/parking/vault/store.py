"""Who is behind the ids, in PostgreSQL: ciphertext only."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from city_backbone.database import Connection
from city_backbone.geo import Box

_CHECKED_IN = "b.status in ('OCCUPIED', 'OVERSTAYED')"
_STANDS = "b.bay_id, b.checked_in_at, bay.position[1] as latitude, bay.position[0] as longitude"


async def has_vehicle(connection: Connection, vehicle_id: UUID) -> bool:
    """Whether such a vehicle is registered."""
    found = await connection.execute("select 1 from vehicle where vehicle_id = %s", (vehicle_id,))
    return await found.fetchone() is not None


async def has_owner(connection: Connection, owner_id: UUID) -> bool:
    """Whether such an owner is registered."""
    found = await connection.execute("select 1 from owner where owner_id = %s", (owner_id,))
    return await found.fetchone() is not None


async def mark(connection: Connection) -> bytes | None:
    """Of the key that everything was written with; None before the first."""
    found = await connection.execute("select mark from vault_key")
    row = await found.fetchone()
    return None if row is None else bytes(row["mark"])


async def leave_mark(connection: Connection, mark: bytes) -> None:
    """Unless there is one."""
    await connection.execute(
        "insert into vault_key (mark) values (%s) on conflict do nothing", (mark,)
    )


async def add_vehicle(
    connection: Connection, vehicle_id: UUID, finder: bytes, plate: bytes, contact: bytes
) -> bool:
    """Whether it was not known; what another transaction just adds is waited for."""
    added = await connection.execute(
        "insert into vehicle (vehicle_id, plate_mac, plate, contact) values (%s, %s, %s, %s)"
        " on conflict (plate_mac) do nothing",
        (vehicle_id, finder, plate, contact),
    )
    return added.rowcount == 1


async def lock_vehicle(connection: Connection, finder: bytes) -> UUID:
    """One that is known."""
    found = await connection.execute(
        "select vehicle_id from vehicle where plate_mac = %s for no key update", (finder,)
    )
    row = await found.fetchone()
    assert row
    identity: UUID = row["vehicle_id"]
    return identity


async def set_contact(connection: Connection, vehicle_id: UUID, contact: bytes) -> None:
    await connection.execute(
        "update vehicle set contact = %s where vehicle_id = %s", (contact, vehicle_id)
    )


async def add_owner(connection: Connection, owner_id: UUID, name: bytes, contact: bytes) -> bool:
    """Whether it was not known."""
    added = await connection.execute(
        "insert into owner (owner_id, name, contact) values (%s, %s, %s) on conflict do nothing",
        (owner_id, name, contact),
    )
    return added.rowcount == 1


async def checked_in(connection: Connection, boxes: Sequence[Box]) -> list[dict[str, Any]]:
    """Vehicles in bays within the boxes, and where they stand."""
    inside = " or ".join("bay.position <@ box(point(%s, %s), point(%s, %s))" for _ in boxes)
    found = await connection.execute(
        f"select v.vehicle_id, v.plate, v.contact, {_STANDS}"
        " from booking b join bay using (bay_id) join vehicle v using (vehicle_id)"
        f" where {_CHECKED_IN} and ({inside})",
        [edge for box in boxes for edge in (box.west, box.south, box.east, box.north)],
    )
    return await found.fetchall()


async def find_vehicle(connection: Connection, finder: bytes) -> dict[str, Any] | None:
    """With where it stands, or nulls; where it was checked in last, if twice."""
    found = await connection.execute(
        "select v.vehicle_id, v.plate, v.contact, stands.*"
        f" from vehicle v left join lateral (select {_STANDS}"
        "  from booking b join bay using (bay_id)"
        f"  where b.vehicle_id = v.vehicle_id and {_CHECKED_IN}"
        "  order by b.checked_in_at desc nulls last, b.booking_id limit 1) stands on true"
        " where v.plate_mac = %s",
        (finder,),
    )
    return await found.fetchone()
