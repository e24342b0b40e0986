"""Runs a service's subscriptions inside its own event loop."""

import asyncio
import time
from collections.abc import Hashable, Mapping, Sequence

import structlog
from opentelemetry.metrics import Meter

from city_backbone.codec import Codec
from city_backbone.database import Database
from city_backbone.errors import BackboneError
from city_backbone.settings import ServiceSettings
from city_backbone.stream.app import consume, create_app
from city_backbone.stream.liveness import Progress
from city_backbone.stream.parking import Unparker
from city_backbone.stream.worker import Subscription, Worker

log = structlog.get_logger()

_CHECK_SECONDS = 2.0


class Stalled(BackboneError):
    """The stream crashed or makes no progress; the process must start anew."""


class Engine:
    """The Faust app, its worker, the unparker and the watch over their progress."""

    def __init__(
        self,
        group: str,
        settings: ServiceSettings,
        subscriptions: Sequence[Subscription],
        codec: Codec,
        database: Database,
        meter: Meter,
    ) -> None:
        self._app = create_app(group, settings)
        self._worker = Worker(group, subscriptions, codec, database, meter)
        self._unparker = Unparker(database, self._worker, meter)
        self._progress = Progress(self._backlog, settings.stall_seconds)
        for subscription in subscriptions:
            consume(self._app, subscription.topic, self._worker.handle)

    async def run(self, stopping: asyncio.Event) -> None:
        """Until `stopping`. Raises Stalled when only a new process can help."""
        self._app.finalize()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._unparker.run(stopping))
                start = group.create_task(self._app.start())
                while not stopping.is_set():
                    await self._watch()
                    try:
                        async with asyncio.timeout(_CHECK_SECONDS):
                            await stopping.wait()
                    except TimeoutError:
                        continue
                await self._stop()
                start.cancel()
        finally:
            await self._stop()

    async def _watch(self) -> None:
        if self._app.crashed:
            raise Stalled(f"stream crashed: {self._app.crash_reason!r}")
        stalled = self._progress.stalled()
        if stalled and self._worker.waiting_for is None:
            raise Stalled(f"no progress on {', '.join(stalled)}")

    async def _stop(self) -> None:
        started = time.monotonic()
        try:
            async with asyncio.timeout(6):
                await self._app.stop()
        except TimeoutError:
            log.warning("stream did not stop in time", seconds=time.monotonic() - started)

    @property
    def assigned(self) -> bool:
        """Whether the group has been joined, so that events are being consumed."""
        joined = self._app.started and self._app.rebalancing_count > 0
        return bool(joined and not self._app.rebalancing)

    def _backlog(self) -> Mapping[Hashable, tuple[int, int]]:
        if not self.assigned:
            return {}
        backlog: Mapping[Hashable, tuple[int, int]] = self._app.consumer.backlog()
        return backlog
