"""All lots on a map: GeoJSON (RFC 7946), for whoever wants to draw them."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from city_backbone.database import Connection


async def lots_geojson(connection: Connection) -> bytes:
    """A FeatureCollection, in the order of ids. Occupancy as it was last counted; a lot that was
    never counted has all its bays free."""
    found = await connection.execute(
        "select l.lot_id, l.name, l.kind, l.operator, l.fees, l.position[0] as longitude,"
        " l.position[1] as latitude, coalesce(s.bays, b.bays) as bays,"
        " coalesce(s.occupied, 0) as occupied, coalesce(s.reserved, 0) as reserved from lot l"
        " left join lot_state s using (lot_id) cross join lateral (select count(*) as bays"
        " from bay where bay.lot_id = l.lot_id and in_service) b order by l.lot_id"
    )
    return json.dumps(_collection(await found.fetchall()), ensure_ascii=False).encode()


def _collection(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": [_feature(row) for row in rows]}


def _feature(row: Mapping[str, Any]) -> dict[str, Any]:
    fees = row["fees"]
    return {
        "type": "Feature",
        "id": row["lot_id"],
        "geometry": {"type": "Point", "coordinates": [row["longitude"], row["latitude"]]},
        "properties": {
            "id": row["lot_id"],
            "name": row["name"],
            "kind": row["kind"],
            "operator": row["operator"],
            "bays": row["bays"],
            "occupied": row["occupied"],
            "reserved": row["reserved"],
            "free": row["bays"] - row["occupied"] - row["reserved"],
            "fee_kind": fees["kind"],
            "basic_minutes": fees["basic_minutes"],
            "basic_fee_won": fees["basic_fee_won"],
            "unit_minutes": fees["unit_minutes"],
            "unit_fee_won": fees["unit_fee_won"],
            "day_pass_won": fees["day_pass_won"],
        },
    }
