"""Events in memory, and their CloudEvents 1.0 headers (Kafka binding, binary mode)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias
from uuid import UUID, uuid5

from opentelemetry.propagate import inject

from city_backbone.errors import Undecodable

Headers: TypeAlias = Sequence[tuple[str, bytes]]
IncomingHeaders: TypeAlias = Sequence[tuple[str, bytes | None]]

CONTENT_TYPE = "application/avro"
_NAMESPACE = UUID("5f6a2f64-3c5c-5d0e-9a6b-0e5f6d1c7a11")


@dataclass(frozen=True, slots=True)
class Event:
    """A consumed event; `data` is decoded with the reader schema, its times are aware UTC."""

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


@dataclass(frozen=True, slots=True)
class OutgoingEvent:
    """An event to publish; `id` is deterministic, see event_id."""

    topic: str
    key: str
    id: UUID
    time: datetime
    data: Mapping[str, Any]


def event_id(*parts: object) -> UUID:
    """The UUIDv5 of what caused an event: the same cause has the same id, however often it runs."""
    return uuid5(_NAMESPACE, "/".join(str(part) for part in parts))


def cloudevents_headers(event: OutgoingEvent, source: str) -> list[tuple[str, bytes]]:
    """CloudEvents' required attributes, the subject, and the current trace's `traceparent`."""
    carrier: dict[str, str] = {}
    inject(carrier)
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": str(event.id),
        "ce_source": f"/citymesh/{source}",
        "ce_type": event.topic,
        "ce_time": event.time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "ce_subject": event.key,
        "content-type": CONTENT_TYPE,
        **carrier,
    }
    return [(name, value.encode()) for name, value in attributes.items()]


def event_from_record(
    topic: str,
    partition: int,
    offset: int,
    key: bytes | None,
    headers: IncomingHeaders,
    data: dict[str, Any],
) -> Event:
    """Raises Undecodable naming the header or key that is missing or malformed."""
    attributes = {name: value for name, value in headers if value is not None}

    def attribute(name: str) -> str:
        try:
            return attributes[name].decode()
        except KeyError:
            raise Undecodable(f"header {name}: missing, expected CloudEvents 1.0") from None
        except UnicodeDecodeError:
            raise Undecodable(f"header {name}: expected UTF-8") from None

    if key is None:
        raise Undecodable("key: missing, expected the entity's id")
    try:
        time = datetime.fromisoformat(attribute("ce_time"))
        if time.tzinfo is None:
            raise Undecodable("header ce_time: expected a time zone")
        return Event(
            id=UUID(attribute("ce_id")),
            topic=topic,
            partition=partition,
            offset=offset,
            key=key.decode(),
            type=attribute("ce_type"),
            source=attribute("ce_source"),
            subject=attributes.get("ce_subject", key).decode(),
            time=time.astimezone(UTC),
            data=data,
        )
    except (ValueError, OverflowError) as error:
        raise Undecodable(f"headers: {error}") from error
