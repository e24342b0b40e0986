"""Events in memory, and their CloudEvents 1.0 headers (Kafka binding, binary mode)."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha1
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID, SafeUUID

from opentelemetry.propagate import inject

from city_backbone.errors import Undecodable

Headers: TypeAlias = Sequence[tuple[str, bytes]]
IncomingHeaders: TypeAlias = Sequence[tuple[str, bytes | None]]

CONTENT_TYPE = b"application/avro"
_REQUIRED = ("ce_id", "ce_source", "ce_type", "ce_time")
# A UUID cannot be changed; these are how its own class made it so.
_set_int, _set_is_safe = (UUID.__dict__[slot].__set__ for slot in ("int", "is_safe"))
_UNKNOWN = SafeUUID.unknown
_VERSION_5 = 5 << 76 | 2 << 62
_NO_VERSION = ~(15 << 76 | 3 << 62)
_NAMESPACE = UUID("5f6a2f64-3c5c-5d0e-9a6b-0e5f6d1c7a11")


class Event(NamedTuple):
    """A consumed event; `data` is decoded with the reader schema, its times are aware UTC.

    A tuple, because one is made for each event: a frozen dataclass costs ten times as much.
    """

    id: UUID
    topic: str
    partition: int
    offset: int
    key: str
    type: str
    source: str
    subject: str
    time: datetime
    data: dict[str, Any]


class OutgoingEvent(NamedTuple):
    """An event to publish; `id` is deterministic, see event_id."""

    topic: str
    key: str
    id: UUID
    time: datetime
    data: Mapping[str, Any]


# What a named tuple's own __new__ ends in, without its ten names.
_new = tuple.__new__


def event_id(*parts: object) -> UUID:
    """The UUIDv5 of what caused an event: the same cause has the same id, however often it runs."""
    name = "/".join([str(part) for part in parts])
    hashed = sha1(_NAMESPACE.bytes + name.encode(), usedforsecurity=False).digest()
    number = int.from_bytes(hashed[:16], "big")
    return _uuid_of(number & _NO_VERSION | _VERSION_5)  # as uuid5 does, at half its cost


def trace_headers() -> Headers:
    """The current trace's `traceparent`, once for all events of a call."""
    carrier: dict[str, str] = {}
    inject(carrier)
    return [(name, value.encode()) for name, value in carrier.items()]


def cloudevents_headers(
    event: OutgoingEvent, source: str, trace: Headers | None = None
) -> list[tuple[str, bytes]]:
    """CloudEvents' required attributes, the subject, and `trace` (by default the current one)."""
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", str(event.id).encode()),
        ("ce_source", f"/citymesh/{source}".encode()),
        ("ce_type", event.topic.encode()),
        ("ce_time", _instant(event.time)),
        ("ce_subject", event.key.encode()),
        ("content-type", CONTENT_TYPE),
        *(trace_headers() if trace is None else trace),
    ]


@lru_cache(maxsize=64)  # what one call tells is mostly of one instant
def _instant(time: datetime) -> bytes:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z").encode()


def event_from_record(
    topic: str,
    partition: int,
    offset: int,
    key: bytes | None,
    headers: IncomingHeaders,
    data: dict[str, Any],
) -> Event:
    """Of headers with one name the first counts.

    Raises Undecodable naming the header or key that is missing or malformed.
    """
    if key is None:
        raise Undecodable("key: missing, expected the entity's id")
    given: Any = headers  # any value may be None; that is found when it is decoded
    try:
        match given:
            case [
                ("ce_specversion", _),
                ("ce_id", identity),
                ("ce_source", source),
                ("ce_type", type_),
                ("ce_time", instant),
                ("ce_subject", subject),
                *_,
            ]:
                pass  # as our own producers write them: looked for, they cost twice as much
            case _:
                attributes = dict(reversed(given))
                identity, source = attributes["ce_id"], attributes["ce_source"]
                type_, instant = attributes["ce_type"], attributes["ce_time"]
                subject = attributes.get("ce_subject")
        time = datetime.fromisoformat(instant.decode())
        if time.tzinfo is not UTC:
            if time.tzinfo is None:
                raise Undecodable("header ce_time: expected a time zone")
            time = time.astimezone(UTC)
        text = key.decode()
        return _new(
            Event,
            (
                _uuid(identity.decode()),
                topic,
                partition,
                offset,
                text,
                type_.decode(),
                source.decode(),
                text if subject is None or subject == key else subject.decode(),
                time,
                data,
            ),
        )
    except (KeyError, AttributeError):
        found = dict(reversed(headers))
        missing = next(name for name in _REQUIRED if found.get(name) is None)
        raise Undecodable(f"header {missing}: missing, expected CloudEvents 1.0") from None
    except UnicodeDecodeError as error:
        of = [f"header {name}" for name, value in headers if value == error.object]
        raise Undecodable(f"{of[0] if of else 'key'}: expected UTF-8") from None
    except (ValueError, OverflowError) as error:
        raise Undecodable(f"headers: {error}") from error


def _uuid(text: str) -> UUID:
    """UUID(text), for the usual form at a third of its cost: this is done for each event."""
    digits = text.replace("-", "")
    if len(digits) != 32:
        return UUID(text)
    return _uuid_of(int(digits, 16))


def _uuid_of(number: int) -> UUID:
    identity = UUID.__new__(UUID)
    _set_int(identity, number)
    _set_is_safe(identity, _UNKNOWN)
    return identity
