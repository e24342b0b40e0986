"""Avro with the Confluent framing: 0x00, the writer schema's id in 4 bytes, Avro binary."""

import io
import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import fastavro
import fastavro.validation

from city_backbone.errors import InvalidEvent, Undecodable
from city_backbone.registration import Registration
from city_backbone.registry import SchemaRegistry

_FRAME = struct.Struct(">bI")


class Codec:
    """Encodes with the writer schemas of the registration, decodes with its reader schemas."""

    def __init__(self, registration: Registration, registry: SchemaRegistry) -> None:
        self._registration = registration
        self._registry = registry
        self._writers: dict[str, tuple[bytes, Any]] = {}
        self._readers: dict[str, Any] = {}
        self._parsed: dict[int, Any] = {}
        self._pairs: dict[tuple[str, int], tuple[Any, Sequence[str]]] = {}

    async def open(self) -> None:
        """Look up the id of each writer schema. Raises RegistryUnavailable or Undecodable."""
        events = self._registration.events
        for produced in self._registration.produces:
            schema = json.loads((events / produced.schema_file).read_text())
            schema_id = await self._registry.writer_id(produced.subject, schema)
            self._writers[produced.topic] = (_FRAME.pack(0, schema_id), _parse(schema))
        for consumed in self._registration.consumes:
            if consumed.schema_file:
                self._readers[consumed.topic] = _load(events / consumed.schema_file)

    def encode(self, topic: str, data: Mapping[str, Any]) -> bytes:
        """Raises InvalidEvent naming the field that does not fit the topic's schema."""
        try:
            frame, schema = self._writers[topic]
        except KeyError:
            raise InvalidEvent(f"{topic}: not under produces in service.yaml") from None
        buffer = io.BytesIO()
        buffer.write(frame)
        try:
            fastavro.schemaless_writer(buffer, schema, data)
        except Exception as error:  # fastavro raises what Python's types do; validate() names it
            raise InvalidEvent(f"{topic}: {_explain(data, schema) or error}") from error
        return buffer.getvalue()

    async def decode(self, topic: str, value: bytes | None) -> dict[str, Any]:
        """Raises Undecodable, or RegistryUnavailable for an id never seen while it is away."""
        if value is None or len(value) <= _FRAME.size:
            raise Undecodable("value: missing or too short, expected Confluent framing")
        magic, schema_id = _FRAME.unpack_from(value)
        if magic != 0:
            raise Undecodable(f"value: magic byte {magic}, expected 0 of the Confluent framing")
        if schema_id not in self._parsed:
            schema = await self._registry.schema(schema_id)
            try:
                self._parsed[schema_id] = _parse(schema)
            except Exception as error:  # whatever is registered under an id somebody else chose
                raise Undecodable(f"schema id {schema_id}: no Avro schema: {error}") from error
        body = io.BytesIO(value[_FRAME.size :])
        reader, surplus = self._pairs.get((topic, schema_id)) or self._pair(topic, schema_id)
        try:
            data = fastavro.schemaless_reader(body, self._parsed[schema_id], reader)
        except Exception as error:  # any byte may be wrong, and fastavro lets each error through
            raise Undecodable(
                f"value: does not decode with schema id {schema_id}: {type(error).__name__} {error}"
            ) from error
        if body.read(1):
            raise Undecodable(f"value: bytes left over after schema id {schema_id}")
        if not isinstance(data, dict):
            raise Undecodable(f"value: schema id {schema_id} is no record")
        for name in surplus:
            del data[name]
        return data

    def _pair(self, topic: str, schema_id: int) -> tuple[Any, Sequence[str]]:
        """The topic's reader schema, or None and which fields to leave out: that is much faster."""
        reader, writer = self._readers.get(topic), self._parsed[schema_id]
        surplus = () if reader is None else _surplus(writer, reader)
        self._pairs[topic, schema_id] = (reader, ()) if surplus is None else (None, surplus)
        return self._pairs[topic, schema_id]


def _shape(schema: Any) -> Any:
    """A parsed schema without what does not change how bytes are read."""
    if isinstance(schema, dict):
        left_out = ("doc", "default", "__fastavro_parsed__", "__named_schemas")
        return {key: _shape(value) for key, value in schema.items() if key not in left_out}
    if isinstance(schema, list):
        return [_shape(part) for part in schema]
    return schema


def _surplus(writer: Any, reader: Any) -> Sequence[str] | None:
    """The record's fields that only the writer has, when the two differ in nothing else."""
    written, read = _shape(writer), _shape(reader)
    if written == read:
        return ()
    if not (isinstance(written, dict) and isinstance(read, dict) and "fields" in written):
        return None
    fields = {field["name"]: field for field in written["fields"]}
    kept = {field["name"]: field for field in read.get("fields", ())}
    surplus = [name for name in fields if name not in kept]
    written["fields"] = [fields[name] for name in fields if name in kept]
    read["fields"] = [kept[name] for name in fields if name in kept]
    return surplus if written == read and len(kept) == len(read["fields"]) else None


def _parse(schema: Any) -> Any:
    return fastavro.parse_schema(schema)


def _load(path: Path) -> Any:
    return _parse(json.loads(path.read_text()))


def _explain(data: Mapping[str, Any], schema: Any) -> str:
    try:
        fastavro.validation.validate(data, schema, strict=True)
    except fastavro.validation.ValidationError as error:
        return "; ".join(
            f"{problem.field}: expected {json.dumps(problem.schema)},"
            f" got {type(problem.datum).__name__}"
            for problem in error.errors
        )
    return ""
