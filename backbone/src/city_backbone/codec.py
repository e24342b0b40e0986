"""Avro with the Confluent framing: 0x00, the writer schema's id in 4 bytes, Avro binary."""

import io
import json
import struct
from collections.abc import Mapping
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
        self._pairs: dict[tuple[str, int], Any] = {}

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
        try:
            data = fastavro.schemaless_reader(
                body, self._parsed[schema_id], self._reader(topic, schema_id)
            )
        except Exception as error:  # any byte may be wrong, and fastavro lets each error through
            raise Undecodable(
                f"value: does not decode with schema id {schema_id}: {type(error).__name__} {error}"
            ) from error
        if body.read(1):
            raise Undecodable(f"value: bytes left over after schema id {schema_id}")
        if not isinstance(data, dict):
            raise Undecodable(f"value: schema id {schema_id} is no record")
        return data

    def _reader(self, topic: str, schema_id: int) -> Any:
        """The topic's reader schema; None, which is much faster, when it is the writer's too."""
        pair = (topic, schema_id)
        if pair not in self._pairs:
            reader = self._readers.get(topic)
            same = _shape(reader) == _shape(self._parsed[schema_id])
            self._pairs[pair] = None if same else reader
        return self._pairs[pair]


def _shape(schema: Any) -> Any:
    """A parsed schema without what does not change how bytes are read."""
    if isinstance(schema, dict):
        left_out = ("doc", "default", "__fastavro_parsed__", "__named_schemas")
        return {key: _shape(value) for key, value in schema.items() if key not in left_out}
    if isinstance(schema, list):
        return [_shape(part) for part in schema]
    return schema


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
