"""Which reader schemas can read which writer schemas."""

from __future__ import annotations

import io
from typing import Any

import fastavro
import pytest
from meshctl.check.resolution import problems


def record(*fields: dict[str, Any], name: str = "R") -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(fields)}


def field(name: str, kind: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **more}


def enum(*symbols: str, **more: Any) -> dict[str, Any]:
    return {"type": "enum", "name": "E", "symbols": list(symbols), **more}


MICROS = {"type": "long", "logicalType": "timestamp-micros"}
MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
INNER = record(field("a", "int"), name="Inner")

READABLE = [
    (record(field("a", "int")), record(field("a", "int"), field("b", "string"))),
    (record(field("a", "int"), field("c", "int", default=0)), record(field("a", "int"))),
    (record(field("a", "long")), record(field("a", "int"))),
    (record(field("a", ["null", "int"])), record(field("a", "int"))),
    (record(field("a", ["null", "long"])), record(field("a", ["null", "int"]))),
    (record(field("a", enum("X", "Y"))), record(field("a", enum("X")))),
    (record(field("a", enum("X", default="X"))), record(field("a", enum("X", "Y")))),
    (record(field("b", "int", aliases=["a"])), record(field("a", "int"))),
    (record(field("a", {"type": "array", "items": INNER}), field("b", "Inner")),) * 2,
    (record(field("a", MICROS)),) * 2,
]
UNREADABLE = [
    (record(field("b", "int")), record(field("a", "int")), "b: it is read without a default"),
    (record(field("a", "int")), record(field("a", "long")), "a: long is written, int is read"),
    (record(field("a", "int")), record(field("a", ["null", "int"])), "a: null is written"),
    (record(field("a", ["null", "string"])), record(field("a", "int")), "no branch"),
    (record(field("a", enum("X"))), record(field("a", enum("X", "Y"))), "symbols Y"),
    (record(field("a", INNER)), record(field("a", "int")), "int is written, record is read"),
    (record(field("a", MILLIS)), record(field("a", MICROS)), "timestamp-micros is written"),
    (record(), record(name="Other"), "Other is written, R is read"),
    (
        record(field("a", {"type": "map", "values": "int"})),
        record(field("a", {"type": "map", "values": "string"})),
        "a{}: string is written",
    ),
    (
        record(field("a", {"type": "fixed", "name": "F", "size": 4})),
        record(field("a", {"type": "fixed", "name": "F", "size": 8})),
        "8 bytes are written",
    ),
]


@pytest.mark.parametrize(("reader", "writer"), READABLE)
def test_readable(reader: Any, writer: Any) -> None:
    assert list(problems(reader, writer)) == []


@pytest.mark.parametrize(("reader", "writer", "reason"), UNREADABLE)
def test_unreadable(reader: Any, writer: Any, reason: str) -> None:
    found = list(problems(reader, writer))
    assert len(found) == 1
    assert reason in found[0]


def test_a_type_that_contains_itself_ends() -> None:
    tree = record(field("children", {"type": "array", "items": "R"}))
    assert list(problems(tree, tree)) == []


def test_fastavro_reads_what_is_called_readable() -> None:
    writer = record(field("a", enum("X", "Y")), field("b", "int"))
    reader = record(field("a", enum("X", default="X")), field("c", "string", default="?"))
    assert list(problems(reader, writer)) == []
    data = io.BytesIO()
    fastavro.schemaless_writer(data, fastavro.parse_schema(writer), {"a": "Y", "b": 1})
    data.seek(0)
    read = fastavro.schemaless_reader(
        data, fastavro.parse_schema(writer), fastavro.parse_schema(reader)
    )
    assert read == {"a": "X", "c": "?"}
