"""The outbox: events written in the transaction of the change they tell of."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from city_backbone.codec import Codec
from city_backbone.database import Connection
from city_backbone.events import Headers, OutgoingEvent, cloudevents_headers, trace_headers

CHANNEL = "outbox"


class Record(NamedTuple):
    """A Kafka record to write; key and value may be None, as in Kafka."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers


class Outbox:
    """What is added is published after the commit, at least once, per key in the order added.

    Two transactions that add events of one key must exclude each other (lock the key's row
    first), else their order is not defined.
    """

    def __init__(self, source: str, codec: Codec) -> None:
        self._source = source
        self._codec = codec

    async def add(self, connection: Connection, events: Sequence[OutgoingEvent]) -> None:
        """Raises InvalidEvent naming the field that does not fit the topic's schema."""
        trace = trace_headers()
        await add_records(
            connection,
            [
                Record(
                    event.topic,
                    event.key.encode(),
                    self._codec.encode(event.topic, event.data),
                    cloudevents_headers(event, self._source, trace),
                )
                for event in events
            ],
        )


async def add_records(connection: Connection, records: Sequence[Record]) -> None:
    """Add records as they are; the relay is woken by the commit."""
    if not records:
        return
    await connection.execute(
        "with added as ("
        "  insert into outbox (topic, key, value, headers)"
        "  select topic, key, value, headers::json"
        "  from unnest(%b::text[], %b::bytea[], %b::bytea[], %b::text[])"
        "  with ordinality as record(topic, key, value, headers, place) order by place)"
        " select pg_notify(%s, '')",
        (
            [record.topic for record in records],
            [record.key for record in records],
            [record.value for record in records],
            [msgspec.json.encode(pack_headers(record.headers)).decode() for record in records],
            CHANNEL,
        ),
    )


def pack_headers(headers: Iterable[tuple[str, bytes | None]]) -> list[list[str | None]]:
    """Headers as JSON can hold them: any bytes as Latin-1, in order, names repeated or not."""
    return [[name, None if value is None else value.decode("latin-1")] for name, value in headers]


def unpack_headers(packed: Iterable[Sequence[Any]]) -> list[tuple[str, bytes]]:
    """The inverse of pack_headers; Kafka's null value becomes empty bytes."""
    return [(name, (value or "").encode("latin-1")) for name, value in packed]
