"""The stack under the contenders: started, filled, set back between rounds, read, taken down."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from aiokafka import AIOKafkaConsumer, TopicPartition
from city_backbone.events import OutgoingEvent
from city_backbone.runtime import Backbone, Service
from city_backbone.testing import Mesh, run_service
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException
from confluent_kafka import TopicPartition as Position
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType
from meshctl.credentials import ADMIN

from loadtests.peers import wire
from loadtests.peers.jobs.city import City, Told
from meshctl import kafka

OUTPUT_PARTITIONS = 3
_CHUNK = 5_000
_SECONDS = 60.0
_KEPT = ("cleanup.policy", "retention.ms", "max.message.bytes", "min.insync.replicas")

Ends = Mapping[tuple[str, int], int]
"""By topic and partition."""


@contextmanager
def started(state: Path) -> Iterator[None]:
    """One of its own on free ports."""
    _meshctl("up", "--detach", "--backbone-only", "--free-ports", "--state", str(state))
    try:
        yield
    finally:
        _meshctl("down", "--state", str(state))


async def _watcher(backbone: Backbone[Any]) -> Service:
    return Service()


class Stack:
    """As one job uses it."""

    def __init__(self, state: Path, city: City) -> None:
        self.city = city
        self.mesh = Mesh(state)
        self.environment = self.mesh.environment(city.service)
        prefix = city.service.upper()
        self.bootstrap = self.environment[f"{prefix}_KAFKA__BOOTSTRAP_SERVERS"]
        self.dsn = self.environment[f"{prefix}_DATABASE__DSN"]
        self.username = ADMIN
        self.password: str = json.loads((state / "secrets.json").read_text())["kafka"][ADMIN]
        self._admin: AdminClient = kafka.admin(self.bootstrap, self.username, self.password)

    @property
    def login(self) -> dict[str, Any]:
        """Of aiokafka's clients."""
        return {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": self.username,
            "sasl_plain_password": self.password,
        }

    @property
    def librdkafka(self) -> dict[str, Any]:
        """Of confluent-kafka's clients."""
        return {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": self.username,
            "sasl.password": self.password,
        }

    async def fill(self, events: Sequence[OutgoingEvent]) -> None:
        """Registers the places and puts the events on their topic."""
        city = self.city
        async with run_service(self.mesh, city.settings, _watcher, city.service) as service:
            async with service.backbone.database.transaction() as connection:
                await city.register(connection, datetime.now(UTC))
            for start in range(0, len(events), _CHUNK):
                await service.backbone.direct.publish(events[start : start + _CHUNK])

    def partitions(self, topic: str) -> int:
        return len(self._admin.list_topics(topic, timeout=_SECONDS).topics[topic].partitions)

    def create(self, topic: str, partitions: int = OUTPUT_PARTITIONS) -> None:
        """For what a peer tells."""
        wanted = NewTopic(topic, num_partitions=partitions, replication_factor=1)
        kafka.collect("topic", self._admin.create_topics([wanted]))

    def empty(self, topic: str) -> None:
        if any(asyncio.run(self.ends([topic])).values()):
            self.recreate(topic, self.partitions(topic))

    def recreate(self, topic: str, partitions: int) -> None:
        """Empty, with so many partitions and its other settings as they were."""
        resource = ConfigResource(ResourceType.TOPIC, topic)
        found = self._admin.describe_configs([resource])[resource].result()
        config = {name: found[name].value for name in _KEPT if name in found}
        kafka.collect("topic", self._admin.delete_topics([topic]))
        deadline = time.monotonic() + _SECONDS
        while True:  # it is gone a while after it was deleted
            wanted = NewTopic(topic, partitions, 1, config=config)
            try:
                self._admin.create_topics([wanted])[topic].result()
            except KafkaException as error:
                exists = error.args[0].name() == "TOPIC_ALREADY_EXISTS"
                if not exists or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
            else:
                break
        while self.partitions(topic) != partitions:
            time.sleep(0.1)

    def forget(self, group: str) -> None:
        """The department and the group start anew: no state, nothing told, no offset."""
        with psycopg.connect(self.dsn) as connection:
            for statement in self.city.tables.split(";"):
                connection.execute(statement.encode())
            connection.execute("drop schema if exists peers cascade")
        deadline = time.monotonic() + _SECONDS
        while True:
            try:
                self._admin.delete_consumer_groups([group])[group].result()
                return
            except KafkaException as error:
                name = error.args[0].name()
                if name == "GROUP_ID_NOT_FOUND":
                    return
                # A static member that stopped is a member until its session ends.
                if name != "NON_EMPTY_GROUP" or time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def skip(self, group: str, ends: Ends) -> None:
        """The group has read up to there."""
        positions = [Position(topic, partition, end) for (topic, partition), end in ends.items()]
        request = ConsumerGroupTopicPartitions(group, positions)
        self._admin.alter_consumer_group_offsets([request])[group].result()

    def members(self, group: str, topic: str) -> tuple[int, int]:
        """How many members a group that is not rebalancing has, and how many of `topic`'s
        partitions are assigned to them."""
        described = self._admin.describe_consumer_groups([group])[group].result()
        if described.state.name != "STABLE":
            return 0, 0
        given = [
            one
            for member in described.members
            for one in (member.assignment.topic_partitions if member.assignment else ())
            if one.topic == topic
        ]
        return len(described.members), len(given)

    async def ends(self, topics: Sequence[str]) -> Ends:
        async with self._reader() as consumer:
            return await _ends(consumer, _parts(topics, self.partitions))

    async def told(self, topics: Sequence[str], since: Ends) -> list[Told]:
        """What was told on `topics` from `since` on until now, of each partition in order."""
        told: list[Told] = []
        async with self._reader() as consumer:
            parts = _parts(topics, self.partitions)
            consumer.assign(parts)
            await _seek(consumer, parts, since)
            for (topic, partition), end in (await _ends(consumer, parts)).items():
                part = TopicPartition(topic, partition)
                others = [other for other in parts if other != part]
                consumer.pause(*others)
                while await consumer.position(part) < end:
                    for records in (await consumer.getmany(part, timeout_ms=500)).values():
                        told += [wire.told(one.headers, one.value) for one in records]
                consumer.resume(*others)
        return told

    def _reader(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(enable_auto_commit=False, **self.login)


async def _seek(consumer: AIOKafkaConsumer, parts: Sequence[TopicPartition], to: Ends) -> None:
    for part in parts:
        consumer.seek(part, to.get((part.topic, part.partition), 0))


async def _ends(consumer: AIOKafkaConsumer, parts: Sequence[TopicPartition]) -> Ends:
    found = await consumer.end_offsets(parts)
    return {(part.topic, part.partition): end for part, end in found.items()}


def _parts(topics: Sequence[str], partitions: Any) -> list[TopicPartition]:
    return [
        TopicPartition(topic, number) for topic in topics for number in range(partitions(topic))
    ]


def _meshctl(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "meshctl", *arguments], check=True, timeout=300)
