"""Schemas: they parse, the golden events fit, and a changed copy still understands the other."""

import copy
import io
import json
from pathlib import Path
from typing import Any

import fastavro
import fastavro.validation
import pytest
from city_backbone.registration import load

ROOT = Path(__file__).parents[2]
EVENTS = ROOT / "events"
REGISTRATION = load(ROOT / "service.yaml")
PRODUCED = [produced.schema_file for produced in REGISTRATION.produces]
ALL_SCHEMAS = sorted(str(path.relative_to(EVENTS)) for path in EVENTS.rglob("*.avsc"))


def schema_of(file: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((EVENTS / file).read_text())
    return schema


def golden(file: str) -> dict[str, Any]:
    """An example in Avro's JSON encoding."""
    line = json.dumps(json.loads((EVENTS / "examples" / f"{Path(file).stem}.json").read_text()))
    schema = fastavro.parse_schema(schema_of(file))
    (event,) = fastavro.json_reader(io.StringIO(line), schema)
    assert isinstance(event, dict)
    return event


def encode(schema: dict[str, Any], event: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(copy.deepcopy(schema)), event)
    return buffer.getvalue()


def decode(value: bytes, writer: dict[str, Any], reader: dict[str, Any]) -> dict[str, Any]:
    event: Any = fastavro.schemaless_reader(
        io.BytesIO(value),
        fastavro.parse_schema(copy.deepcopy(writer)),
        fastavro.parse_schema(copy.deepcopy(reader)),
    )
    assert isinstance(event, dict)
    return event


def with_new_field(schema: dict[str, Any]) -> dict[str, Any]:
    """What a later version may look like: each record has one more field, with a default."""
    added = {"name": "added_later", "type": "string", "default": "", "doc": "New."}

    def extend(node: Any) -> Any:
        if isinstance(node, dict):
            node = {key: extend(value) for key, value in node.items()}
            if node.get("type") == "record":
                node["fields"] = [*node["fields"], added]
        elif isinstance(node, list):
            node = [extend(value) for value in node]
        return node

    extended: dict[str, Any] = extend(copy.deepcopy(schema))
    return extended


@pytest.mark.parametrize("file", PRODUCED)
def test_the_golden_event_fits_exactly(file: str) -> None:
    schema, event = schema_of(file), golden(file)
    fastavro.validation.validate(event, fastavro.parse_schema(copy.deepcopy(schema)), strict=True)
    assert encode(schema, decode(encode(schema, event), schema, schema)) == encode(schema, event)


@pytest.mark.parametrize("file", PRODUCED)
def test_a_new_reader_understands_the_old_event(file: str) -> None:
    old, new = schema_of(file), with_new_field(schema_of(file))
    event = decode(encode(old, golden(file)), old, new)
    assert event["added_later"] == ""
    assert golden(file).keys() <= event.keys()


@pytest.mark.parametrize("file", PRODUCED)
def test_an_old_reader_understands_the_new_event(file: str) -> None:
    old, new = schema_of(file), with_new_field(schema_of(file))
    event = decode(encode(old, golden(file)), old, new)
    assert decode(encode(new, event), new, old) == decode(encode(old, golden(file)), old, old)


@pytest.mark.parametrize("consumed", REGISTRATION.consumes, ids=lambda consumed: consumed.topic)
def test_what_is_consumed_resolves_from_the_writer(consumed: Any) -> None:
    """A department whose folder is away cannot be asked: then what we read stands for itself."""
    department, subject, version = consumed.topic.split(".")
    events = ROOT.parent / department / "events"
    name = f"{subject.replace('-', '_')}.{version}"
    reader = schema_of(consumed.schema_file)
    if not events.is_dir():
        fastavro.parse_schema(reader)
        return
    writer = json.loads((events / f"{name}.avsc").read_text())
    example = json.dumps(json.loads((events / "examples" / f"{name}.json").read_text()))
    (written,) = fastavro.json_reader(
        io.StringIO(example), fastavro.parse_schema(copy.deepcopy(writer))
    )
    assert isinstance(written, dict)
    event = decode(encode(writer, written), writer, reader)
    assert set(event) == {field["name"] for field in reader["fields"]}


@pytest.mark.parametrize("file", ALL_SCHEMAS)
def test_every_schema_is_registered(file: str) -> None:
    registered = {*PRODUCED, *(consumed.schema_file for consumed in REGISTRATION.consumes)}
    assert file in registered


@pytest.mark.parametrize("produced", REGISTRATION.produces, ids=lambda produced: produced.topic)
def test_the_key_is_a_field_of_the_event(produced: Any) -> None:
    assert produced.key in golden(produced.schema_file)


@pytest.mark.parametrize("file", ALL_SCHEMAS)
def test_a_symbol_added_later_is_read_as_unknown(file: str) -> None:
    def enums(node: Any) -> list[dict[str, Any]]:
        if isinstance(node, list):
            return [one for value in node for one in enums(value)]
        if not isinstance(node, dict):
            return []
        own = [node] if node.get("type") == "enum" else []
        return own + [one for value in node.values() for one in enums(value)]

    for enum in enums(schema_of(file)):
        assert enum["default"] == enum["symbols"][0] == "UNKNOWN"


@pytest.mark.parametrize("file", ALL_SCHEMAS)
def test_every_field_says_what_it_is(file: str) -> None:
    def undocumented(node: Any) -> list[str]:
        if isinstance(node, list):
            return [name for value in node for name in undocumented(value)]
        if not isinstance(node, dict):
            return []
        own = [node["name"]] if "name" in node and not node.get("doc") else []
        return own + [name for value in node.values() for name in undocumented(value)]

    assert undocumented(schema_of(file)) == []
