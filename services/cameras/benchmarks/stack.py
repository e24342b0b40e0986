"""The stack under the contenders: started, filled, set back between rounds, asked, taken down."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
from aiokafka import AIOKafkaConsumer, TopicPartition
from cameras.alarms import facts
from cameras.alarms.alarm import Site
from cameras.settings import CamerasSettings
from city_backbone.events import OutgoingEvent
from city_backbone.registration import load as registration
from city_backbone.runtime import Backbone, Service
from city_backbone.testing import Mesh, run_service
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic
from meshctl.credentials import ADMIN

from meshctl import kafka
from services.cameras.benchmarks import wire
from services.cameras.benchmarks.outcome import Alarms, Outcome, tell

GROUP = "cameras"
_CHUNK = 5_000
_GROUP_SECONDS = 60.0


@contextmanager
def started(state: Path) -> Iterator["Stack"]:
    """One of its own on free ports."""
    _meshctl("up", "--detach", "--backbone-only", "--free-ports", "--state", str(state))
    try:
        yield Stack(state)
    finally:
        _meshctl("down", "--state", str(state))


async def _watcher(backbone: Backbone[CamerasSettings]) -> Service:
    return Service()


class Stack:
    def __init__(self, state: Path) -> None:
        self.mesh = Mesh(state)
        self.environment = self.mesh.environment("cameras")
        self.bootstrap = self.environment["CAMERAS_KAFKA__BOOTSTRAP_SERVERS"]
        self.username = ADMIN
        self.password: str = json.loads((state / "secrets.json").read_text())["kafka"][ADMIN]
        self._admin: AdminClient = kafka.admin(self.bootstrap, self.username, self.password)

    async def fill(self, events: Sequence[OutgoingEvent], sites: Mapping[str, Site]) -> None:
        """Registers the sites and puts the detections on their topic."""
        async with run_service(self.mesh, CamerasSettings, _watcher, GROUP) as service:
            async with service.backbone.database.transaction() as connection:
                await connection.cursor().executemany(
                    "insert into site (site_id, name, purpose, position)"
                    " values (%s, %s, 'PARK', point(%s, %s)) on conflict do nothing",
                    [(s.site_id, s.place, s.longitude, s.latitude) for s in sites.values()],
                )
            for start in range(0, len(events), _CHUNK):
                await service.backbone.direct.publish(events[start : start + _CHUNK])

    def create(self, topic: str) -> None:
        """For what a peer tells."""
        wanted = NewTopic(topic, num_partitions=3, replication_factor=1)
        kafka.collect("topic", self._admin.create_topics([wanted]))

    def forget(self) -> None:
        """The service starts anew: no state, no alarm, no offset."""
        with psycopg.connect(self.environment["CAMERAS_DATABASE__DSN"]) as connection:
            connection.execute("truncate alarm, alarm_change, site_watch, outbox, inbox")
        deadline = time.monotonic() + _GROUP_SECONDS
        while True:
            try:
                self._admin.delete_consumer_groups([GROUP])[GROUP].result()
                return
            except KafkaException as error:
                name = error.args[0].name()
                if name == "GROUP_ID_NOT_FOUND":
                    return
                # A static member that stopped is a member until its session ends.
                if name != "NON_EMPTY_GROUP" or time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def stored(self) -> Alarms:
        """The service's alarms."""
        with psycopg.connect(self.environment["CAMERAS_DATABASE__DSN"]) as connection:
            rows = connection.execute(
                "select alarm_id::text, site_id, kind, rule_id, occurred_at, witnesses from alarm"
            )
            return {
                alarm_id: Outcome(site_id, kind, rule_id, at, tuple(sorted(map(_witness, seen))))
                for alarm_id, site_id, kind, rule_id, at, seen in rows.fetchall()
            }

    async def told(self, topic: str) -> Alarms:
        """A peer's alarms, as they were in the end."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap,
            security_protocol="SASL_PLAINTEXT",
            sasl_mechanism="SCRAM-SHA-512",
            sasl_plain_username=self.username,
            sasl_plain_password=self.password,
            enable_auto_commit=False,
        )
        alarms: dict[str, Outcome] = {}
        await consumer.start()
        try:
            parts = [TopicPartition(topic, number) for number in range(3)]
            consumer.assign(parts)
            await consumer.seek_to_beginning()
            for part, end in (await consumer.end_offsets(parts)).items():
                while await consumer.position(part) < end:
                    record = await consumer.getone(part)
                    tell(alarms, *wire.told(record.headers, record.value))
        finally:
            await consumer.stop()
        return alarms


def _witness(stored: Sequence[str]) -> tuple[str, str]:
    _, camera_id, track_id = stored
    return camera_id, track_id


def _meshctl(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "meshctl", *arguments], check=True, timeout=300)


def partitions() -> int:
    """Of the detections' topic."""
    produced = registration(Path(__file__).parents[1] / "service.yaml").produces
    return next(one.partitions for one in produced if one.topic == facts.OBJECT_DETECTED)
