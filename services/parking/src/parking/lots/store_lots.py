"""SQL of lots. Every function works in the caller's transaction."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, LiteralString, NamedTuple

from city_backbone.database import Connection
from city_backbone.geo import Point

from parking.lots import rows
from parking.lots.lot import Lot, Published
from parking.lots.terms import LotKind

_IMPORT_LOCK = 0x6C6F7473  # "lots"

_COLUMNS: LiteralString = (
    "l.lot_id, l.kind, l.provider_code, l.management_number, l.name, l.address,"
    " l.position[1] as latitude, l.position[0] as longitude, l.hours::text, l.fees::text,"
    " l.operator, l.phone, l.remark, l.district, l.scheme, l.min_unit_fee_won, l.max_unit_fee_won,"
    " l.data_date,"
    " (select count(*) from bay b where b.lot_id = l.lot_id and b.in_service) as bays"
)


@dataclass(frozen=True, slots=True)
class Standing:
    """A lot, and how many of its bays are in service."""

    lot: Lot
    bays: int


class Known(NamedTuple):
    """A public lot that was imported before."""

    lot_id: str
    data_date: date


async def lock_import(connection: Connection) -> None:
    """One import at a time: what a lot is called depends on which lots are known."""
    await connection.execute("select pg_advisory_xact_lock(%s)", (_IMPORT_LOCK,))


async def known(connection: Connection, wanted: Collection[Published]) -> dict[Published, Known]:
    """All public lots under the numbers of these."""
    found = await connection.execute(
        "select lot_id, provider_code, management_number, name, data_date from lot"
        " where (provider_code, management_number) in"
        " (select * from unnest(%b::text[], %b::text[]))",
        ([one.provider_code for one in wanted], [one.management_number for one in wanted]),
    )
    return {
        Published(row["provider_code"], row["management_number"], row["name"]): Known(
            row["lot_id"], row["data_date"]
        )
        async for row in found
    }


async def save(connection: Connection, lots: Sequence[Lot]) -> set[str]:
    """Insert them, or replace those with their ids; their rows are locked, in the order of ids.

    Returns the ids of what was saved: not of a lot that is there and of the other kind.
    """
    found = await connection.execute(
        "insert into lot (lot_id, kind, provider_code, management_number, name, address, position,"
        " hours, fees, operator, phone, remark, district, scheme, min_unit_fee_won,"
        " max_unit_fee_won, data_date) select lot_id, kind, provider_code, management_number, name,"
        " address, point(longitude, latitude), hours, fees, operator, phone, remark, district,"
        " scheme, min_unit_fee_won, max_unit_fee_won, data_date"
        " from json_to_recordset(%s::json) as given (lot_id text, kind text, provider_code text,"
        " management_number text, name text, address text, longitude float8, latitude float8,"
        " hours jsonb, fees jsonb, operator text, phone text, remark text, district text,"
        " scheme text, min_unit_fee_won int, max_unit_fee_won int, data_date date) order by lot_id"
        " on conflict (lot_id) do update set name = excluded.name, address = excluded.address,"
        " position = excluded.position, hours = excluded.hours, fees = excluded.fees,"
        " operator = excluded.operator, phone = excluded.phone, remark = excluded.remark,"
        " district = excluded.district, scheme = excluded.scheme,"
        " min_unit_fee_won = excluded.min_unit_fee_won,"
        " max_unit_fee_won = excluded.max_unit_fee_won, data_date = excluded.data_date"
        " where lot.kind = excluded.kind returning lot_id",
        (json.dumps([_to_row(lot) for lot in lots]),),
    )
    return {row["lot_id"] async for row in found}


def _to_row(lot: Lot) -> dict[str, Any]:
    published = lot.published._asdict() if lot.published else {}
    return {
        **published,
        "lot_id": lot.lot_id,
        "kind": lot.kind,
        "name": lot.name,
        "address": lot.address,
        "latitude": lot.position.latitude,
        "longitude": lot.position.longitude,
        "hours": rows.hours_json(lot.hours),
        "fees": rows.fees_json(lot.fees),
        "operator": lot.operator,
        "phone": lot.phone,
        "remark": lot.remark,
        "district": lot.district,
        "scheme": lot.scheme,
        "min_unit_fee_won": lot.min_unit_fee_won,
        "max_unit_fee_won": lot.max_unit_fee_won,
        "data_date": lot.data_date.isoformat() if lot.data_date else None,
    }


async def lock(connection: Connection, lot_id: str) -> Lot | None:
    """The lot, its row locked against other changes, not against bookings that name it."""
    await connection.execute("select from lot where lot_id = %s for no key update", (lot_id,))
    standing = await find(connection, lot_id)
    return None if standing is None else standing.lot


async def find(connection: Connection, lot_id: str) -> Standing | None:
    found = await connection.execute(f"select {_COLUMNS} from lot l where l.lot_id = %s", (lot_id,))
    row = await found.fetchone()
    return None if row is None else _from_row(row)


async def page(
    connection: Connection, kind: LotKind | None, after: str, limit: int
) -> Sequence[Standing]:
    """In the order of ids, those after `after`; None does not narrow."""
    found = await connection.execute(
        f"select {_COLUMNS} from lot l where (%(kind)s::text is null or l.kind = %(kind)s)"
        " and l.lot_id > %(after)s order by l.lot_id limit %(limit)s",
        {"kind": kind, "after": after, "limit": limit},
    )
    return [_from_row(row) async for row in found]


def _from_row(row: Mapping[str, Any]) -> Standing:
    """A row of _COLUMNS."""
    number = row["management_number"]
    lot = Lot(
        lot_id=row["lot_id"],
        kind=LotKind(row["kind"]),
        name=row["name"],
        address=row["address"],
        position=Point(row["latitude"], row["longitude"]),
        hours=rows.hours(row["hours"]),
        fees=rows.fees(row["fees"]),
        operator=row["operator"],
        phone=row["phone"],
        remark=row["remark"],
        district=row["district"],
        scheme=row["scheme"],
        min_unit_fee_won=row["min_unit_fee_won"],
        max_unit_fee_won=row["max_unit_fee_won"],
        published=number and Published(row["provider_code"], number, row["name"]),
        data_date=row["data_date"],
    )
    return Standing(lot, row["bays"])
