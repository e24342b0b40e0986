"""Open incidents of acute readings, in PostgreSQL."""

from dataclasses import dataclass
from uuid import UUID

from city_backbone.database import Connection

from emergency.domain import acute
from emergency.domain.incident import Position
from emergency.domain.number import instant
from emergency.domain.place import box, distance_metres
from emergency.domain.scsns import seoul


@dataclass(frozen=True, slots=True)
class Known:
    """An incident that is open, the case it is of, and the number rooms know it by."""

    incident_id: UUID
    case_id: str
    number: str


async def near(
    connection: Connection, position: Position, metres: float, limit: int
) -> list[Known]:
    """Those within `metres`, the newest first, at most `limit`."""
    south_west, north_east = box(position, metres)
    rows = await connection.execute(
        "select incident_id, source_reference, number, latitude, longitude from incident"
        " where source = %s and kind = %s and status in ('OCCURRED', 'CHANGED')"
        " and latitude between %s and %s and longitude between %s and %s"
        " order by occurred_at desc, incident_id",
        (
            *(acute.SOURCE, acute.KIND),
            *(south_west.latitude, north_east.latitude),
            *(south_west.longitude, north_east.longitude),
        ),
    )
    found = [
        Known(
            row["incident_id"], row["source_reference"], seoul.milliseconds(instant(row["number"]))
        )
        for row in await rows.fetchall()
        if distance_metres(position, Position(row["latitude"], row["longitude"])) <= metres
    ]
    return found[:limit]
