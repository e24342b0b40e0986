"""Heads of a register, as an auditor kept them and gives them back."""

from collections.abc import Iterable
from typing import Protocol

from city_backbone.errors import InvalidArgument
from city_backbone.register import Head

MAX_HEADS = 1_000


class HeadMessage(Protocol):
    """A department's own message of a head."""

    @property
    def sequence(self) -> int: ...

    @property
    def hash(self) -> str: ...


def heads(messages: Iterable[HeadMessage]) -> list[Head]:
    """Raises InvalidArgument."""
    given = [Head(head.sequence, head.hash) for head in messages]
    if len(given) > MAX_HEADS:
        raise InvalidArgument("heads", f"expected at most {MAX_HEADS}")
    for index, head in enumerate(given):
        if head.sequence < 0:
            raise InvalidArgument(f"heads[{index}].sequence", "expected 0 or more")
        if len(head.hash) != 64 or not set(head.hash) <= set("0123456789abcdef"):
            raise InvalidArgument(
                f"heads[{index}].hash", "expected 64 hexadecimal digits, lower case"
            )
    return given
