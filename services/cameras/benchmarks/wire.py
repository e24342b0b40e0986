"""Records as the peers read and write them, with fastavro as the backbone's codec does."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import fastavro
from cameras.alarms import facts
from city_backbone.events import OutgoingEvent, cloudevents_headers

EVENTS = Path(__file__).parents[1] / "events"
_FRAME_BYTES = 5


def _parsed(name: str) -> Any:
    return fastavro.parse_schema(json.loads((EVENTS / f"{name}.v1.avsc").read_text()))


_DETECTED = _parsed("object_detected")
SCHEMAS = {
    facts.OBJECT_DETECTED: _DETECTED,
    facts.ALARM_RAISED: _parsed("alarm_raised"),
    facts.ALARM_CHANGED: _parsed("alarm_changed"),
    facts.ALARM_ESCALATED: _parsed("alarm_escalated"),
}


def detected(value: bytes) -> dict[str, Any]:
    """A detection. By the writer's schema alone, which is faster than resolving to a reader's."""
    data: Any = fastavro.schemaless_reader(io.BytesIO(value[_FRAME_BYTES:]), _DETECTED, None)
    del data["box"], data["received_at"]
    return cast(dict[str, Any], data)


def encoded(event: OutgoingEvent) -> bytes:
    """In the Confluent framing; the id is 0, because nobody looks it up."""
    buffer = io.BytesIO(bytes(_FRAME_BYTES))
    buffer.seek(_FRAME_BYTES)
    fastavro.schemaless_writer(buffer, SCHEMAS[event.topic], event.data)
    return buffer.getvalue()


def headers(event: OutgoingEvent) -> list[tuple[str, bytes]]:
    return cloudevents_headers(event, "cameras", ())


def told(record_headers: Sequence[tuple[str, bytes]], value: bytes) -> tuple[str, dict[str, Any]]:
    """Topic and data of what encoded() and headers() made."""
    topic = dict(record_headers)["ce_type"].decode()
    data: Any = fastavro.schemaless_reader(io.BytesIO(value[_FRAME_BYTES:]), SCHEMAS[topic], None)
    return topic, data
