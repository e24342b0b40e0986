"""Records as the peers read and write them, with fastavro, which is what others have."""

import io
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias, cast

import fastavro
from city_backbone.events import OutgoingEvent, cloudevents_headers

ROOT = Path(__file__).parents[2]
FRAME_BYTES = 5
Headers: TypeAlias = list[tuple[str, bytes]]
Record: TypeAlias = tuple[Headers, bytes]
"""Headers and value."""


@cache
def schema(topic: str) -> Any:
    """The writer's, of a department's own event."""
    department, name = topic.split(".", 1)
    file = name.replace("-", "_") + ".avsc"
    text = (ROOT / "services" / department / "events" / file).read_text()
    return fastavro.parse_schema(json.loads(text))


def decoded(topic: str, value: bytes) -> dict[str, Any]:
    """By the writer's schema alone, which is faster than resolving to a reader's."""
    data: Any = fastavro.schemaless_reader(io.BytesIO(value[FRAME_BYTES:]), schema(topic), None)
    return cast(dict[str, Any], data)


def encoded(event: OutgoingEvent) -> bytes:
    """In the Confluent framing; the id is 0, because nobody looks it up."""
    buffer = io.BytesIO(bytes(FRAME_BYTES))
    buffer.seek(FRAME_BYTES)
    fastavro.schemaless_writer(buffer, schema(event.topic), event.data)
    return buffer.getvalue()


def headers(event: OutgoingEvent) -> Headers:
    return cloudevents_headers(event, event.topic.split(".", 1)[0], ())


def told(record_headers: Sequence[tuple[str, bytes]], value: bytes) -> tuple[str, dict[str, Any]]:
    """Topic and data of what encoded() and headers() made, or the service."""
    topic = dict(record_headers)["ce_type"].decode()
    return topic, decoded(topic, value)
