"""`meshctl tail`: read a topic as an integrator would, with the registry's schemas."""

from __future__ import annotations

import io
import json
import struct
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import fastavro
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaException, TopicPartition

from meshctl.errors import MeshctlError

_DEADLINE_SECONDS = 10.0


class Schemas:
    """Writer schemas by id, from the registry's Confluent-compatible API."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._parsed: dict[int, Any] = {}

    def decode(self, value: bytes) -> Any:
        """A Confluent-framed Avro value. Raises MeshctlError when it is none."""
        if len(value) < 5 or value[0] != 0:
            raise MeshctlError("value: expected Confluent framing: 0x00 and a 4-byte schema id")
        (identity,) = struct.unpack(">I", value[1:5])
        return fastavro.schemaless_reader(io.BytesIO(value[5:]), self._schema(identity), None)

    def _schema(self, identity: int) -> Any:
        if identity not in self._parsed:
            try:
                address = f"{self._url}/schemas/ids/{identity}"
                with urllib.request.urlopen(address, timeout=_DEADLINE_SECONDS) as answer:
                    schema = json.loads(json.load(answer)["schema"])
            except (OSError, ValueError, KeyError) as error:
                raise MeshctlError(f"registry: schema id {identity}: {error}") from error
            self._parsed[identity] = fastavro.parse_schema(schema)
        return self._parsed[identity]


def kafka_configuration(environment: Mapping[str, str], name: str) -> dict[str, str]:
    """librdkafka's settings for the principal whose environment this is."""
    prefix = f"{name.upper()}_KAFKA__"
    return {
        "bootstrap.servers": environment[f"{prefix}BOOTSTRAP_SERVERS"],
        "security.protocol": environment[f"{prefix}SECURITY_PROTOCOL"],
        "sasl.mechanisms": environment[f"{prefix}SASL_MECHANISM"],
        "sasl.username": environment[f"{prefix}USERNAME"],
        "sasl.password": environment[f"{prefix}PASSWORD"],
    }


def events(
    environment: Mapping[str, str],
    name: str,
    topic: str,
    *,
    from_beginning: bool,
    stop: Callable[[int, bool], bool],
) -> Iterator[dict[str, Any]]:
    """Events of `topic` as JSON-ready dicts, until `stop(seen, caught_up)` says so.

    Each has `key`, `partition`, `offset`, `headers` and `data`; `data` is the decoded record, or
    None with `problem` saying why. Raises MeshctlError when the topic cannot be read.
    """
    schemas = Schemas(environment[f"{name.upper()}_REGISTRY__URL"])
    consumer = Consumer(
        {
            **kafka_configuration(environment, name),
            "group.id": f"{name}-tail",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "log_level": 2,
        }
    )
    try:
        partitions = _partitions(consumer, topic)
        start = OFFSET_BEGINNING if from_beginning else OFFSET_END
        consumer.assign([TopicPartition(topic, number, start) for number in partitions])
        seen, ended = 0, set[int]()
        while not stop(seen, len(ended) == len(partitions)):
            message = consumer.poll(0.2)
            if message is None:
                continue
            error = message.error()
            if error is not None:
                if error.name() != "_PARTITION_EOF":
                    raise MeshctlError(f"{topic}: {error.str()}")
                ended.add(message.partition() or 0)
                continue
            seen += 1
            yield _event(message, schemas)
    except KafkaException as error:
        raise MeshctlError(f"{topic}: {error.args[0].str()}") from error
    finally:
        consumer.close()


def line(event: Mapping[str, Any]) -> str:
    """One event on one line, Korean as it is."""
    when = event["headers"].get("ce_time", "")
    shown = event["data"] if event["data"] is not None else f"({event['problem']})"
    text = json.dumps(shown, ensure_ascii=False, default=_plain)
    return f"{when}  {event['partition']}/{event['offset']}  {event['key']}  {text}"


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _partitions(consumer: Consumer, topic: str) -> list[int]:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while True:
        metadata = consumer.list_topics(topic, timeout=_DEADLINE_SECONDS).topics[topic]
        if metadata.error is None:
            return sorted(metadata.partitions)
        if time.monotonic() > deadline or metadata.error.name() != "LEADER_NOT_AVAILABLE":
            raise MeshctlError(f"{topic}: {metadata.error.str()}")


def _event(message: Any, schemas: Schemas) -> dict[str, Any]:
    headers = {
        key: (value or b"").decode("utf-8", "replace") for key, value in message.headers() or ()
    }
    data, problem = None, None
    try:
        data = schemas.decode(message.value() or b"")
    except (MeshctlError, ValueError, EOFError) as error:
        problem = str(error)
    _, milliseconds = message.timestamp()
    return {
        "key": (message.key() or b"").decode("utf-8", "replace"),
        "partition": message.partition(),
        "offset": message.offset(),
        "timestamp": datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(),
        "headers": headers,
        "data": data,
        "problem": problem,
    }
