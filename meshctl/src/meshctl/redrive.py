"""`meshctl redrive`: put dead letters back on their topic, after their cause is gone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaException, Producer

from meshctl.errors import MeshctlError

_QUIET_SECONDS = 10.0
_DELIVERY_SECONDS = 10.0


def redrive(
    reader: Mapping[str, Any],
    writer: Mapping[str, Any],
    topic: str,
    group: str,
    say: Callable[[str], None],
) -> int:
    """Write each dead letter not redriven before to where it came from; returns how many.

    The bytes, key, headers and partition are the original's, so the same `ce_id`: every other
    group's inbox knows it, and only `group`, which never handled it, takes it. An offset of the
    dead-letter topic is committed once the broker has the copy. Raises MeshctlError.
    """
    dead = f"{topic}.{group}.dlt"
    consumer = Consumer(
        {
            **reader,
            "group.id": f"operator-redrive-{dead}",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    producer = Producer({**writer, "acks": "all", "enable.idempotence": True})
    try:
        known = consumer.list_topics(dead, timeout=_QUIET_SECONDS).topics[dead]
        if known.error is not None:
            raise MeshctlError(f"{dead}: {known.error.str()}")
        consumer.subscribe([dead])
        count, ended = 0, set[int]()
        while len(ended) < len(known.partitions):
            message = consumer.poll(_QUIET_SECONDS)
            if message is None:
                raise MeshctlError(f"{dead}: the broker did not answer in {_QUIET_SECONDS} s")
            error = message.error()
            if error is not None:
                if error.name() != "_PARTITION_EOF":
                    raise MeshctlError(f"{dead}: {error.str()}")
                ended.add(message.partition() or 0)
                continue
            _copy(producer, topic, message)
            consumer.commit(message=message, asynchronous=False)
            count += 1
            say(f"{topic}: redriven {message.partition()}/{message.offset()}")
        return count
    except KafkaException as error:
        raise MeshctlError(f"{dead}: {error.args[0].str()}") from error
    finally:
        consumer.close()


def _copy(producer: Producer, topic: str, message: Any) -> None:
    headers = message.headers() or []
    added = {name: value for name, value in headers if name.startswith("dlt_")}
    failures: list[str] = []

    def delivered(error: Any, _: Any) -> None:
        if error is not None:
            failures.append(error.str())

    producer.produce(
        topic,
        value=message.value(),
        key=message.key(),
        headers=[(name, value) for name, value in headers if not name.startswith("dlt_")],
        partition=int(added.get("dlt_partition", b"-1")),
        on_delivery=delivered,
    )
    if producer.flush(_DELIVERY_SECONDS) or failures:
        raise MeshctlError(f"{topic}: not written: {', '.join(failures) or 'no answer in time'}")
