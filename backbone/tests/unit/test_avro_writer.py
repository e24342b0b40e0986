"""What is written by a function made for a schema is what fastavro writes."""

import json
from datetime import UTC, date, datetime
from typing import Any

import fastavro
import pytest
from city_backbone import avro_writer
from hypothesis import given, settings
from hypothesis import strategies as st

from .avro_values import SHIPPED, Named, fastavro_writes, values

TRIAL: dict[str, Any] = {
    "type": "record",
    "name": "city.trial.v1.Trial",
    "fields": [
        {"name": "on", "type": {"type": "int", "logicalType": "date"}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "raw", "type": "bytes"},
        {"name": "by", "type": {"type": "map", "values": ["null", "boolean"]}},
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}},
        {"name": "was", "type": ["Kind", "null"]},
        {"name": "many", "type": {"type": "array", "items": ["null", "double"]}},
        {"name": "few", "type": "int", "default": 7},
        {"name": "nothing", "type": "null"},
        {
            "name": "places",
            "type": {
                "type": "array",
                "items": {
                    "type": "record",
                    "name": "Place",
                    "fields": [{"name": "words", "type": "string"}, {"name": "n", "type": "long"}],
                },
            },
        },
        {"name": "last", "type": ["null", "Place"]},
    ],
}
SCHEMAS = {path.stem: json.loads(path.read_text()) for path in SHIPPED} | {"trial": TRIAL}
USUAL: dict[str, Any] = {
    "on": date(2026, 11, 26),
    "at": datetime(2026, 11, 26, 9, 0, tzinfo=UTC),
    "raw": b"raw",
    "by": {"세종": True},
    "kind": "A",
    "was": None,
    "many": [None, 1.5],
    "few": 3,
    "nothing": None,
    "places": [{"words": "아름동", "n": -1}],
    "last": {"words": "x" * 200, "n": 2**62},
}

LEAVES: Named = {
    "double": st.floats() | st.integers(-(2**53), 2**53),
    "date": st.dates(),
    "timestamp-micros": st.datetimes(datetime(1, 1, 2), timezones=st.just(UTC)),
}


def _writer(schema: Any, before: bytes = b"") -> avro_writer.Writer:
    made = avro_writer.writer(schema, before)
    assert made is not None, "a type that is left to fastavro"
    return made


@pytest.mark.parametrize("name", SCHEMAS)
@settings(max_examples=20)
@given(data=st.data())
def test_every_value_of_every_shipped_schema_is_written_as_fastavro_writes_it(
    name: str, data: st.DataObject
) -> None:
    schema: Any = fastavro.parse_schema(SCHEMAS[name])
    value = data.draw(values(schema, LEAVES))
    assert _writer(schema, b"frame")(value) == b"frame" + fastavro_writes(schema, value)


@given(data=st.data())
def test_a_value_that_does_not_fit_is_written_as_fastavro_writes_it_or_not_at_all(
    data: st.DataObject,
) -> None:
    schema: Any = fastavro.parse_schema(TRIAL)
    other = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(),
        st.text(),
        st.binary(),
        st.dates(),
        st.datetimes(),
        st.lists(st.text(), max_size=2),
        st.dictionaries(st.text(), st.integers(), max_size=2),
        st.just({"words": "x"}),
        st.just(({"words": "x", "n": 1},)),
    )
    value = USUAL | {data.draw(st.sampled_from(sorted(USUAL))): data.draw(other)}
    try:
        written = _writer(schema)(value)
    except Exception:
        return
    assert written == fastavro_writes(schema, value)


def test_times_of_all_lengths() -> None:
    schema: Any = fastavro.parse_schema(TRIAL)
    for year in (1, 1969, 1970, 1978, 1979, 2026, 2527, 2528, 9999):
        for at in (
            datetime(year, 1, 1, tzinfo=UTC),
            datetime(year, 12, 31, 23, 59, 59, 999_999, UTC),
        ):
            assert _writer(schema)(USUAL | {"at": at}) == fastavro_writes(
                schema, USUAL | {"at": at}
            )


@pytest.mark.parametrize("left_out", sorted(USUAL))
def test_a_field_that_is_missing_is_left_to_fastavro(left_out: str) -> None:
    value = {name: part for name, part in USUAL.items() if name != left_out}
    with pytest.raises(KeyError, match=left_out):
        _writer(fastavro.parse_schema(TRIAL))(value)


@pytest.mark.parametrize(
    "kind",
    [
        "float",
        {"type": "fixed", "name": "F", "size": 2},
        ["null", "string", "long"],
        {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2},
        {"type": "int", "logicalType": "time-millis"},
        ["null", "T"],
    ],
)
def test_a_type_that_is_not_known_is_left_to_fastavro(kind: Any) -> None:
    schema = {"type": "record", "name": "T", "fields": [{"name": "f", "type": kind}]}
    assert avro_writer.writer(fastavro.parse_schema(schema)) is None
    assert avro_writer.writer(fastavro.parse_schema("string")) is None
