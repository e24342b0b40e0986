"""Avro with the Confluent framing: what goes in comes out, and what is wrong says so."""

import asyncio
import io
import json
import struct
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import fastavro
import pytest
from city_backbone import registration
from city_backbone.codec import Codec, _surplus
from city_backbone.errors import InvalidEvent, RegistryUnavailable, Undecodable
from city_backbone.registry import SchemaRegistry
from hypothesis import given
from hypothesis import strategies as st

TOPIC = "trial.thing-seen.v1"
WRITER = {
    "type": "record",
    "name": "ThingSeen",
    "namespace": "city.trial.v1",
    "fields": [
        {"name": "thing_id", "type": "string"},
        {"name": "count", "type": "long"},
        {"name": "seen_at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {
            "name": "price_won",
            "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2},
        },
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["CAR", "BUS"]}},
        {"name": "note", "type": ["null", "string"], "default": None},
        {"name": "values", "type": {"type": "array", "items": "double"}},
        {"name": "counts", "type": {"type": "map", "values": "int"}},
    ],
}
READER = {
    "type": "record",
    "name": "ThingSeen",
    "namespace": "city.trial.v1",
    "fields": [
        {"name": "count", "type": "long"},
        {"name": "colour", "type": "string", "default": "grey"},
    ],
}
FIELDS: list[dict[str, Any]] = cast(list[dict[str, Any]], WRITER["fields"])
PART = {**WRITER, "fields": [FIELDS[7], *FIELDS[3:6], FIELDS[0]], "doc": "In another order."}
SERVICE = f"""
service: trial
owner: "@city/trial"
contact: trial@city.example
produces:
  - {{topic: {TOPIC}, schema: thing_seen.avsc, key: thing_id, partitions: 1, retention: 1d,
     class: internal}}
consumes:
  - {{topic: {TOPIC}}}
  - {{topic: other.thing-seen.v1, schema: consumed/thing_seen.avsc}}
  - {{topic: part.thing-seen.v1, schema: consumed/part_of_thing_seen.avsc}}
"""
THING: dict[str, Any] = {
    "thing_id": "a",
    "count": 1,
    "seen_at": datetime(2026, 1, 2, 3, 4, 5, 678901, UTC),
    "price_won": Decimal("12.34"),
    "kind": "BUS",
    "note": None,
    "values": [0.5],
    "counts": {"a": 1},
}
WRITER_ID = 7
things = st.fixed_dictionaries(
    {
        "thing_id": st.text(),
        "count": st.integers(-(2**63), 2**63 - 1),
        "seen_at": st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
        "price_won": st.decimals(
            Decimal("-9999999999.99"), Decimal("9999999999.99"), places=2, allow_nan=False
        ),
        "kind": st.sampled_from(["CAR", "BUS"]),
        "note": st.none() | st.text(),
        "values": st.lists(st.floats(allow_nan=False)),
        "counts": st.dictionaries(st.text(), st.integers(-(2**31), 2**31 - 1)),
    }
)


class StoredSchemas:
    """Stands for the registry: what is stored under each id; None when it cannot be asked."""

    def __init__(self, schemas: Mapping[int, Any]) -> None:
        self.schemas = schemas
        self.asked: list[int] = []

    async def writer_id(self, subject: str, schema: Any) -> int:
        assert (subject, schema) == (f"{TOPIC}-value", WRITER)
        return WRITER_ID

    async def schema(self, schema_id: int) -> Any:
        self.asked.append(schema_id)
        if schema_id not in self.schemas:
            raise Undecodable(f"schema id {schema_id}: unknown to the registry")
        if self.schemas[schema_id] is None:
            raise RegistryUnavailable("away")
        return self.schemas[schema_id]


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> registration.Registration:
    folder = tmp_path_factory.mktemp("trial")
    (folder / "events/consumed").mkdir(parents=True)
    (folder / "events/thing_seen.avsc").write_text(json.dumps(WRITER))
    (folder / "events/consumed/thing_seen.avsc").write_text(json.dumps(READER))
    (folder / "events/consumed/part_of_thing_seen.avsc").write_text(json.dumps(PART))
    path = Path(folder / "service.yaml")
    path.write_text(SERVICE)
    return registration.load(path)


@pytest.fixture(scope="module")
def store() -> StoredSchemas:
    return StoredSchemas({WRITER_ID: WRITER, 8: None, 9: {"type": "nonsense"}, 10: "string"})


@pytest.fixture(scope="module")
def codec(registered: registration.Registration, store: StoredSchemas) -> Codec:
    codec = Codec(registered, cast(SchemaRegistry, store))
    asyncio.run(codec.open())
    return codec


@given(thing=things)
def test_what_is_encoded_is_decoded(codec: Codec, thing: dict[str, Any]) -> None:
    value = codec.encode(TOPIC, thing)
    assert value[:5] == struct.pack(">bI", 0, WRITER_ID)
    assert asyncio.run(codec.decode(TOPIC, value)) == thing


