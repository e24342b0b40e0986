"""What is read by a function made for a schema is what fastavro reads."""

import io
import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import fastavro
import pytest
from city_backbone import avro
from hypothesis import given, settings
from hypothesis import strategies as st

from .avro_values import SHIPPED, Named, fastavro_writes, values

TREE: dict[str, Any] = {
    "type": "record",
    "name": "city.trial.v1.Tree",
    "fields": [
        {"name": "leaf", "type": ["null", "string", "long", {"type": "array", "items": "Tree"}]},
        {"name": "on", "type": {"type": "int", "logicalType": "date"}},
        {"name": "raw", "type": "bytes"},
        {"name": "by", "type": {"type": "map", "values": ["null", "boolean", "double"]}},
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}},
        {"name": "was", "type": ["null", "Kind"]},
        {"name": "next", "type": ["null", "Tree"]},
    ],
}
LEAVES: Named = {
    "double": st.floats(allow_nan=False),
    "date": st.dates(date(1900, 1, 1), date(2200, 1, 1)),
    "timestamp-micros": st.datetimes(
        datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)
    ),
}


def _reference(schema: Any, data: bytes) -> Any:
    return fastavro.schemaless_reader(io.BytesIO(data), schema, None)


def _reader(schema: Any, without: tuple[str, ...] = ()) -> avro.Reader:
    made = avro.reader(schema, without)
    assert made is not None, "a type that is left to fastavro"
    return made


SCHEMAS = {path.stem: json.loads(path.read_text()) for path in SHIPPED} | {"tree": TREE}


@pytest.mark.parametrize("name", SCHEMAS)
@settings(max_examples=10)
@given(data=st.data())
def test_every_value_of_every_shipped_schema_is_read_as_fastavro_reads_it(
    name: str, data: st.DataObject
) -> None:
    schema: Any = fastavro.parse_schema(SCHEMAS[name])
    written = fastavro_writes(schema, data.draw(values(schema, LEAVES)))
    assert _reader(schema)(written, 0) == (_reference(schema, written), len(written))


@pytest.mark.parametrize("name", SCHEMAS)
@settings(max_examples=10)
@given(data=st.data())
def test_a_field_left_out_is_passed_over(name: str, data: st.DataObject) -> None:
    schema: Any = fastavro.parse_schema(SCHEMAS[name])
    without = data.draw(st.sampled_from([field["name"] for field in schema["fields"]]))
    written = fastavro_writes(schema, data.draw(values(schema, LEAVES)))
    expected = _reference(schema, written)
    del expected[without]
    assert _reader(schema, (without,))(written, 0) == (expected, len(written))


@settings(max_examples=300)
@given(data=st.data())
def test_bytes_that_were_changed_are_read_as_fastavro_reads_them_or_not_at_all(
    data: st.DataObject,
) -> None:
    schema: Any = fastavro.parse_schema(TREE)
    written = bytearray(fastavro_writes(schema, data.draw(values(schema, LEAVES))))
    for _ in range(data.draw(st.integers(1, 3))):
        written[data.draw(st.integers(0, len(written) - 1))] = data.draw(st.integers(0, 255))
    try:
        value, end = _reader(schema)(bytes(written), 0)
    except Exception:
        return
    if end > len(written):
        return
    # By their text, since a number that is none is not equal to itself.
    assert repr(value) == repr(_reference(schema, bytes(written)))


@given(data=st.data())
def test_bytes_cut_off_are_never_taken_for_whole(data: st.DataObject) -> None:
    schema: Any = fastavro.parse_schema(TREE)
    written = fastavro_writes(schema, data.draw(values(schema, LEAVES)))
    cut = written[: data.draw(st.integers(0, len(written) - 1))]
    try:
        _, end = _reader(schema)(cut, 0)
    except Exception:
        return
    assert end > len(cut)


def test_blocks_with_their_size_in_bytes_are_read() -> None:
    schema: Any = fastavro.parse_schema({"type": "array", "items": "long"})
    # Two items in a block of count -2 and two bytes, one in a block of count 1.
    written = bytes([3, 4, 2, 4, 2, 6, 0])
    assert _reader(schema)(written, 0) == ([1, 2, 3], len(written))


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        pytest.param("long", [*[0x80] * 10, 1], id="a number of eleven bytes"),
        pytest.param("string", [1, 1], id="a length below 0"),
        pytest.param({"type": "array", "items": "null"}, [0xFE, 0xFF, 0x0F], id="many items"),
        pytest.param({"type": "enum", "name": "E", "symbols": ["A"]}, [2], id="no such symbol"),
        pytest.param({"type": "enum", "name": "E", "symbols": ["A"]}, [1], id="symbol below 0"),
        pytest.param(["null", "long"], [4], id="no such branch"),
    ],
)
def test_a_number_that_cannot_be_is_refused(kind: Any, written: list[int]) -> None:
    with pytest.raises((ValueError, LookupError)):
        _reader(fastavro.parse_schema(kind))(bytes(written), 0)


@pytest.mark.parametrize(
    "kind",
    [
        "float",
        {"type": "fixed", "name": "F", "size": 2},
        {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2},
        {"type": "long", "logicalType": "timestamp-millis"},
        {"type": "string", "logicalType": "uuid"},
    ],
)
def test_a_type_that_is_not_known_is_left_to_fastavro(kind: Any) -> None:
    schema = {"type": "record", "name": "R", "fields": [{"name": "it", "type": kind}]}
    assert avro.reader(fastavro.parse_schema(schema)) is None


def test_a_field_may_have_any_name_that_avro_allows() -> None:
    names = ["data", "at", "n", "long", "class", "None", "v1", "read1", "time"]
    fields = [{"name": name, "type": "int"} for name in names]
    schema: Any = fastavro.parse_schema({"type": "record", "name": "R", "fields": fields})
    value = {name: number for number, name in enumerate(names)}
    assert _reader(schema)(fastavro_writes(schema, value), 0)[0] == value


def test_times_are_aware_and_exact_to_the_microsecond() -> None:
    schema: Any = fastavro.parse_schema({"type": "long", "logicalType": "timestamp-micros"})
    for time in (
        datetime(2026, 1, 2, 3, 4, 5, 678901, UTC),
        datetime(1969, 12, 31, tzinfo=UTC),
        datetime(2500, 5, 6, 7, 8, 9, 123457, UTC),  # a double of its seconds is not exact
    ):
        read, _ = _reader(schema)(fastavro_writes(schema, time), 0)
        assert read == time
        assert read.utcoffset() == timedelta(0)
