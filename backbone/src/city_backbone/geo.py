"""Places and distances on the earth, taken as a sphere: within 0.6 % of the ellipsoid."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

# IUGG mean radius R1.
EARTH_RADIUS_METRES = 6_371_008.8
_FULL_TURN = 360.0
# PostgreSQL compares geometric values with this tolerance; a box must never be too small.
_SLACK_DEGREES = 1e-6


@dataclass(frozen=True, slots=True)
class Point:
    """Degrees north and east, WGS 84."""

    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class Box:
    """Between two parallels and two meridians, degrees; never across the antimeridian."""

    south: float
    west: float
    north: float
    east: float


def distance_metres(one: Point, other: Point) -> float:
    """Along the great circle, by the haversine formula."""
    north = math.radians(other.latitude - one.latitude)
    east = math.radians(other.longitude - one.longitude)
    haversine = (
        math.sin(north / 2) ** 2
        + math.cos(math.radians(one.latitude))
        * math.cos(math.radians(other.latitude))
        * math.sin(east / 2) ** 2
    )
    return 2 * EARTH_RADIUS_METRES * math.asin(min(1.0, math.sqrt(haversine)))


def boxes_around(centre: Point, radius_metres: float) -> Sequence[Box]:
    """One box, or two at the antimeridian, that hold all within the radius, and little more."""
    reach = radius_metres / EARTH_RADIUS_METRES
    north_south = math.degrees(reach) + _SLACK_DEGREES
    south, north = centre.latitude - north_south, centre.latitude + north_south
    if south <= -90 or north >= 90:
        return [Box(max(south, -90.0), -180.0, min(north, 90.0), 180.0)]
    # The widest part of a circle on a sphere lies poleward of its centre.
    widest = math.sin(reach) / math.cos(math.radians(centre.latitude))
    east_west = math.degrees(math.asin(min(1.0, widest))) + _SLACK_DEGREES
    west, east = centre.longitude - east_west, centre.longitude + east_west
    if west < -180:
        return [
            Box(south, -180.0, north, east),
            Box(south, west + _FULL_TURN, north, 180.0),
        ]
    if east > 180:
        return [
            Box(south, west, north, 180.0),
            Box(south, -180.0, north, east - _FULL_TURN),
        ]
    return [Box(south, west, north, east)]
