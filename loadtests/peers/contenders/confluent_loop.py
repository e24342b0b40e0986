"""A bare confluent-kafka loop: librdkafka fetches and sends. Its state is only in memory."""

import time
from collections.abc import Sequence
from typing import Any

from city_backbone.events import OutgoingEvent
from confluent_kafka import Consumer, KafkaError, Message, Producer

from loadtests.peers import task, wire
from loadtests.peers.jobs import stage
from loadtests.peers.jobs.stage import Memory
from loadtests.peers.task import Result, Stopwatch, Task

FETCH = 3_000
"""Records at most of one consume, over all partitions; it returns with what is there."""
_WAIT_SECONDS = 0.05
_CONFIRM_SECONDS = 30.0


class NotSentError(Exception):
    """The broker did not confirm an event."""


def run(what: Task) -> Result:
    memory, watch = Memory(stage.create(what.job, bytes(what.places))), Stopwatch()
    consumer = Consumer(
        {
            **_login(what),
            "group.id": what.group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )
    producer = Producer({**_login(what), "acks": "all", "enable.idempotence": True})
    consumer.subscribe([what.topic])
    try:
        done, committed_at = 0, time.monotonic()
        while done < what.events:
            records = consumer.consume(FETCH, _WAIT_SECONDS)
            if not records:
                continue
            watch.start()
            # A key is in one partition, so all partitions at once are as good as one.
            _send(producer, what.output, memory.take(_value(record) for record in records))
            done += len(records)
            if done >= what.events or time.monotonic() - committed_at > task.COMMIT_SECONDS:
                consumer.commit(asynchronous=False)
                committed_at = time.monotonic()
        return watch.stop()
    finally:
        consumer.close()


def _value(record: Message) -> bytes:
    value = record.value()
    assert value is not None, "the benchmark's topic has no tombstones"
    return value


def _send(producer: Producer, topic: str, events: Sequence[OutgoingEvent]) -> None:
    """Returns when all are confirmed. Raises NotSentError."""
    if not events:
        return
    failed: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failed.append(error)

    for event in events:
        producer.produce(
            topic,
            key=event.key.encode(),
            value=wire.encoded(event),
            headers=list(wire.headers(event)),
            on_delivery=delivered,
        )
    if producer.flush(_CONFIRM_SECONDS) or failed:
        raise NotSentError(f"{topic}: {failed[:1] or 'no answer'}")


def _login(what: Task) -> dict[str, Any]:
    return {
        "bootstrap.servers": what.bootstrap,
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": what.username,
        "sasl.password": what.password,
    }


if __name__ == "__main__":
    task.answer(run(task.read()))
