"""Distances on the ground, WGS 84. Good to a few parts in a thousand, as places of a city need."""

from math import asin, cos, radians, sin, sqrt

from emergency.domain.incident import Position

_EARTH_METRES = 6_371_000.0
_METRES_PER_DEGREE = 111_195.0
_NARROWEST = 0.01


def distance_metres(a: Position, b: Position) -> float:
    """Along the great circle."""
    latitude, longitude = radians(b.latitude - a.latitude), radians(b.longitude - a.longitude)
    chord = (
        sin(latitude / 2) ** 2
        + cos(radians(a.latitude)) * cos(radians(b.latitude)) * sin(longitude / 2) ** 2
    )
    return 2 * _EARTH_METRES * asin(min(1.0, sqrt(chord)))


def reach(position: Position, metres: float) -> tuple[float, float]:
    """Degrees of latitude and longitude that hold every place within `metres`, and some more."""
    latitude = metres / _METRES_PER_DEGREE * 1.01
    narrow = cos(radians(min(90.0, abs(position.latitude) + latitude)))
    return latitude, latitude / max(narrow, _NARROWEST)


def box(position: Position, metres: float) -> tuple[Position, Position]:
    """South-west and north-east corner around every place within `metres`."""
    latitude, longitude = reach(position, metres)
    return (
        Position(
            max(-90.0, position.latitude - latitude), max(-180.0, position.longitude - longitude)
        ),
        Position(
            min(90.0, position.latitude + latitude), min(180.0, position.longitude + longitude)
        ),
    )
