"""Runs a service's subscriptions inside its own event loop."""

import asyncio
import time
from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import partial
from typing import cast

import structlog
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from opentelemetry.metrics import CallbackOptions, Meter, Observation

from city_backbone import telemetry
from city_backbone.codec import Codec
from city_backbone.database import Database
from city_backbone.errors import BackboneError
from city_backbone.publisher import kafka_arguments
from city_backbone.settings import KafkaSettings, ServiceSettings
from city_backbone.stream.app import consume, create_app
from city_backbone.stream.liveness import Progress
from city_backbone.stream.parking import Unparker
from city_backbone.stream.subscription import Subscription
from city_backbone.stream.worker import Worker
from city_backbone.waiting import pause

log = structlog.get_logger()

_CHECK_SECONDS = 2.0
_KNOCK_MS = 5_000  # for each step with each broker


class Stalled(BackboneError):
    """The stream crashed or makes no progress; the process must start anew."""


class Fenced(BackboneError):
    """Another process has this one's name, and has its partitions now."""


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
        self._backlog: Mapping[Hashable, tuple[int, int]] = {}
        self._behind: frozenset[Hashable] = frozenset()
        self._progress = Progress(lambda: self._backlog, settings.stall_seconds)
        self._stall_seconds = settings.stall_seconds
        self._instance = settings.instance
        self._kafka = settings.kafka
        self._waiting = False
        self._away_since: float | None = None
        self._watched_at = time.monotonic()
        self._problem: BackboneError | None = None
        meter.create_observable_gauge(telemetry.JOINED, [self._observe_joined])
        meter.create_observable_gauge(telemetry.TIME_LAG, [self._observe_lag], unit="s")
        for subscription in subscriptions:
            topic = subscription.topic
            urgent = partial(self._worker.urgent, topic)
            consume(self._app, topic, self._worker.handle, subscription.linger, urgent)

    async def run(self, stopping: asyncio.Event) -> None:
        """Until `stopping`. Raises Stalled or Fenced when only a new process can help."""
        self._app.finalize()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._unparker.run(stopping))
                start = group.create_task(self._start(stopping))
                while not stopping.is_set():
                    self._watched_at = time.monotonic()
                    await self._watch()
                    await pause(stopping, _CHECK_SECONDS)
                await self._stop()
                start.cancel()
        finally:
            await self._stop()

    async def _start(self, stopping: asyncio.Event) -> None:
        """Faust ends at once where no broker answers, and a service has more to do than to consume:
        its calls and its tasks do not wait for the broker."""
        self._waiting = True
        while self._waiting:
            try:
                await _knock(self._kafka, self._instance)
                self._waiting = False
            except KafkaError as error:
                log.warning("waiting for the broker", error=repr(error))
                if await pause(stopping, _CHECK_SECONDS):
                    return
        await self._app.start()

    @property
    def problem(self) -> str | None:
        """Why only a new process can help; None while this one does."""
        if self._problem:
            return str(self._problem)
        if time.monotonic() - self._watched_at > self._stall_seconds:
            return f"not watched for {self._stall_seconds} s"
        return None

    async def _watch(self) -> None:
        try:
            await self._look()
        except BackboneError as error:
            self._problem = error
            raise

    async def _look(self) -> None:
        if self._app.started and self._app.consumer.fenced:
            raise Fenced(
                f"INSTANCE {self._instance}: another process has joined the group under this name"
            )
        if self._app.crashed:
            raise Stalled(f"stream crashed: {self._app.crash_reason!r}")
        await self._measure()
        await self._watch_membership()
        stalled = self._progress.stalled()
        if not stalled:
            return
        if self._worker.waiting_for is None and await _reachable(self._kafka.bootstrap_servers):
            raise Stalled(f"no progress on {', '.join(stalled)}")
        self._progress.excuse()

    async def _measure(self) -> None:
        """Ask how far the stream is; what cannot be asked now is as it was."""
        if not self.assigned:
            self._backlog, self._behind = {}, frozenset()
            return
        consumer = self._app.consumer
        try:
            self._backlog = await consumer.backlog()
        except (KafkaError, TimeoutError) as error:
            log.warning("backlog unknown", error=repr(error))
            return
        self._behind = frozenset(
            place for place, (_, end) in self._backlog.items() if consumer.handled(place) < end
        )

    async def _watch_membership(self) -> None:
        """A group that is not joined for long, though the broker is there, never will be."""
        if self.assigned or self._waiting:
            self._away_since = None
            return
        self._away_since = self._away_since or time.monotonic()
        if time.monotonic() - self._away_since > self._stall_seconds:
            if await _reachable(self._kafka.bootstrap_servers):
                raise Stalled(f"consumer group not joined within {self._stall_seconds} s")
            self._away_since = None

    def _observe_joined(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(int(self.assigned))]

    def _observe_lag(self, _: CallbackOptions) -> Iterable[Observation]:
        """Per partition now − event time of what was handled last, 0 when all is done, whether

        its offset is committed or not.
        """
        observations = []
        for place in self._backlog:
            topic, partition = cast(tuple[str, int], place)
            newest = self._worker.newest(topic, partition)
            lag = 0.0
            if newest is not None and place in self._behind:
                lag = max(0.0, time.time() - newest)
            attributes = {
                "messaging.destination.name": topic,
                "messaging.destination.partition.id": str(partition),
            }
            observations.append(Observation(lag, attributes))
        return observations

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


async def _knock(settings: KafkaSettings, client_id: str) -> None:
    """Raises KafkaError unless a broker lets this department in."""
    client = AIOKafkaClient(
        client_id=client_id, request_timeout_ms=_KNOCK_MS, **kafka_arguments(settings)
    )
    try:
        await client.bootstrap()
    finally:
        await client.close()


async def _reachable(servers: str) -> bool:
    """Whether one of the brokers accepts connections."""
    for server in servers.split(","):
        host, _, port = server.rpartition(":")
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                _, writer = await asyncio.open_connection(host, int(port))
                writer.close()
        except (OSError, TimeoutError):
            continue
        return True
    return False
