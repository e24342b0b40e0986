"""Bodies of calls and events from a scenario's text."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any
from uuid import UUID, uuid5

from loadtests.driver.operations.calling import SettingError, Skew

_HOLE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Filling:
    """What goes into the holes of one call: {number}, {key} (skewed), {uuid}, {intended} (ISO 8601,
    UTC), {micros} (since 1970), {share} (0 to 1).

    Two runs of a seed differ in {intended}, {micros} and {uuid} alone: by the same {uuid} as
    idempotency key, the second run on a stack would measure replays."""

    values: Mapping[str, int | float | str]

    @classmethod
    def of(cls, draw: Random, skew: Skew, intended: datetime, number: int) -> "Filling":
        return cls(
            {
                "number": number,
                "key": skew(draw),
                "uuid": str(uuid5(UUID(int=draw.getrandbits(128)), intended.isoformat())),
                "intended": intended.isoformat(timespec="microseconds").replace("+00:00", "Z"),
                "micros": round(intended.timestamp() * 1_000_000),
                "share": round(draw.random(), 6),
            }
        )


def fill(body: Any, filling: Filling) -> Any:
    """The body with its holes filled; a text that is one hole alone becomes a number where that is
    one. Raises SettingError for a hole of another name."""
    if isinstance(body, Mapping):
        return {str(name): fill(value, filling) for name, value in body.items()}
    if isinstance(body, list | tuple):
        return [fill(value, filling) for value in body]
    if not isinstance(body, str):
        return body
    whole = _HOLE.fullmatch(body)
    if whole is not None:
        return _value(whole[1], filling)
    return _HOLE.sub(lambda found: str(_value(found[1], filling)), body)


def _value(name: str, filling: Filling) -> int | float | str:
    try:
        return filling.values[name]
    except KeyError:
        known = ", ".join(filling.values)
        raise SettingError(f"{{{name}}}: expected one of {known}") from None
