"""How far each consumer is behind, in seconds: the age of the oldest record it has not done."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from city_backbone.registration import Registration
from confluent_kafka import (
    Consumer,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from meshctl import kafka
from meshctl.credentials import ADMIN, Credentials
from meshctl.errors import ApplyError
from meshctl.ports import HOST, Ports

_DEADLINE_SECONDS = 8.0
_POLL_SECONDS = 0.5
_BATCH = 500

Partition = tuple[str, int]
"""Topic and partition number."""


@dataclass(frozen=True, slots=True)
class Lag:
    """One group on one topic: 0 s and 0 records when it is caught up.

    ``seconds`` is None when the oldest record could not be fetched in time.
    """

    group: str
    topic: str
    seconds: float | None
    records: int


def measure(
    registrations: Iterable[Registration], ports: Ports, credentials: Credentials
) -> list[Lag]:
    """The lag of every service on every topic it consumes. Blocks, for seconds at most.

    Raises ApplyError when the broker does not answer.
    """
    settings = kafka.client_settings(f"{HOST}:{ports['kafka']}", ADMIN, credentials.kafka[ADMIN])
    admin = AdminClient(settings)
    try:
        return _measure(admin, settings, registrations)
    except (KafkaException, TimeoutError) as error:
        raise ApplyError(f"the broker did not tell the lag: {error}") from error


def _measure(
    admin: AdminClient, settings: dict[str, object], registrations: Iterable[Registration]
) -> list[Lag]:
    topics = admin.list_topics(timeout=_DEADLINE_SECONDS).topics
    found: list[Lag] = []
    for registration in registrations:
        partitions = [
            (consumed.topic, partition)
            for consumed in registration.consumes
            if consumed.topic in topics
            for partition in topics[consumed.topic].partitions
        ]
        if registration.is_client or not partitions:
            continue
        committed = _committed(settings, registration.group, partitions)
        first, end = _offsets(admin, partitions)
        pending = {
            partition: max(committed.get(partition, 0), first[partition])
            for partition in partitions
            if max(committed.get(partition, 0), first[partition]) < end[partition]
        }
        appended = _appended(settings, pending)
        records = {partition: end[partition] - offset for partition, offset in pending.items()}
        for topic in sorted({topic for topic, _ in partitions}):
            found.append(of_topic(registration.group, topic, records, appended, time.time()))
    return found


def of_topic(
    group: str,
    topic: str,
    records: Mapping[Partition, int],
    appended: Mapping[Partition, float],
    now: float,
) -> Lag:
    """The lag of a topic: records not done by partition, and when the oldest was appended.

    Times are in seconds since 1970. A partition without an entry in ``records`` is caught up.
    """
    behind = [partition for partition in records if partition[0] == topic]
    if not behind:
        return Lag(group, topic, 0.0, 0)
    times = [appended[partition] for partition in behind if partition in appended]
    seconds = max(0.0, now - min(times)) if times else None
    return Lag(group, topic, seconds, sum(records[partition] for partition in behind))


def _committed(
    settings: Mapping[str, object], group: str, partitions: Iterable[Partition]
) -> dict[Partition, int]:
    """Asked as a consumer that never joins: librdkafka's admin client ends the process with a
    segmentation fault while the coordinator is loading (confluentinc/librdkafka#5040, in 2.16)."""
    consumer = Consumer({**settings, "group.id": group, "enable.auto.commit": False})
    try:
        wanted = [TopicPartition(topic, number) for topic, number in partitions]
        answer = consumer.committed(wanted, timeout=_DEADLINE_SECONDS)
    finally:
        consumer.close()
    return {
        (one.topic, one.partition): one.offset
        for one in answer
        if one.offset >= 0 and one.error is None
    }


def _offsets(
    admin: AdminClient, partitions: Iterable[Partition]
) -> tuple[dict[Partition, int], dict[Partition, int]]:
    """The first offset still kept, and the one after the last, of each partition."""
    wanted = list(partitions)
    answers = []
    specs = (OffsetSpec.earliest(), OffsetSpec.latest())  # type: ignore[no-untyped-call]
    for spec in specs:
        request = {TopicPartition(topic, partition): spec for topic, partition in wanted}
        futures = admin.list_offsets(request)
        answers.append(
            {
                (one.topic, one.partition): future.result(timeout=_DEADLINE_SECONDS).offset
                for one, future in futures.items()
            }
        )
    return answers[0], answers[1]


def _appended(
    settings: Mapping[str, object], pending: Mapping[Partition, int]
) -> dict[Partition, float]:
    """When the record at each offset was appended, for those that could be fetched in time."""
    found: dict[Partition, float] = {}
    if not pending:
        return found
    consumer = Consumer(
        {
            **settings,
            "group.id": "meshctl-lag",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "max.partition.fetch.bytes": 65536,
            "queued.max.messages.kbytes": 4096,
        }
    )
    try:
        consumer.assign(
            [TopicPartition(*partition, offset) for partition, offset in pending.items()]
        )
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while len(found) < len(pending) and time.monotonic() < deadline:
            for message in consumer.consume(_BATCH, timeout=_POLL_SECONDS):
                topic, partition = message.topic(), message.partition()
                if message.error() or topic is None or partition is None:
                    continue
                if (topic, partition) not in found:
                    found[topic, partition] = message.timestamp()[1] / 1000
                    consumer.pause([TopicPartition(topic, partition)])
    finally:
        consumer.close()
    return found
