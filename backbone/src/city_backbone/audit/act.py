"""What is written into a register: one entry for each act, whether it was allowed or not."""

import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import grpc.aio

from city_backbone.errors import (
    FailedPrecondition,
    IdempotencyConflict,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from city_backbone.register import Entry
from city_backbone.rpc.identity import caller

_MAX_TEXT = 200

Refusal: TypeAlias = (
    InvalidArgument | NotFound | FailedPrecondition | PermissionDenied | IdempotencyConflict
)
REFUSALS = (InvalidArgument, NotFound, FailedPrecondition, PermissionDenied, IdempotencyConflict)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a call came from: the department of its certificate, and its address."""

    department: str
    address: str


def origin(context: "grpc.aio.ServicerContext[Any, Any]") -> Origin:
    """Raises PermissionDenied when the peer has no identity."""
    return Origin(caller(context), address(context.peer()))


def address(peer: str) -> str:
    """The address in gRPC's `ipv4:127.0.0.1:53422` or `ipv6:%5B::1%5D:53422`."""
    scheme, _, rest = urllib.parse.unquote(peer).partition(":")
    if scheme not in ("ipv4", "ipv6"):
        return scheme
    return rest.rpartition(":")[0].strip("[]")


@dataclass(slots=True)
class Attempt:
    """What a caller tried, as far as is known; `asked` may be anything a caller can send.

    `denied_as` names the act in its entry when it is refused.
    """

    denied_as: str
    at: Origin
    actor: str
    subject: str
    asked: Mapping[str, str] = field(default_factory=dict)

    def denied(self, refusal: Refusal) -> Entry:
        """The entry when it was not allowed; everything cut to what fits."""
        return Entry(
            actor=fitting(self.actor),
            action=self.denied_as,
            subject=fitting(self.subject),
            department=self.at.department,
            source_address=self.at.address,
            details={
                **{name: fitting(text) for name, text in self.asked.items()},
                "refusal": reason(refusal),
                "message": fitting(str(refusal)),
            },
        )


def reason(refusal: Refusal) -> str:
    """A word for programs, as the caller is told it."""
    match refusal:
        case InvalidArgument():
            return f"INVALID_{refusal.field.upper()}"
        case NotFound():
            return f"{refusal.what.upper()}_NOT_FOUND"
        case _:
            return refusal.reason


def fitting(text: str) -> str:
    """Printable, and at most 200 characters."""
    cut = text if len(text) <= _MAX_TEXT else f"{text[: _MAX_TEXT - 1]}…"
    return "".join(character if character.isprintable() else "�" for character in cut)
