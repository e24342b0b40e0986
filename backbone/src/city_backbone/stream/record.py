"""What is read off a Kafka record without decoding it."""

from datetime import datetime

from aiokafka import ConsumerRecord
from opentelemetry import trace
from opentelemetry.propagate import extract

# The lowest bit of the trace flags; others, such as W3C's "random", may be set beside it.
_SAMPLED = frozenset((b"1", b"3", b"5", b"7", b"9", b"b", b"d", b"f"))


def event_time(record: ConsumerRecord) -> float:
    """Seconds since 1970 of `ce_time`, or when the broker took the record for one without."""
    try:
        return datetime.fromisoformat(_header(record, "ce_time").decode()).timestamp()
    except ValueError:
        return float(record.timestamp / 1000)


def producer_link(record: ConsumerRecord) -> trace.Link | None:
    """A link to the producer's span when the source decided to sample it."""
    for name, value in reversed(record.headers):  # our own producers have it last
        if name == "traceparent":
            return _link(value) if value and value[-1:] in _SAMPLED else None
    return None


def _link(traceparent: bytes) -> trace.Link | None:
    carrier = {"traceparent": traceparent.decode("ascii", "replace")}
    context = trace.get_current_span(extract(carrier)).get_span_context()
    return trace.Link(context) if context.is_valid else None


def _header(record: ConsumerRecord, name: str) -> bytes:
    for found, value in record.headers:
        if found == name:
            return value or b""
    return b""
