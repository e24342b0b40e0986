"""Avro schema resolution: whether a reader schema can read everything a writer schema writes.

The rules are those of "Schema Resolution" in the Avro 1.12 specification. Both sides are looked
at: every field that the reader wants must be written or have a default, and every branch and
symbol that may be written must be one that the reader knows or has a default for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_PROMOTIONS = {
    "int": {"long", "float", "double"},
    "long": {"float", "double"},
    "float": {"double"},
    "string": {"bytes"},
    "bytes": {"string"},
}
_LOGICAL = ("logicalType", "precision", "scale")


def problems(reader: Any, writer: Any) -> Iterator[str]:
    """Why the reader cannot read the writer's data; nothing when it can.

    Both are schemas as JSON has them, unparsed.
    """
    yield from _Resolver(_names(reader), _names(writer)).compare(reader, writer, "")


class _Resolver:
    def __init__(self, reader_names: Mapping[str, Any], writer_names: Mapping[str, Any]) -> None:
        self._reader_names = reader_names
        self._writer_names = writer_names
        self._seen: set[tuple[str, str]] = set()

    def compare(self, reader: Any, writer: Any, where: str) -> Iterator[str]:
        reader = self._reader_names.get(reader, reader) if isinstance(reader, str) else reader
        writer = self._writer_names.get(writer, writer) if isinstance(writer, str) else writer
        if isinstance(writer, list):
            for branch in writer:
                yield from self.compare(reader, branch, where)
            return
        if isinstance(reader, list):
            if not any(not list(self.compare(branch, writer, where)) for branch in reader):
                yield f"{where or 'schema'}: no branch of the reader's union reads {_kind(writer)}"
            return
        ours, theirs = _kind(reader), _kind(writer)
        if ours != theirs:
            if ours not in _PROMOTIONS.get(theirs, set()):
                yield f"{where or 'schema'}: {theirs} is written, {ours} is read"
            return
        yield from self._same_kind(ours, reader, writer, where)

    def _same_kind(self, kind: str, reader: Any, writer: Any, where: str) -> Iterator[str]:
        if kind in {"record", "enum", "fixed"}:
            pair = (str(reader["name"]), str(writer["name"]))
            if pair in self._seen:
                return
            if kind == "record":
                self._seen.add(pair)
            if _short(pair[0]) != _short(pair[1]):
                yield f"{where or 'schema'}: {pair[1]} is written, {pair[0]} is read"
                return
        if kind == "record":
            yield from self._record(reader, writer, where)
        elif kind == "enum":
            unknown = [symbol for symbol in writer["symbols"] if symbol not in reader["symbols"]]
            if unknown and "default" not in reader:
                yield f"{where}: the symbols {', '.join(unknown)} may be written and are not read"
        elif kind == "fixed":
            if reader["size"] != writer["size"]:
                yield f"{where}: {writer['size']} bytes are written, {reader['size']} are read"
        elif kind == "array":
            yield from self.compare(reader["items"], writer["items"], f"{where}[]")
        elif kind == "map":
            yield from self.compare(reader["values"], writer["values"], f"{where}{{}}")
        elif isinstance(reader, dict) or isinstance(writer, dict):
            yield from _logical(reader, writer, where)

    def _record(self, reader: Any, writer: Any, where: str) -> Iterator[str]:
        written = {field["name"]: field for field in writer["fields"]}
        for field in reader["fields"]:
            names = [field["name"], *field.get("aliases", [])]
            source = next((written[name] for name in names if name in written), None)
            path = f"{where}.{field['name']}".lstrip(".")
            if source is not None:
                yield from self.compare(field["type"], source["type"], path)
            elif "default" not in field:
                yield f"{path}: it is read without a default, and never written"


def _logical(reader: Any, writer: Any, where: str) -> Iterator[str]:
    """A number read in another unit than it was written in is no number at all."""
    for key in _LOGICAL:
        ours = reader.get(key) if isinstance(reader, dict) else None
        theirs = writer.get(key) if isinstance(writer, dict) else None
        if ours != theirs:
            yield f"{where}: {key} {theirs} is written, {ours} is read"


def _kind(schema: Any) -> str:
    kind = schema["type"] if isinstance(schema, dict) else schema
    return _kind(kind) if isinstance(kind, dict) else str(kind)


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def _names(schema: Any, namespace: str = "") -> dict[str, Any]:
    """Every named type within a schema, by its short and its full name."""
    found: dict[str, Any] = {}
    if isinstance(schema, list):
        for branch in schema:
            found |= _names(branch, namespace)
    elif isinstance(schema, dict):
        if "name" in schema and schema.get("type") in {"record", "enum", "fixed", "error"}:
            namespace = schema.get("namespace", namespace)
            found[schema["name"]] = schema
            found[f"{namespace}.{schema['name']}"] = schema
        for field in schema.get("fields", []):
            found |= _names(field["type"], namespace)
        for key in ("type", "items", "values"):
            if isinstance(schema.get(key), dict | list):
                found |= _names(schema[key], namespace)
    return found
