"""A department's service, started as ``python -m <service>``."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from city_backbone.registration import Registration
from city_backbone.settings import Role

from meshctl.parts.base import Command, answers, listens
from meshctl.ports import HOST, Ports
from meshctl.state import State, read_json

# A tenth of the processor when others want all of it, all of it when they do not.
_BULK_NICE = 10
# Two thirds of a share. What lives depend on comes by these calls too.
_INTAKE_NICE = 2
# Above the department's own HTTP port, for a stream that is a process of its own.
_STREAM_ABOVE = 1000


def roles(registration: Registration) -> Sequence[Role]:
    """Of the processes of a service on one machine."""
    return ("rpc", "stream") if registration.intake else ("all",)


def name_of(service: str, role: Role) -> str:
    """The part's name."""
    return f"{service}-stream" if role == "stream" else service


def default_ports(registrations: Iterable[Registration]) -> Mapping[str, int]:
    """Of the streams that are processes of their own, by their names."""
    return {
        f"{name_of(one.service, 'stream')}.http": one.http_port + _STREAM_ABOVE
        for one in registrations
        if one.intake and one.http_port
    }


class ServicePart:
    """A process of one service, with the environment of its registration."""

    tier = 2
    stop_signal = signal.SIGTERM
    stop_seconds = 10.0
    essential = False

    def __init__(
        self,
        registration: Registration,
        role: Role,
        state: State,
        root: Path,
        ports: Ports,
        environment: Callable[[], Mapping[str, str]],
    ) -> None:
        self._service = registration.service
        self._role = role
        self.name = name_of(registration.service, role)
        self._http_port = ports.get(f"{self.name}.http")
        self._grpc_port = ports.get(f"{self.name}.grpc")
        self.port: int | None = self._grpc_port or self._http_port
        self._folder = registration.path.parent
        self._nice = _nice(registration, role)
        self._state = state
        self._root = root
        self._environment = environment

    def command(self) -> Command:
        own = read_json(self._state.environments / f"{self._service}.json")
        source = str(self._folder / "src")
        environment = {
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH")))),
            **self._environment(),
            **self._of_role(),
            **{key: str(value) for key, value in own.items()},
        }
        arguments = (sys.executable, "-m", self._service)
        return Command(arguments, self._root, environment, nice=self._nice)

    def _of_role(self) -> Mapping[str, str]:
        prefix = self._service.upper()
        match self._role:
            case "all":
                return {}
            case "rpc":
                # The stream has the department's name in its consumer group.
                return {f"{prefix}_ROLE": "rpc", f"{prefix}_INSTANCE": f"{self._service}-rpc-0"}
            case "stream":
                return {f"{prefix}_ROLE": "stream", f"{prefix}_HTTP__PORT": str(self._http_port)}

    async def ready(self) -> bool:
        return await self._probe("readyz")

    async def healthy(self) -> bool:
        return await self._probe("healthz")

    async def _probe(self, path: str) -> bool:
        if self._http_port is not None:
            return await answers(f"http://{HOST}:{self._http_port}/{path}")
        return self._grpc_port is None or await listens(self._grpc_port)


def _nice(registration: Registration, role: Role) -> int:
    if registration.priority == "bulk":
        return _BULK_NICE
    return _INTAKE_NICE if registration.intake and role == "rpc" else 0
