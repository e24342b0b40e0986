"""HTTP: health, metrics, and what routes a service adds."""

from collections.abc import Sequence

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from city_backbone.errors import SettingsError
from city_backbone.settings import HttpSettings
from city_backbone.telemetry import Problems

MAX_BODY_BYTES = 1024 * 1024


class HttpServer:
    """`/healthz` (is the process worth keeping), `/readyz` (can it serve), `/metrics`.

    `dead` names what a new process only can help, `problems` what is missing for readiness.
    """

    def __init__(
        self,
        settings: HttpSettings,
        dead: Problems,
        problems: Problems,
        routes: Sequence[web.RouteDef] = (),
    ) -> None:
        self._settings = settings
        self._dead = dead
        self._problems = problems
        application = web.Application(client_max_size=MAX_BODY_BYTES)
        application.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._metrics),
                *routes,
            ]
        )
        self._runner = web.AppRunner(
            application, access_log=None, shutdown_timeout=3, handle_signals=False
        )
        self.port = settings.port

    async def start(self) -> None:
        """Raises SettingsError when the port is taken."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._settings.host, self._settings.port)
        try:
            await site.start()
        except OSError as error:
            raise SettingsError(f"HTTP__PORT: {error.strerror}") from error
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        problems = list(self._dead())
        return web.json_response(
            {"status": "stalled" if problems else "ok", "problems": problems},
            status=503 if problems else 200,
        )

    async def _readyz(self, _: web.Request) -> web.Response:
        problems = list(self._problems())
        return web.json_response(
            {"status": "not ready" if problems else "ready", "problems": problems},
            status=503 if problems else 200,
        )

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
