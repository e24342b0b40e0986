"""What every part reads from and writes into messages. Raises InvalidArgument naming the field."""

import math

from city.parking.v1 import lot_pb2
from city.type.v1.position_pb2 import Position
from city_backbone.errors import InvalidArgument
from city_backbone.geo import Point
from city_backbone.rpc.fields import identity as identity
from city_backbone.rpc.fields import moment as moment
from city_backbone.rpc.fields import name as name
from city_backbone.rpc.fields import timestamp as timestamp
from city_backbone.rpc.fields import words as words

from parking.interval import Interval


def interval(field: str, message: lot_pb2.Interval) -> Interval:
    for part in ("starts_at", "ends_at"):
        if not message.HasField(part):
            raise InvalidArgument(f"{field}.{part}", "expected a time")
    try:
        return Interval(
            moment(f"{field}.starts_at", message.starts_at),
            moment(f"{field}.ends_at", message.ends_at),
        )
    except ValueError:
        raise InvalidArgument(f"{field}.ends_at", "expected a time after starts_at") from None


def interval_message(given: Interval) -> lot_pb2.Interval:
    return lot_pb2.Interval(starts_at=timestamp(given.starts_at), ends_at=timestamp(given.ends_at))


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
