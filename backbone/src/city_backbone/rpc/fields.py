"""What contracts have in common: fields read and written. Raises InvalidArgument by the field."""

import re
from datetime import UTC, datetime
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from city_backbone.errors import InvalidArgument

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


def identity(field: str, text: str) -> UUID:
    """What was given is not told: it may be somebody's secret in the wrong field."""
    try:
        return UUID(text)
    except ValueError:
        raise InvalidArgument(field, "expected a UUID") from None


def name(field: str, text: str) -> str:
    """The id of a thing: 1 to 64 lower-case letters, digits and hyphens."""
    if not _ID.fullmatch(text):
        raise InvalidArgument(
            field, "expected 1 to 64 lower-case letters, digits and inner hyphens"
        )
    return text


def words(field: str, text: str, most: int, *, empty: bool = False) -> str:
    """Printable text of at most `most` characters, without blanks around."""
    trimmed = text.strip()
    if len(trimmed) > most or not trimmed.isprintable() or not (trimmed or empty):
        least = 0 if empty else 1
        raise InvalidArgument(field, f"expected {least} to {most} printable characters")
    return trimmed
