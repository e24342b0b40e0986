"""The broker: one KRaft node that is controller and broker."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from pathlib import Path

from meshctl import kafka
from meshctl.credentials import ADMIN, Credentials
from meshctl.errors import PartFailedError
from meshctl.jvm import Jvm
from meshctl.parts.base import Command, listens
from meshctl.ports import HOST, Ports
from meshctl.settings import Settings
from meshctl.state import State, write_text

_FORMAT_SECONDS = 120.0
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"


class KafkaPart:
    """Apache Kafka from its own jars."""

    name = "kafka"
    tier = 0
    stop_signal = signal.SIGTERM
    stop_seconds = 30.0
    essential = True

    def __init__(
        self, settings: Settings, state: State, jvm: Jvm, ports: Ports, credentials: Credentials
    ) -> None:
        self.port: int | None = ports["kafka"]
        self._settings = settings
        self._state = state
        self._jvm = jvm
        self._ports = ports
        self._credentials = credentials
        self._properties = state.kafka / "server.properties"
        self._data = state.kafka / "data"

    async def prepare(self) -> None:
        """Write the broker's configuration and format its storage, unless it is formatted."""
        write_text(self._properties, self._configuration(), mode=0o600)
        if (self._data / "meta.properties").is_file():
            return
        arguments = self._state.kafka / "format.args"
        write_text(arguments, formatting(str(self._properties), self._credentials), mode=0o600)
        process = await asyncio.create_subprocess_exec(
            *self._java("-XX:TieredStopAtLevel=1", *self._jvm.class_data(self.name, keep=False)),
            *("kafka.tools.StorageTool", "format", f"@{arguments}"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            output, _ = await asyncio.wait_for(process.communicate(), _FORMAT_SECONDS)
        except BaseException:
            if process.returncode is None:
                process.kill()
            raise
        finally:
            arguments.unlink(missing_ok=True)
        if process.returncode != 0:
            lines = output.decode(errors="replace").strip().splitlines() or ["no reason given"]
            raise PartFailedError(f"kafka: its storage could not be formatted: {lines[-1]}")

    def command(self) -> Command:
        heap = self._settings.kafka_heap
        log4j = self._settings.local / "log4j2.properties"
        return Command(
            arguments=(
                *self._java(
                    f"-Xmx{heap}",
                    f"-Dlog4j2.configurationFile={log4j}",
                    *self._jvm.class_data(self.name),
                ),
                *("kafka.Kafka", str(self._properties)),
            ),
            cwd=self._state.kafka,
        )

    async def ready(self) -> bool:
        port = self._ports["kafka"]
        if not await listens(port):
            return False
        return await kafka.answers(f"{HOST}:{port}", ADMIN, self._credentials.kafka[ADMIN])

    async def healthy(self) -> bool:
        return True

    def _java(self, *options: str) -> tuple[str, ...]:
        return (
            self._jvm.java,
            *("-XX:+UseSerialGC", "-Xms128m", "-Xshare:auto", "-Djava.awt.headless=true"),
            *options,
            *("-cp", self._jvm.kafka_classpath),
        )

    def _configuration(self) -> str:
        clients, controller = self._ports["kafka"], self._ports["kafka.controller"]
        own = {
            "listeners": f"CLIENTS://{HOST}:{clients},CONTROLLER://{HOST}:{controller}",
            "advertised.listeners": f"CLIENTS://{HOST}:{clients}",
            "controller.quorum.voters": f"1@{HOST}:{controller}",
            "log.dirs": str(self._data),
        }
        return configuration(self._settings.local, self._credentials, own)


def configuration(local: Path, credentials: Credentials, own: Mapping[str, str]) -> str:
    """The broker's properties: what holds everywhere, what is its `own`, and its logins."""
    password = credentials.kafka[ADMIN]
    login = f'required username="{ADMIN}" password="{password}"'
    return "\n".join(
        (
            _read(local / "kafka.properties"),
            "# From here on by meshctl.",
            *(f"{name}={value}" for name, value in own.items()),
            f"listener.name.clients.scram-sha-512.sasl.jaas.config={SCRAM} {login};",
            "listener.name.controller.plain.sasl.jaas.config="
            f'{_PLAIN} {login} user_{ADMIN}="{password}";',
            "",
        )
    )


def formatting(properties: str, credentials: Credentials) -> str:
    """What Kafka's storage tool is told, one argument a line.

    It reads them from a file: a password among its arguments would be in the process list.
    """
    login = f"SCRAM-SHA-512=[name={ADMIN},password={credentials.kafka[ADMIN]}]"
    return "\n".join(
        (
            *("--config", properties, "--cluster-id", credentials.cluster_id),
            *("--add-scram", login, ""),
        )
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise PartFailedError(f"{path}: cannot be read: {error.strerror}") from error
