"""Distances and boxes, anywhere on the sphere."""

import math

import pytest
from city_backbone.geo import EARTH_RADIUS_METRES, Point, boxes_around, distance_metres
from hypothesis import given
from hypothesis import strategies as st

LATITUDES = st.floats(-89.9, 89.9)
POINTS = st.builds(Point, LATITUDES, st.floats(-180, 180))
BEARINGS = st.floats(0, 360, exclude_max=True)
REACHES = st.floats(1, 5_000)


def moved(start: Point, bearing: float, metres: float) -> Point:
    """Where one comes to along the great circle; a formula of its own, not the module's."""
    latitude, longitude, course = map(math.radians, (start.latitude, start.longitude, bearing))
    angle = metres / EARTH_RADIUS_METRES
    end = math.asin(
        math.sin(latitude) * math.cos(angle)
        + math.cos(latitude) * math.sin(angle) * math.cos(course)
    )
    east = math.atan2(
        math.sin(course) * math.sin(angle) * math.cos(latitude),
        math.cos(angle) - math.sin(latitude) * math.sin(end),
    )
    return Point(math.degrees(end), (math.degrees(longitude + east) + 540) % 360 - 180)


def inside(point: Point, around: Point, metres: float) -> bool:
    return any(
        box.south <= point.latitude <= box.north and box.west <= point.longitude <= box.east
        for box in boxes_around(around, metres)
    )


def test_known_distances() -> None:
    seoul, busan = Point(37.5665, 126.9780), Point(35.1796, 129.0756)
    assert distance_metres(seoul, busan) == pytest.approx(325_000, rel=0.005)
    degree = distance_metres(Point(0, 0), Point(0, 1))
    assert degree == pytest.approx(111_195, abs=1)
    assert distance_metres(Point(60, 0), Point(60, 1)) == pytest.approx(degree / 2, rel=1e-4)
    assert distance_metres(Point(0, 179.5), Point(0, -179.5)) == pytest.approx(degree)


@given(POINTS, BEARINGS, st.floats(0, 1), REACHES)
def test_a_box_holds_all_within_its_radius(
    centre: Point, bearing: float, share: float, radius: float
) -> None:
    assert inside(moved(centre, bearing, radius * share), centre, radius)


@given(st.builds(Point, st.floats(-80, 80), st.floats(-180, 180)), BEARINGS, REACHES)
def test_a_box_holds_little_more(centre: Point, bearing: float, radius: float) -> None:
    assert not inside(moved(centre, bearing, radius * 1.75), centre, radius)
