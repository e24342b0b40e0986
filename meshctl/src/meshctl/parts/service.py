"""A department's service, started as ``python -m <service>``."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from city_backbone.registration import Registration

from meshctl.parts.base import Command, answers, listens
from meshctl.ports import HOST, Ports
from meshctl.state import State, read_json

# A tenth of the processor when others want all of it, all of it when they do not.
_BULK_NICE = 10


class ServicePart:
    """One service, with the environment of its registration."""

    tier = 2
    stop_signal = signal.SIGTERM
    stop_seconds = 10.0
    essential = False

    def __init__(
        self,
        registration: Registration,
        state: State,
        root: Path,
        ports: Ports,
        environment: Callable[[], Mapping[str, str]],
    ) -> None:
        self.name = registration.service
        self._http_port = ports.get(f"{self.name}.http")
        self._grpc_port = ports.get(f"{self.name}.grpc")
        self.port: int | None = self._grpc_port or self._http_port
        self._folder = registration.path.parent
        self._nice = _BULK_NICE if registration.priority == "bulk" else 0
        self._state = state
        self._root = root
        self._environment = environment

    def command(self) -> Command:
        own = read_json(self._state.environments / f"{self.name}.json")
        source = str(self._folder / "src")
        environment = {
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH")))),
            **self._environment(),
            **{key: str(value) for key, value in own.items()},
        }
        arguments = (sys.executable, "-m", self.name)
        return Command(arguments, self._root, environment, nice=self._nice)

    async def ready(self) -> bool:
        return await self._probe("readyz")

    async def healthy(self) -> bool:
        return await self._probe("healthz")

    async def _probe(self, path: str) -> bool:
        if self._http_port is not None:
            return await answers(f"http://{HOST}:{self._http_port}/{path}")
        return self._grpc_port is None or await listens(self._grpc_port)
