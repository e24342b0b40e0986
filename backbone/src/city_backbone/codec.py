"""Avro with the Confluent framing: 0x00, the writer schema's id in 4 bytes, Avro binary."""

import io
import json
import struct
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import fastavro
import fastavro.validation
import structlog

from city_backbone import avro, avro_writer
from city_backbone.errors import InvalidEvent, Undecodable
from city_backbone.registration import Registration
from city_backbone.registry import SchemaRegistry

log = structlog.get_logger()

_FRAME = struct.Struct(">bI")


class Codec:
    """Encodes with the writer schemas of the registration, decodes with its reader schemas."""

    def __init__(self, registration: Registration, registry: SchemaRegistry) -> None:
        self._registration = registration
        self._registry = registry
        self._writers: dict[str, _Written] = {}
        self._readers: dict[str, Any] = {}
        self._parsed: dict[int, Any] = {}
        self._ways: dict[tuple[str, bytes], avro.Reader] = {}

    async def open(self) -> None:
        """Look up the id of each writer schema. Raises RegistryUnavailable or Undecodable."""
        events = self._registration.events
        for produced in self._registration.produces:
            schema = json.loads((events / produced.schema_file).read_text())
            schema_id = await self._registry.writer_id(produced.subject, schema)
            self._writers[produced.topic] = _Written(_FRAME.pack(0, schema_id), _parse(schema))
        for consumed in self._registration.consumes:
            if consumed.schema_file:
                self._readers[consumed.topic] = _load(events / consumed.schema_file)

    def encode(self, topic: str, data: Mapping[str, Any]) -> bytes:
        """Raises InvalidEvent naming the field that does not fit the topic's schema."""
        try:
            written = self._writers[topic]
        except KeyError:
            raise InvalidEvent(f"{topic}: not under produces in service.yaml") from None
        try:
            return written.write(data)
        except Exception as error:  # fastavro raises what Python's types do; validate() names it
            raise InvalidEvent(f"{topic}: {_explain(data, written.schema) or error}") from error

    async def decode(self, topic: str, value: bytes | None) -> dict[str, Any]:
        """Raises Undecodable, or RegistryUnavailable for an id never seen while it is away."""
        known = self.decode_known(topic, value)
        if known is not None:
            return known
        assert value is not None
        schema_id = _schema_id(value)
        if schema_id not in self._parsed:
            schema = await self._registry.schema(schema_id)
            try:
                self._parsed[schema_id] = _parse(schema)
            except Exception as error:  # whatever is registered under an id somebody else chose
                raise Undecodable(f"schema id {schema_id}: no Avro schema: {error}") from error
        self._ways[topic, value[: _FRAME.size]] = way = self._way(topic, schema_id)
        return _read(way, value)

    def decode_known(self, topic: str, value: bytes | None) -> dict[str, Any] | None:
        """As decode, without asking anybody: None for an id not seen on the topic before."""
        if value is None or len(value) <= _FRAME.size:
            raise Undecodable("value: missing or too short, expected Confluent framing")
        way = self._ways.get((topic, value[: _FRAME.size]))
        if way is None:
            _schema_id(value)
            return None
        return _read(way, value)

    def _way(self, topic: str, schema_id: int) -> avro.Reader:
        """A function made for the schema, or fastavro where reader and writer differ in more than
        fields that the reader leaves out."""
        reader, writer = self._readers.get(topic), self._parsed[schema_id]
        if not isinstance(writer, dict) or "fields" not in writer:
            raise Undecodable(f"value: schema id {schema_id} is no record")
        surplus = () if reader is None else _surplus(writer, reader)
        made = None if surplus is None else avro.reader(writer, surplus)
        return made or partial(_by_fastavro, writer, None if surplus == () else reader)


class _Written:
    """How the events of one topic are written: by a function made for their schema, and by fastavro
    what that one does not know."""

    def __init__(self, frame: bytes, schema: Any) -> None:
        self.schema = schema
        self._frame = frame
        self._made = avro_writer.writer(schema, frame)

    def write(self, data: Mapping[str, Any]) -> bytes:
        if self._made is not None:
            try:
                return self._made(data)
            except Exception as error:  # an unusual value; fastavro says whether it is a wrong one
                log.debug("left to fastavro", error=type(error).__name__)
        buffer = io.BytesIO()
        buffer.write(self._frame)
        fastavro.schemaless_writer(buffer, self.schema, data)
        return buffer.getvalue()


def _schema_id(value: bytes) -> int:
    magic, schema_id = _FRAME.unpack_from(value)
    if magic != 0:
        raise Undecodable(f"value: magic byte {magic}, expected 0 of the Confluent framing")
    return int(schema_id)


def _read(way: avro.Reader, value: bytes) -> dict[str, Any]:
    try:
        data, end = way(value, _FRAME.size)
    except Exception as error:  # any byte may be wrong, and each of them breaks something else
        raise Undecodable(
            f"value: does not decode with schema id {_schema_id(value)}:"
            f" {type(error).__name__} {error}"
        ) from error
    if end != len(value):
        words = "cut off" if end > len(value) else "bytes left over"
        raise Undecodable(f"value: {words} after schema id {_schema_id(value)}")
    return cast(dict[str, Any], data)


def _by_fastavro(writer: Any, reader: Any, value: bytes, at: int) -> tuple[Any, int]:
    body = io.BytesIO(value)
    body.seek(at)
    return fastavro.schemaless_reader(body, writer, reader), body.tell()


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
    if not isinstance(read, dict):
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
