"""Directions and what a camera sees, anywhere on the sphere."""

import math

import pytest
from cameras.estate.geometry import bearing_degrees, between_degrees, sees
from city_backbone.geo import EARTH_RADIUS_METRES, Point, distance_metres
from hypothesis import given
from hypothesis import strategies as st

UIJEONGBU = Point(37.7381, 127.0338)
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


@pytest.mark.parametrize(
    ("target", "bearing"),
    [
        (Point(37.8, 127.0338), 0),
        (Point(37.7381, 127.1), 90),
        (Point(37.7, 127.0338), 180),
        (Point(37.7381, 127.0), 270),
    ],
)
def test_known_bearings(target: Point, bearing: float) -> None:
    off = between_degrees(bearing_degrees(UIJEONGBU, target), bearing)
    assert off < 0.03


@given(POINTS, BEARINGS, REACHES)
def test_a_walk_is_as_long_and_goes_where_it_was_meant_to(
    start: Point, bearing: float, metres: float
) -> None:
    end = moved(start, bearing, metres)
    assert distance_metres(start, end) == pytest.approx(metres, abs=0.001)
    assert distance_metres(start, end) == distance_metres(end, start)
    assert between_degrees(bearing_degrees(start, end), bearing) < 0.1


@given(POINTS, POINTS)
def test_a_bearing_is_below_a_full_turn(start: Point, end: Point) -> None:
    assert 0 <= bearing_degrees(start, end) < 360


def test_a_bearing_a_hair_west_of_north_is_still_below_a_full_turn() -> None:
    assert 0 <= bearing_degrees(Point(0, 0), Point(1, -1e-300)) < 360


@given(POINTS, BEARINGS, st.floats(2, 360), st.floats(10, 500), st.floats(-1, 1), st.floats(0, 1))
def test_what_lies_in_the_cone_is_seen(
    camera: Point, heading: float, view: float, reach: float, aside: float, far: float
) -> None:
    """The walk starts a metre away: at the camera itself there is no direction."""
    bearing = heading + aside * (view / 2 - 0.5)
    point = moved(camera, bearing, 1 + far * (reach - 1.01))
    assert sees(camera, heading, view, reach, point)
    assert sees(camera, None, view, reach, point)
    assert sees(camera, heading, 360, reach, point)


@given(POINTS, BEARINGS, st.floats(1, 350), st.floats(10, 500), st.floats(0.1, 1), st.booleans())
def test_what_lies_beside_or_behind_is_not(
    camera: Point, heading: float, view: float, reach: float, aside: float, left: bool
) -> None:
    outside = view / 2 + aside * (180 - view / 2)
    point = moved(camera, heading + (-outside if left else outside), reach * 0.9)
    assert not sees(camera, heading, view, reach, point)
    assert sees(camera, None, view, reach, point)


@given(POINTS, BEARINGS, BEARINGS, st.floats(10, 500))
def test_what_is_too_far_is_not_seen(
    camera: Point, heading: float, bearing: float, reach: float
) -> None:
    assert not sees(camera, heading, 360, reach, moved(camera, bearing, reach * 1.01))
    assert not sees(camera, None, 360, reach, moved(camera, bearing, reach * 1.01))


@given(POINTS, BEARINGS, st.floats(1, 360))
def test_a_camera_sees_the_place_it_stands_at(camera: Point, heading: float, view: float) -> None:
    assert sees(camera, heading, view, 10, camera)


@pytest.mark.parametrize(("heading", "bearing"), [(359, 2), (1, 357), (0, 355), (355, 0)])
def test_a_view_across_north(heading: float, bearing: float) -> None:
    point = moved(UIJEONGBU, bearing, 50)
    assert sees(UIJEONGBU, heading, 12, 100, point)
    assert not sees(UIJEONGBU, (heading + 180) % 360, 12, 100, point)
