"""SQL of sites and cameras, in the caller's transaction, each call a fixed number of statements.

Bulk arrays are bound with %b, in binary; rows are written in the order of their ids, so that two
writers cannot wait for each other.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, LiteralString

from city_backbone.database import Connection
from city_backbone.geo import Box, Point

from cameras.estate.camera import Camera
from cameras.estate.presence import Presence, PresenceStatus
from cameras.estate.site import Purpose, Site

COLUMNS: LiteralString = (
    "c.camera_id, c.site_id, c.purpose, c.position[1] as latitude, c.position[0] as longitude,"
    " c.heading_degrees, c.field_of_view_degrees, c.range_metres, c.retention_days,"
    " c.stream_address, c.retired, p.status, p.last_heard_at, p.heard_since, p.recent"
)
TABLES: LiteralString = "camera c join camera_presence p using (camera_id)"


def from_row(row: Mapping[str, Any]) -> Camera:
    """A row of COLUMNS."""
    return Camera(
        camera_id=row["camera_id"],
        site_id=row["site_id"],
        purpose=Purpose(row["purpose"]),
        position=Point(row["latitude"], row["longitude"]),
        heading_degrees=row["heading_degrees"],
        field_of_view_degrees=row["field_of_view_degrees"],
        range_metres=row["range_metres"],
        retention_days=row["retention_days"],
        stream_address=row["stream_address"],
        retired=row["retired"],
        presence=presence_from_row(row),
    )


def presence_from_row(row: Mapping[str, Any]) -> Presence:
    return Presence(
        PresenceStatus(row["status"]), row["last_heard_at"], row["heard_since"], (*row["recent"],)
    )


async def save_sites(connection: Connection, sites: Sequence[Site]) -> None:
    """Insert them, or replace those with their ids."""
    await connection.execute(
        "insert into site (site_id, name, purpose, position)"
        " select site_id, name, purpose, point(longitude, latitude)"
        " from unnest(%b::text[], %b::text[], %b::text[], %b::float8[], %b::float8[])"
        " as given (site_id, name, purpose, latitude, longitude) order by site_id"
        " on conflict (site_id) do update set name = excluded.name, purpose = excluded.purpose,"
        " position = excluded.position",
        (
            [site.site_id for site in sites],
            [site.name for site in sites],
            [site.purpose.value for site in sites],
            [site.position.latitude for site in sites],
            [site.position.longitude for site in sites],
        ),
    )


async def known_sites(connection: Connection, site_ids: Iterable[str]) -> set[str]:
    """Those of them that are registered."""
    rows = await connection.execute(
        "select site_id from site where site_id = any(%s)", (list(site_ids),)
    )
    return {row["site_id"] async for row in rows}


async def save_cameras(connection: Connection, cameras: Sequence[Camera]) -> None:
    """Insert them, or replace those with their ids; their sites are registered.

    One that was retired is in service again, and has never been heard of.
    """
    camera_ids = [camera.camera_id for camera in cameras]
    await connection.execute(
        "update camera_presence set status = 'UNKNOWN', last_heard_at = null, heard_since = null,"
        " recent = '{}' where camera_id in (select p.camera_id from camera_presence p join camera c"
        " using (camera_id) where c.retired and c.camera_id = any(%b)"
        " order by p.camera_id for update of p)",
        (camera_ids,),
    )
    await connection.execute(
        "insert into camera (camera_id, site_id, purpose, position, heading_degrees,"
        " field_of_view_degrees, range_metres, retention_days, stream_address)"
        " select camera_id, site_id, purpose, point(longitude, latitude), heading, field_of_view,"
        " range, retention, address from unnest(%b::text[], %b::text[], %b::text[], %b::float8[],"
        " %b::float8[], %b::float8[], %b::float8[], %b::float8[], %b::int[], %b::text[])"
        " as given (camera_id, site_id, purpose, latitude, longitude, heading, field_of_view,"
        " range, retention, address) order by camera_id"
        " on conflict (camera_id) do update set site_id = excluded.site_id,"
        " purpose = excluded.purpose, position = excluded.position,"
        " heading_degrees = excluded.heading_degrees,"
        " field_of_view_degrees = excluded.field_of_view_degrees,"
        " range_metres = excluded.range_metres, retention_days = excluded.retention_days,"
        " stream_address = excluded.stream_address, retired = false",
        (
            camera_ids,
            [camera.site_id for camera in cameras],
            [camera.purpose.value for camera in cameras],
            [camera.position.latitude for camera in cameras],
            [camera.position.longitude for camera in cameras],
            [camera.heading_degrees for camera in cameras],
            [camera.field_of_view_degrees for camera in cameras],
            [camera.range_metres for camera in cameras],
            [camera.retention_days for camera in cameras],
            [camera.stream_address for camera in cameras],
        ),
    )
    await connection.execute(
        "insert into camera_presence (camera_id) select unnest(%b::text[]) order by 1"
        " on conflict do nothing",
        (camera_ids,),
    )


async def retire(connection: Connection, camera_id: str) -> None:
    await connection.execute("update camera set retired = true where camera_id = %s", (camera_id,))


async def find(connection: Connection, camera_id: str) -> Camera | None:
    rows = await connection.execute(
        f"select {COLUMNS} from {TABLES} where c.camera_id = %s", (camera_id,)
    )
    row = await rows.fetchone()
    return None if row is None else from_row(row)


async def page(
    connection: Connection,
    site_id: str,
    purpose: Purpose | None,
    presence: PresenceStatus | None,
    after: str,
    limit: int,
) -> Sequence[Camera]:
    """In the order of ids, those after `after`; empty or None does not narrow."""
    rows = await connection.execute(
        f"select {COLUMNS} from {TABLES} where (%(site)s = '' or c.site_id = %(site)s)"
        " and (%(purpose)s::text is null or c.purpose = %(purpose)s)"
        " and (%(presence)s::text is null or p.status = %(presence)s)"
        " and c.camera_id > %(after)s order by c.camera_id limit %(limit)s",
        {
            "site": site_id,
            "purpose": purpose,
            "presence": presence,
            "after": after,
            "limit": limit,
        },
    )
    return [from_row(row) async for row in rows]


async def inside(
    connection: Connection, boxes: Sequence[Box], online_only: bool, explain: bool = False
) -> Sequence[Mapping[str, Any]]:
    """Rows of COLUMNS: those in service inside the boxes, by the index on the position.

    `<->` on degrees would order them wrongly, as a degree east is shorter than one north: the
    caller measures. explain: the plan instead.
    """
    within: LiteralString = " or ".join(
        ["c.position <@ box(point(%s, %s), point(%s, %s))" for _ in boxes]
    )
    explained: LiteralString = "explain " if explain else ""
    rows = await connection.execute(
        f"{explained}select {COLUMNS} from {TABLES} where not c.retired and ({within})"
        " and (p.status <> 'OFFLINE' or not %s)",
        (
            *(edge for box in boxes for edge in (box.west, box.south, box.east, box.north)),
            online_only,
        ),
    )
    return await rows.fetchall()
