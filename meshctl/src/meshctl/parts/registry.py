"""The schema registry: Apicurio Registry with its storage in the broker."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path

from meshctl.credentials import REGISTRY, Credentials
from meshctl.jvm import Jvm
from meshctl.parts.base import Command, answers
from meshctl.ports import HOST, Ports
from meshctl.settings import Settings
from meshctl.state import State, write_text

_LOGIN = "org.apache.kafka.common.security.scram.ScramLoginModule"


class RegistryPart:
    """Apicurio Registry from its own distribution."""

    name = "registry"
    tier = 1
    stop_signal = signal.SIGTERM
    stop_seconds: float = 15.0
    # Access rules that the broker has just been given may take effect after its first start.
    essential = False

    def __init__(
        self, settings: Settings, state: State, jvm: Jvm, ports: Ports, credentials: Credentials
    ) -> None:
        self.port: int | None = ports["registry"]
        if jvm.keep_class_data:  # which takes it ten seconds
            self.stop_seconds = 60.0
        self._settings = settings
        self._state = state
        self._jvm = jvm
        self._ports = ports
        self._credentials = credentials

    def prepare(self) -> None:
        """Write its configuration where Quarkus looks for it: ``config/`` in its folder."""
        write_text(
            self._state.registry / "config" / "application.properties", self._configuration(), 0o600
        )

    def command(self) -> Command:
        return Command(
            arguments=(
                self._jvm.java,
                *("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xms128m"),
                *(f"-Xmx{self._settings.registry_heap}", "-Djava.awt.headless=true"),
                *("-Djava.util.logging.manager=org.jboss.logmanager.LogManager",),
                *self._jvm.class_data(self.name),
                *("-jar", str(self._jvm.registry_jar)),
            ),
            cwd=self._state.registry,
        )

    async def ready(self) -> bool:
        return await answers(f"http://{HOST}:{self.port}/health/ready")

    async def healthy(self) -> bool:
        return await answers(f"http://{HOST}:{self.port}/health/live")

    def _configuration(self) -> str:
        own = {
            "quarkus.http.port": str(self.port),
            "apicurio.storage.snapshot.location": str(self._state.registry),
            "apicurio.kafkasql.bootstrap.servers": f"{HOST}:{self._ports['kafka']}",
            "apicurio.kafka.common.security.protocol": "SASL_PLAINTEXT",
        }
        return configuration(self._settings.local, self._credentials, own)


def configuration(local: Path, credentials: Credentials, own: Mapping[str, str]) -> str:
    """The registry's properties: what holds everywhere, what is its `own`, and its login."""
    password = credentials.kafka[REGISTRY]
    jaas = f'{_LOGIN} required username="{REGISTRY}" password="{password}";'
    return "\n".join(
        (
            (local / "registry.properties").read_text(encoding="utf-8"),
            "# From here on by meshctl.",
            *(f"{name}={value}" for name, value in own.items()),
            "apicurio.kafka.common.sasl.mechanism=SCRAM-SHA-512",
            f"apicurio.kafka.common.sasl.jaas.config={jaas}",
            "",
        )
    )
