"""What every part reads from and writes into messages. Raises InvalidArgument naming the field."""

import math
import re
from datetime import UTC, datetime
from uuid import UUID

from city.parking.v1 import lot_pb2
from city.type.v1.position_pb2 import Position
from city_backbone.errors import InvalidArgument
from city_backbone.geo import Point
from google.protobuf.timestamp_pb2 import Timestamp

from parking.interval import Interval

_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")


def timestamp(moment: datetime | None) -> Timestamp | None:
    """None stays None, an absent field."""
    if moment is None:
        return None
    message = Timestamp()
    message.FromDatetime(moment)
    return message


def moment(field: str, message: Timestamp) -> datetime:
    """Aware UTC, whole microseconds."""
    try:
        return message.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidArgument(field, "expected a time from year 1 to 9999") from None


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


def identity(field: str, text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidArgument(field, f"expected a UUID, got {text[:80]!r}") from None


def name(field: str, text: str) -> str:
    """The id of a lot, bay or sensor: 1 to 64 lower-case letters, digits and hyphens."""
    if not _ID.fullmatch(text):
        raise InvalidArgument(
            field,
            f"expected 1 to 64 lower-case letters, digits and inner hyphens, got {text[:80]!r}",
        )
    return text


def words(field: str, text: str, most: int, *, empty: bool = False) -> str:
    """Printable text of at most `most` characters, without blanks around."""
    trimmed = text.strip()
    if len(trimmed) > most or not trimmed.isprintable() or not (trimmed or empty):
        least = 0 if empty else 1
        raise InvalidArgument(field, f"expected {least} to {most} printable characters")
    return trimmed


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
