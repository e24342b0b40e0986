"""Schema files: they parse, say what each field means, fit each other, and have an example."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import fastavro
from city_backbone.registration import Registration
from fastavro.schema import SchemaParseException
from fastavro.validation import ValidationError, validate_many

from meshctl.catalogue import Catalogue
from meshctl.check.resolution import problems


def check(catalogue: Catalogue) -> Iterator[str]:
    """Every problem of the services' schema files, one line each."""
    writers: dict[str, Any] = {}
    for service in catalogue.services:
        for produced in service.produces:
            file = service.events / produced.schema_file
            schema, faults = _load(file)
            yield from faults
            if schema is not None:
                writers[produced.topic] = schema
                yield from _example(file, schema)
        yield from _unused(service)
    for service in catalogue.services:
        yield from _readers(service, writers)


def _readers(service: Registration, writers: Mapping[str, Any]) -> Iterator[str]:
    for consumed in service.consumes:
        topic = consumed.topic
        if consumed.schema_file is None:
            continue
        file = service.events / consumed.schema_file
        schema, faults = _load(file)
        yield from faults
        if schema is not None and topic in writers:
            for problem in problems(schema, writers[topic]):
                yield f"{file}: cannot read {topic}: {problem}"


def _load(file: Path) -> tuple[Any, list[str]]:
    """The schema as JSON has it, None when it is no Avro; and what is wrong with it."""
    try:
        schema = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        return None, [f"{file}: cannot be read: {error.strerror}"]
    except ValueError as error:
        return None, [f"{file}: not JSON: {error}"]
    try:
        fastavro.parse_schema(schema)
    except (SchemaParseException, KeyError, TypeError, ValueError) as error:
        return None, [f"{file}: not an Avro schema: {error!r}"]
    return schema, [f"{file}: {where}: expected a doc" for where in _undocumented(schema, "")]


def _undocumented(schema: Any, where: str) -> Iterator[str]:
    """The records and fields without a doc, at any depth."""
    if isinstance(schema, list):
        for branch in schema:
            yield from _undocumented(branch, where)
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "record" and not schema.get("doc"):
        yield where or schema["name"]
    for field in schema.get("fields", []):
        path = f"{where}.{field['name']}".lstrip(".")
        if not field.get("doc"):
            yield path
        yield from _undocumented(field["type"], path)
    for key in ("type", "items", "values"):
        if isinstance(schema.get(key), dict | list):
            yield from _undocumented(schema[key], where)


def _example(file: Path, schema: Any) -> Iterator[str]:
    """The golden example is Avro's JSON encoding, whole: read and written again it is the same."""
    example = file.parent / "examples" / f"{file.stem}.json"
    try:
        text = example.read_text(encoding="utf-8")
        content = json.loads(text)
    except OSError as error:
        yield f"{example}: expected a golden example of {file.name}: {error.strerror}"
        return
    except ValueError as error:
        yield f"{example}: not JSON: {error}"
        return
    parsed = fastavro.parse_schema(schema)
    try:
        records = list(fastavro.json_reader(io.StringIO(json.dumps(content)), parsed))
        validate_many(records, parsed, strict=True)
        output = io.StringIO()
        fastavro.json_writer(output, parsed, records)
        again = json.loads(output.getvalue())
    except (ValidationError, ValueError, TypeError, LookupError, AttributeError) as error:
        yield f"{example}: does not fit {file.name}: {error!r}"
        return
    yield from (f"{example}: {difference}" for difference in _differences(content, again, ""))


def _differences(given: Any, encoded: Any, where: str) -> Iterator[str]:
    if isinstance(given, dict) and isinstance(encoded, dict):
        for key in sorted({*given, *encoded}):
            path = f"{where}.{key}".lstrip(".")
            if key not in encoded:
                yield f"{path}: the schema has no such field"
            elif key not in given:
                yield f"{path}: expected this field, it is missing"
            else:
                yield from _differences(given[key], encoded[key], path)
    elif given != encoded:
        yield f"{where}: expected {encoded!r}, found {given!r}"


def _unused(service: Registration) -> Iterator[str]:
    used = {produced.schema_file for produced in service.produces}
    used |= {consumed.schema_file for consumed in service.consumes if consumed.schema_file}
    for file in sorted(service.events.rglob("*.avsc")):
        if str(file.relative_to(service.events)) not in used:
            yield f"{file}: no produces or consumes of {service.path.name} names this schema"
