"""What the functions that read and write Avro have in common: how their text is made."""

from datetime import UTC, date, datetime
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EPOCH_DAY = date(1970, 1, 1).toordinal()
_CONVERTED = {("long", "timestamp-micros"): "time", ("int", "date"): "day"}


class UnknownType(Exception):
    """A type that is left to fastavro."""


def converter(kind: Any, logical: str) -> str:
    """The name, in the text, of what converts a logical type. Raises UnknownType."""
    if (kind, logical) not in _CONVERTED:
        raise UnknownType(logical)
    return _CONVERTED[kind, logical]


def indented(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]
