"""What every part reads from and writes into messages. Raises InvalidArgument naming the field."""

import math

from city.type.v1.position_pb2 import Position
from city_backbone.errors import InvalidArgument
from city_backbone.geo import Point
from city_backbone.rpc.fields import identity as identity
from city_backbone.rpc.fields import moment as moment
from city_backbone.rpc.fields import name as name
from city_backbone.rpc.fields import timestamp as timestamp
from city_backbone.rpc.fields import words as words


def point(field: str, message: Position) -> Point:
    for part, value, limit in (
        ("latitude", message.latitude, 90),
        ("longitude", message.longitude, 180),
    ):
        if not math.isfinite(value) or abs(value) > limit:
            raise InvalidArgument(f"{field}.{part}", f"expected -{limit} to {limit} degrees")
    return Point(message.latitude, message.longitude)


def position(given: Point) -> Position:
    return Position(latitude=given.latitude, longitude=given.longitude)
