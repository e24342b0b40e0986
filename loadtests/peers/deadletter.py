"""A record that can never be handled: how a peer finds it, with the standard library, and what it
sends to the department's dead letters. For those contenders that have citymesh's guarantees."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from loadtests.peers.jobs.stage import Stage, Taken
from loadtests.peers.wire import FRAME_BYTES, Headers

In = TypeVar("In")
IncomingHeaders = Sequence[tuple[str, bytes | None]]


class PoisonError(Exception):
    """A record that can never be handled, and why."""


class Letter(NamedTuple):
    """A record for the dead letters."""

    key: bytes | None
    value: bytes | None
    headers: Headers


def read(
    of: Stage[Any, In], key: bytes | None, value: bytes | None, headers: IncomingHeaders | None
) -> tuple[UUID, Taken[In] | None]:
    """A record's CloudEvents id, and what the stage reads of it. Raises PoisonError."""
    identity = checked(key, headers)
    if value is None or len(value) <= FRAME_BYTES or value[0]:
        raise PoisonError("value: expected Confluent framing")
    try:
        return identity, of.read(value)
    except Exception as error:  # any byte may be wrong, and each of them breaks something else
        raise PoisonError(f"value: does not decode: {type(error).__name__} {error}") from error


def checked(key: bytes | None, headers: IncomingHeaders | None) -> UUID:
    """The CloudEvents id of a record with all that CloudEvents require. Raises PoisonError."""
    if key is None:
        raise PoisonError("key: missing")
    attributes: dict[str, Any] = dict(reversed(headers or ()))
    try:
        identity = UUID(attributes["ce_id"].decode())
        time = datetime.fromisoformat(attributes["ce_time"].decode())
        attributes["ce_type"].decode()
        attributes["ce_source"].decode()
        key.decode()
    except KeyError as error:
        raise PoisonError(f"header {error.args[0]}: missing") from None
    except AttributeError:
        raise PoisonError("headers: one without a value") from None
    except ValueError as error:
        raise PoisonError(f"headers: {error}") from error
    if time.tzinfo is None:
        raise PoisonError("header ce_time: expected a time zone")
    return identity


def topic(of: str) -> str:
    """Where the department that owns the topic `of` has its dead letters of it."""
    return f"{of}.{_department(of)}.dlt"


def letter(
    of: str,
    partition: int,
    offset: int,
    key: bytes | None,
    value: bytes | None,
    headers: IncomingHeaders | None,
    reason: str,
) -> Letter:
    """With what the service adds to it."""
    added = {
        "dlt_reason": reason[:2000],
        "dlt_topic": of,
        "dlt_partition": str(partition),
        "dlt_offset": str(offset),
        "dlt_group": _department(of),
        "dlt_time": datetime.now(UTC).isoformat(),
    }
    given = [(name, value or b"") for name, value in headers or ()]
    return Letter(
        key, value, [*given, *((name, one.encode(errors="replace")) for name, one in added.items())]
    )


def _department(topic: str) -> str:
    return topic.split(".", 1)[0]
