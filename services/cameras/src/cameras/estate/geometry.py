"""Directions on the earth, and what a camera sees."""

import math

from city_backbone.geo import Point, distance_metres

_FULL_TURN = 360.0


def bearing_degrees(origin: Point, target: Point) -> float:
    """The direction of `target` as seen from `origin`: clockwise from north, 0 to below 360."""
    start, end = math.radians(origin.latitude), math.radians(target.latitude)
    east = math.radians(target.longitude - origin.longitude)
    bearing = math.degrees(
        math.atan2(
            math.sin(east) * math.cos(end),
            math.cos(start) * math.sin(end) - math.sin(start) * math.cos(end) * math.cos(east),
        )
    )
    # Twice: a bearing a hair west of north becomes 360 itself when a turn is added.
    return bearing % _FULL_TURN % _FULL_TURN


def between_degrees(one: float, other: float) -> float:
    """The angle between two directions, 0 to 180."""
    apart = abs(one - other) % _FULL_TURN
    return min(apart, _FULL_TURN - apart)


def sees(
    camera: Point,
    heading_degrees: float | None,
    field_of_view_degrees: float,
    range_metres: float,
    point: Point,
) -> bool:
    """Whether the point lies in what a camera sees. heading_degrees None: it looks all around.

    A camera sees the place it stands at, whatever its heading: there is no direction to it.
    """
    if distance_metres(camera, point) > range_metres:
        return False
    if heading_degrees is None or camera == point:
        return True
    aside = between_degrees(bearing_degrees(camera, point), heading_degrees)
    return aside <= field_of_view_degrees / 2