@given(thing=things)
def test_the_reader_schema_skips_what_it_does_not_name_and_fills_in_its_defaults(
    codec: Codec, thing: dict[str, Any]
) -> None:
    value = codec.encode(TOPIC, thing)
    decoded = asyncio.run(codec.decode("other.thing-seen.v1", value))
    assert decoded == {"count": thing["count"], "colour": "grey"}


@given(thing=things)
def test_a_reader_that_only_leaves_out_fields_reads_as_fastavro_does(
    codec: Codec, thing: dict[str, Any]
) -> None:
    value = codec.encode(TOPIC, thing)
    decoded = asyncio.run(codec.decode("part.thing-seen.v1", value))
    assert decoded == fastavro.schemaless_reader(io.BytesIO(value[5:]), WRITER, PART)
    assert len(decoded) == 5


@pytest.mark.parametrize(
    "field",
    [
        {**FIELDS[1], "type": "double"},
        {**FIELDS[1], "name": "number", "aliases": ["count"]},
        {**FIELDS[4], "type": {"type": "enum", "name": "Kind", "symbols": ["BUS", "CAR"]}},
        {**FIELDS[5], "type": ["string", "null"]},
        {"name": "new", "type": "int", "default": 1},
    ],
)
def test_a_reader_that_differs_in_anything_else_is_left_to_fastavro(field: dict[str, Any]) -> None:
    reader = {**WRITER, "fields": [FIELDS[0], field]}
    assert _surplus(fastavro.parse_schema(WRITER), fastavro.parse_schema(reader)) is None


def test_a_reader_that_needs_a_type_of_a_left_out_field_is_left_to_fastavro() -> None:
    kind = FIELDS[4]
    both = [kind, {"name": "was", "type": "Kind"}]
    writer = {**WRITER, "fields": both}
    reader = {**WRITER, "fields": [{**kind, "name": "was"}]}
    assert _surplus(fastavro.parse_schema(writer), fastavro.parse_schema(reader)) is None


@given(value=st.none() | st.binary() | st.binary().map(lambda body: b"\0\0\0\0\7" + body))
def test_no_bytes_raise_anything_but_undecodable(codec: Codec, value: bytes | None) -> None:
    with suppress(Undecodable):
        decoded = asyncio.run(codec.decode(TOPIC, value))
        assert decoded.keys() == THING.keys()


def test_a_truncated_value_is_undecodable_wherever_it_is_cut(codec: Codec) -> None:
    value = codec.encode(TOPIC, THING)
    for length in range(len(value)):
        with pytest.raises(Undecodable):
            asyncio.run(codec.decode(TOPIC, value[:length]))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "missing"),
        (b"", "too short"),
        (b"\1\0\0\0\7abc", "magic byte 1"),
        (b"\0\0\0\0\x63abc", "schema id 99: unknown"),
        (b"\0\0\0\0\x09abc", "schema id 9: no Avro schema"),
        (b"\0\0\0\0\x0a\x02a", "schema id 10 is no record"),
    ],
)
def test_what_cannot_be_an_event_says_why(codec: Codec, value: bytes | None, reason: str) -> None:
    with pytest.raises(Undecodable, match=reason):
        asyncio.run(codec.decode(TOPIC, value))


def test_bytes_left_over_are_undecodable(codec: Codec) -> None:
    with pytest.raises(Undecodable, match="left over"):
        asyncio.run(codec.decode(TOPIC, codec.encode(TOPIC, THING) + b"\0"))


def test_an_id_that_cannot_be_asked_for_is_no_fault_of_the_event(codec: Codec) -> None:
    with pytest.raises(RegistryUnavailable):
        asyncio.run(codec.decode(TOPIC, b"\0\0\0\0\x08abc"))


def test_a_schema_is_asked_for_once(codec: Codec, store: StoredSchemas) -> None:
    for _ in range(3):
        asyncio.run(codec.decode(TOPIC, codec.encode(TOPIC, THING)))
    assert store.asked.count(WRITER_ID) == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"count": "canary"}, "count"),
        ({"count": 2**63}, "count"),
        ({"thing_id": None}, "thing_id"),
        ({"kind": "TRAM"}, "kind"),
        ({"note": 3}, "note"),
        ({"values": ["canary"]}, "values"),
        ({"seen_at": "yesterday"}, "seen_at"),
        ({"counts": {"canary": "x"}}, "counts"),
    ],
)
def test_what_does_not_fit_the_schema_names_the_field_and_not_the_value(
    codec: Codec, change: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidEvent, match=field) as caught:
        codec.encode(TOPIC, {**THING, **change})
    assert TOPIC in str(caught.value)
    assert "canary" not in str(caught.value)


def test_a_missing_field_is_named(codec: Codec) -> None:
    with pytest.raises(InvalidEvent, match="count"):
        codec.encode(TOPIC, {key: value for key, value in THING.items() if key != "count"})


def test_only_registered_topics_are_written(codec: Codec) -> None:
    with pytest.raises(InvalidEvent, match="not under produces"):
        codec.encode("other.thing-seen.v1", THING)
