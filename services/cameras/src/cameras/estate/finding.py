"""The cameras nearest to a point."""

from collections.abc import Sequence
from dataclasses import dataclass

from city_backbone.database import Connection
from city_backbone.geo import Point, boxes_around, distance_metres

from cameras.estate import store
from cameras.estate.camera import Camera

# In a city the nearest ten stand within some hundred metres; only a wider search reads more.
_FIRST_REACHES_METRES = (250.0, 1_000.0)


@dataclass(frozen=True, slots=True)
class Near:
    """A camera as seen from the point."""

    camera: Camera
    distance_metres: float
    looks_at_point: bool


async def near(
    connection: Connection,
    point: Point,
    radius_metres: float,
    limit: int,
    *,
    looking: bool,
    online_only: bool,
) -> Sequence[Near]:
    """The nearest first, at most `limit` of those asked for; at one distance, in order of ids.

    looking: only those that look at the point. What is not asked for takes nobody's place.
    """
    reaches = [reach for reach in _FIRST_REACHES_METRES if reach < radius_metres]
    found: list[Near] = []
    for reach in (*reaches, radius_metres):
        rows = await store.inside(connection, boxes_around(point, reach), online_only)
        found = nearest([store.from_row(row) for row in rows], point, reach, looking)
        if len(found) >= limit:
            break
    return found[:limit]


def nearest(
    cameras: Sequence[Camera], point: Point, radius_metres: float, looking: bool
) -> list[Near]:
    """Those within the radius, nearest first."""
    measured = (
        Near(camera, distance_metres(camera.position, point), camera.looks_at(point))
        for camera in cameras
    )
    return sorted(
        (
            one
            for one in measured
            if one.distance_metres <= radius_metres and (one.looks_at_point or not looking)
        ),
        key=lambda one: (one.distance_metres, one.camera.camera_id),
    )
