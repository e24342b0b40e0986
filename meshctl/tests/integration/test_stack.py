"""The real stack, with two made-up departments: what the broker, registry and database refuse."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from meshctl.apply import quotas
from meshctl.settings import load as load_settings
from meshctl.state import State

from meshctl import credentials, jvm

TOPIC = "parking.bay-reserved.v1"
PARKING = f"""\
service: parking
owner: o
contact: c
http_port: 51063
produces:
  - topic: {TOPIC}
    schema: bay_reserved.v1.avsc
    key: bay_id
    partitions: 3
    retention: 7d
    class: internal
"""
HEALTH = f"""\
service: health
owner: o
contact: c
http_port: 51064
quotas: {{producer_byte_rate: 1000000}}
consumes: [{{topic: {TOPIC}}}]
"""
STRANGER = "service: stranger\nowner: o\ncontact: c\nhttp_port: 51065\n"
SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "BayReserved",
    "doc": "A bay was reserved.",
    "fields": [{"name": "bay_id", "type": "string", "doc": "Which bay."}],
}
SECONDS = 20.0


@dataclass(frozen=True)
class Mesh:
    """A stack in a folder of its own."""

    folder: Path

    def run(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run meshctl on this stack and expect this exit code."""
        command = [sys.executable, "-m", "meshctl", *arguments, "--state", str(self.state.folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def up(self, code: int = 0) -> subprocess.CompletedProcess[str]:
        services = str(self.folder / "services")
        options = ("--detach", "--backbone-only", "--free-ports", "--services", services)
        return self.run("up", *options, code=code)

    def write(self, name: str, content: str) -> None:
        path = self.folder / "services" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    @property
    def state(self) -> State:
        return State(self.folder / "state")

    def environment(self, name: str) -> dict[str, str]:
        values = json.loads(self.run("env", name, "--json").stdout)
        return {key.removeprefix(f"{name.upper()}_"): value for key, value in values.items()}

    def login(self, name: str) -> dict[str, Any]:
        values = self.environment(name)
        return {
            "bootstrap.servers": values["KAFKA__BOOTSTRAP_SERVERS"],
            "security.protocol": values["KAFKA__SECURITY_PROTOCOL"],
            "sasl.mechanism": values["KAFKA__SASL_MECHANISM"],
            "sasl.username": values["KAFKA__USERNAME"],
            "sasl.password": values["KAFKA__PASSWORD"],
            "log_level": 0,
        }

    def produce(self, name: str, topic: str, value: bytes) -> KafkaError | None:
        """Write one record; the broker's refusal, if any."""
        answers: list[KafkaError | None] = []
        producer = Producer(
            {**self.login(name), "enable.idempotence": True, "message.timeout.ms": 60_000}
        )
        producer.produce(topic, value, on_delivery=lambda error, _: answers.append(error))
        producer.flush(60)
        return answers[0]

    def consume(self, name: str, topic: str, group: str) -> list[bytes]:
        """Read a topic from its start until there is no more. Raises KafkaException."""
        consumer = Consumer(
            {
                **self.login(name),
                "group.id": group,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
            }
        )
        values: list[bytes] = []
        ended: set[int | None] = set()
        deadline = time.monotonic() + SECONDS
        try:
            consumer.subscribe([topic])
            while len(ended) < 3:
                message = consumer.poll(deadline - time.monotonic())
                assert message is not None, "no answer from the broker"
                error = message.error()
                if error is None:
                    values.append(message.value() or b"")
                elif error.code() == KafkaError._PARTITION_EOF:
                    ended.add(message.partition())
                else:
                    raise KafkaException(error)
        finally:
            consumer.close()
        return values


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    found = Mesh(tmp_path_factory.mktemp("stack"))
    found.write("parking/service.yaml", PARKING)
    found.write("parking/events/bay_reserved.v1.avsc", json.dumps(SCHEMA))
    found.write("health/service.yaml", HEALTH)
    found.write("stranger/service.yaml", STRANGER)
    found.up()
    yield found
    if found.state.read_run() is not None:
        found.run("down")


def reason(raised: pytest.ExceptionInfo[KafkaException]) -> str:
    return str(raised.value.args[0].name())


def test_everything_is_ready(mesh: Mesh) -> None:
    status = json.loads(mesh.run("status", "--json").stdout)
    assert status["ready"]
    assert set(status["parts"]) == {"kafka", "postgres", "registry"}
    assert status["lag"]["health"] == {TOPIC: 0.0}


async def test_broker_and_registry_share_the_class_data_that_is_there(mesh: Mesh) -> None:
    java = await jvm.ensure(load_settings(), print)
    run = mesh.state.read_run()
    assert run is not None
    for name in ("kafka", "registry"):
        if not java.class_data(name):
            pytest.skip(f"no class data of {name} and this Java was kept: `make test` does")
        option, _, archive = java.class_data(name)[0].partition("=")
        assert option == "-XX:SharedArchiveFile"
        process = run.parts[name].process
        assert process is not None
        assert archive in {one.path for one in psutil.Process(process.pid).memory_maps()}


def test_only_the_owner_writes(mesh: Mesh) -> None:
    assert mesh.produce("parking", TOPIC, b"mine") is None
    for other in ("health", "stranger", "operator"):
        refused = mesh.produce(other, TOPIC, b"theirs")
        assert refused is not None
        assert refused.name() == "TOPIC_AUTHORIZATION_FAILED"
    values = mesh.consume("health", TOPIC, "health")
    assert b"mine" in values
    assert b"theirs" not in values


def test_only_declared_readers_read(mesh: Mesh) -> None:
    for other in ("stranger", "parking"):
        with pytest.raises(KafkaException) as raised:
            mesh.consume(other, TOPIC, other)
        assert reason(raised) in {"TOPIC_AUTHORIZATION_FAILED", "GROUP_AUTHORIZATION_FAILED"}


def test_a_group_of_another_name_is_refused(mesh: Mesh) -> None:
    with pytest.raises(KafkaException) as raised:
        mesh.consume("health", TOPIC, "parking")
    assert reason(raised) == "GROUP_AUTHORIZATION_FAILED"


def test_dead_letters_are_written_by_the_consumer_alone(mesh: Mesh) -> None:
    dead_letters = f"{TOPIC}.health.dlt"
    assert mesh.produce("health", dead_letters, b"dead") is None
    refused = mesh.produce("parking", dead_letters, b"dead")
    assert refused is not None
    assert refused.name() == "TOPIC_AUTHORIZATION_FAILED"


def test_a_database_is_its_services_own(mesh: Mesh) -> None:
    own = mesh.environment("parking")["DATABASE__DSN"]
    with psycopg.connect(own, connect_timeout=10) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
    for other in ("health", "postgres"):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(f"{own.rpartition('/')[0]}/{other}", connect_timeout=10)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(own.replace("//parking:", "//health:"), connect_timeout=10)


def test_a_second_up_is_refused_in_one_line(mesh: Mesh) -> None:
    refused = mesh.up(code=1)
    assert "a stack already runs on" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_lag_tells_how_long_a_record_waits(mesh: Mesh) -> None:
    assert mesh.produce("parking", TOPIC, b"waits") is None
    lag = json.loads(mesh.run("status", "--json").stdout)["lag"]["health"][TOPIC]
    assert lag > 0


def test_an_incompatible_schema_is_refused_by_name(mesh: Mesh) -> None:
    broken = {**SCHEMA, "fields": [{"name": "floor", "type": "int", "doc": "Which floor."}]}
    mesh.write("parking/events/bay_reserved.v1.avsc", json.dumps(broken))
    try:
        refused = mesh.run("apply", code=1)
    finally:
        mesh.write("parking/events/bay_reserved.v1.avsc", json.dumps(SCHEMA))
    assert f"schema {TOPIC}-value: not FULL_TRANSITIVE compatible" in refused.stderr
    assert "floor: it is read without a default, and never written" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_a_compatible_schema_is_a_new_version_once(mesh: Mesh) -> None:
    note = {"name": "note", "type": "string", "default": "", "doc": "For people."}
    grown = {**SCHEMA, "fields": [*SCHEMA["fields"], note]}
    mesh.write("parking/events/bay_reserved.v1.avsc", json.dumps(grown))
    assert "1 schemas (1 new)" in mesh.run("apply").stdout
    assert "1 schemas (0 new)" in mesh.run("apply").stdout


def test_what_is_no_longer_declared_is_taken_away(mesh: Mesh) -> None:
    assert mesh.produce("parking", TOPIC, b"for health") is None
    mesh.write("health/service.yaml", HEALTH.replace(f"[{{topic: {TOPIC}}}]", "[]"))
    try:
        mesh.run("apply")
        with pytest.raises(KafkaException) as raised:
            mesh.consume("health", TOPIC, "health")
        assert reason(raised) in {"TOPIC_AUTHORIZATION_FAILED", "GROUP_AUTHORIZATION_FAILED"}
    finally:
        mesh.write("health/service.yaml", HEALTH)
        mesh.run("apply")
    assert b"for health" in mesh.consume("health", TOPIC, "health")


async def test_quotas_are_on_the_broker(mesh: Mesh) -> None:
    ports = json.loads(mesh.state.ports.read_text())
    password = credentials.ensure(mesh.state, [], []).kafka["admin"]
    broker = f"127.0.0.1:{ports['kafka']}"
    declared = {"health": {"producer_byte_rate": 1_000_000.0}}
    assert await quotas.apply(broker, password, declared) == 0
    assert await quotas.apply(broker, password, {}) == 1
    assert await quotas.apply(broker, password, declared) == 1


def test_a_killed_broker_is_healed_and_has_lost_nothing(mesh: Mesh) -> None:
    assert mesh.produce("parking", TOPIC, b"before the kill") is None
    run = mesh.state.read_run()
    assert run is not None
    before = run.parts["kafka"].process
    assert before is not None
    os.kill(before.pid, signal.SIGKILL)
    assert mesh.produce("parking", TOPIC, b"after the kill") is None
    assert {b"before the kill", b"after the kill"} <= set(mesh.consume("health", TOPIC, "health"))
    mesh.run("apply")


def test_restart_returns_when_it_is_ready_again(mesh: Mesh) -> None:
    mesh.run("restart", "postgres")
    with psycopg.connect(mesh.environment("parking")["DATABASE__DSN"], connect_timeout=10):
        pass
    assert "there is no part 'nobody'" in mesh.run("restart", "nobody", code=2).stderr


def test_data_survives_down_and_up(mesh: Mesh) -> None:
    dsn = mesh.environment("parking")["DATABASE__DSN"]
    assert mesh.produce("parking", TOPIC, b"to be kept") is None
    with psycopg.connect(dsn, connect_timeout=10) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    records = mesh.consume("health", TOPIC, "health")
    assert b"to be kept" in records
    mesh.run("down")
    assert "no stack runs" in mesh.run("status", code=1).stderr
    assert "(0 new)" in mesh.up().stdout
    with psycopg.connect(dsn, connect_timeout=10) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)
    assert sorted(mesh.consume("health", TOPIC, "health")) == sorted(records)
