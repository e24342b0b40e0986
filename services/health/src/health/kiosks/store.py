"""SQL of kiosks, in the caller's transaction."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, LiteralString

from city_backbone.database import Connection
from city_backbone.geo import Point

from health.kiosks.kiosk import Device, Kiosk
from health.measuring.measurement import Code

_COLUMNS: LiteralString = (
    "kiosk_id, place, zone, position[1] as latitude, position[0] as longitude, devices"
)


async def save(connection: Connection, kiosks: Sequence[Kiosk]) -> None:
    """Insert them, or replace those with their ids, in the order of ids."""
    await connection.execute(
        "insert into kiosk (kiosk_id, place, zone, position, devices)"
        " select kiosk_id, place, zone, point(longitude, latitude), devices"
        " from json_to_recordset(%s::json) as given (kiosk_id text, place text, zone text,"
        " latitude float8, longitude float8, devices jsonb) order by kiosk_id"
        " on conflict (kiosk_id) do update set place = excluded.place, zone = excluded.zone,"
        " position = excluded.position, devices = excluded.devices",
        (json.dumps([_to_row(kiosk) for kiosk in kiosks]),),
    )


def _to_row(kiosk: Kiosk) -> dict[str, Any]:
    return {
        "kiosk_id": kiosk.kiosk_id,
        "place": kiosk.place,
        "zone": kiosk.zone,
        "latitude": kiosk.position.latitude,
        "longitude": kiosk.position.longitude,
        "devices": [
            {"device_id": one.device_id, "codes": one.codes, "model": one.model}
            for one in kiosk.devices
        ],
    }


async def find(connection: Connection, kiosk_id: str) -> Kiosk | None:
    found = await connection.execute(
        f"select {_COLUMNS} from kiosk where kiosk_id = %s", (kiosk_id,)
    )
    row = await found.fetchone()
    return None if row is None else _from_row(row)


async def page(connection: Connection, zone: str, after: str, limit: int) -> list[Kiosk]:
    """In the order of ids, those after `after`; an empty zone does not narrow."""
    found = await connection.execute(
        f"select {_COLUMNS} from kiosk where (%(zone)s = '' or zone = %(zone)s)"
        " and kiosk_id > %(after)s order by kiosk_id limit %(limit)s",
        {"zone": zone, "after": after, "limit": limit},
    )
    return [_from_row(row) async for row in found]


def _from_row(row: Mapping[str, Any]) -> Kiosk:
    return Kiosk(
        kiosk_id=row["kiosk_id"],
        place=row["place"],
        zone=row["zone"],
        position=Point(row["latitude"], row["longitude"]),
        devices=tuple(
            Device(one["device_id"], tuple(Code(code) for code in one["codes"]), one["model"])
            for one in row["devices"]
        ),
    )
