"""gRPC health in plain text, for Kubernetes' probes: they know no mutual TLS."""

import asyncio
import socket

import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from city_backbone.errors import SettingsError
from city_backbone.settings import HealthSettings
from city_backbone.telemetry import Problems

LIVENESS = "liveness"
READINESS = "readiness"
_EVERY_SECONDS = 0.5
_STATUS = health_pb2.HealthCheckResponse


class Probes:
    """grpc.health.v1.Health and nothing else; the service "" is readiness.

    `dead` and `unready` name what is wrong: what they say is answered half a second later.
    Without a port nothing is opened.
    """

    def __init__(self, settings: HealthSettings, dead: Problems, unready: Problems) -> None:
        self._settings = settings
        self._asked = {LIVENESS: dead, READINESS: unready, "": unready}
        self._health = health.aio.HealthServicer()
        self._server: grpc.aio.Server | None = None
        self._updating: asyncio.Task[None] | None = None
        self.port = 0

    async def start(self) -> None:
        """Raises SettingsError when the port is taken."""
        if self._settings.port is None:
            return
        host, port = self._settings.host, self._settings.port
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        try:
            if port:  # gRPC's own words for a port that is taken go past the log
                socket.create_server((host, port)).close()
            self.port = self._server.add_insecure_port(f"{host}:{port}")
        except (OSError, RuntimeError) as error:
            raise SettingsError(f"HEALTH__PORT: cannot listen on {host}:{port}: {error}") from error
        await self.update()
        await self._server.start()
        self._updating = asyncio.create_task(self._update_for_ever(), name="probes")

    async def update(self) -> None:
        """What is wrong now is answered when this returns."""
        for name, problems in self._asked.items():
            status = _STATUS.NOT_SERVING if problems() else _STATUS.SERVING
            await self._health.set(name, status)

    async def stop(self) -> None:
        if self._updating:
            self._updating.cancel()
        if self._server:
            await self._server.stop(None)

    async def _update_for_ever(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            await self.update()
