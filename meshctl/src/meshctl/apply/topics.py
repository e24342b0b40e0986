"""Topics: what the registrations declare, and making the broker have it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from city_backbone.registration import DEAD_LETTER_RETENTION, Registration
from confluent_kafka import KafkaError
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

from meshctl.errors import ApplyError
from meshctl.kafka import REQUEST_SECONDS, collect


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as it should be. Retention is by the time the broker appended a record."""

    name: str
    partitions: int
    retention: timedelta
    compacted: bool = False

    @property
    def configuration(self) -> dict[str, str]:
        """The topic's settings.

        Records carry the broker's append time, not the producer's: a replay of old measurements
        must not be deleted by retention for the age of what it tells.
        """
        return {
            "retention.ms": str(int(self.retention.total_seconds() * 1000)),
            "cleanup.policy": "compact,delete" if self.compacted else "delete",
            "message.timestamp.type": "LogAppendTime",
            "min.insync.replicas": "1",
        }


def declared(registrations: Iterable[Registration]) -> dict[str, TopicSpec]:
    """Every topic of these registrations, the dead-letter topics too.

    A dead-letter topic has as many partitions as its source. That of a topic which no
    registration produces cannot be sized and is left out; `meshctl check` reports it.
    """
    known = tuple(registrations)
    topics = {
        produced.topic: TopicSpec(
            produced.topic, produced.partitions, produced.retention, produced.compacted
        )
        for registration in known
        for produced in registration.produces
    }
    for registration in known:
        for source, name in registration.dead_letter_topics().items():
            if source in topics:
                topics[name] = TopicSpec(name, topics[source].partitions, DEAD_LETTER_RETENTION)
    return topics


def apply(admin: AdminClient, wanted: Mapping[str, TopicSpec]) -> int:
    """Create what is missing and change what differs; the number of topics touched.

    Raises ApplyError, also when a topic would have to lose partitions.
    """
    existing = {
        name: len(topic.partitions)
        for name, topic in admin.list_topics(timeout=REQUEST_SECONDS).topics.items()
    }
    missing = [spec for name, spec in wanted.items() if name not in existing]
    if missing:
        collect(
            "topic",
            admin.create_topics(
                [
                    NewTopic(spec.name, spec.partitions, 1, config=spec.configuration)
                    for spec in missing
                ],
                operation_timeout=REQUEST_SECONDS,
            ),
            ignore=[KafkaError.TOPIC_ALREADY_EXISTS],
        )
    kept = [spec for name, spec in wanted.items() if name in existing]
    return len(missing) + len(_grow(admin, kept, existing) | _reconfigure(admin, kept))


def _grow(admin: AdminClient, specs: Iterable[TopicSpec], existing: Mapping[str, int]) -> set[str]:
    grown = []
    for spec in specs:
        if spec.partitions < existing[spec.name]:
            raise ApplyError(
                f"topic {spec.name}: it has {existing[spec.name]} partitions and cannot shrink to"
                f" the {spec.partitions} declared; a topic with fewer is a new major version"
            )
        if spec.partitions > existing[spec.name]:
            grown.append(NewPartitions(spec.name, spec.partitions))
    if grown:
        collect("topic", admin.create_partitions(grown))
    return {partitions.topic for partitions in grown}


def _reconfigure(admin: AdminClient, specs: Iterable[TopicSpec]) -> set[str]:
    by_name = {spec.name: spec for spec in specs}
    if not by_name:
        return set()
    found = collect(
        "topic",
        admin.describe_configs([ConfigResource(ResourceType.TOPIC, name) for name in by_name]),
    )
    changed: list[ConfigResource] = []
    for resource, entries in found.items():
        updates = [
            ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
            for key, value in by_name[resource.name].configuration.items()
            if entries[key].value != value
        ]
        if updates:
            changed.append(
                ConfigResource(ResourceType.TOPIC, resource.name, incremental_configs=updates)
            )
    if changed:
        collect("topic", admin.incremental_alter_configs(changed))
    return {resource.name for resource in changed}
