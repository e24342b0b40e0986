"""A service's life: settings, parts in order, readiness, SIGTERM, drain."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

import grpc.aio
import structlog
import uvloop
from aiohttp import web
from opentelemetry import metrics
from opentelemetry.metrics import Meter
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_exponential

from city_backbone import garbage, inbox, logging, registration, telemetry
from city_backbone.codec import Codec
from city_backbone.database import Database, migrate
from city_backbone.direct import Direct
from city_backbone.errors import BackboneError, Transient
from city_backbone.http import HttpServer
from city_backbone.idempotency import Idempotency
from city_backbone.outbox import Outbox
from city_backbone.probes import Probes
from city_backbone.publisher import Publisher
from city_backbone.registration import Registration
from city_backbone.registry import SchemaRegistry
from city_backbone.relay import Relay
from city_backbone.rpc.certificate import Identity
from city_backbone.rpc.channel import open_channel
from city_backbone.rpc.identity import Policy
from city_backbone.rpc.server import RpcServer, Servicer
from city_backbone.settings import ServiceSettings, load
from city_backbone.stream.engine import Engine
from city_backbone.stream.subscription import Subscription
from city_backbone.waiting import pause as pause

log = structlog.get_logger()

Tasks: TypeAlias = Mapping[str, Callable[[], Awaitable[None]]]

S = TypeVar("S", bound=ServiceSettings)

_START_SECONDS = 120.0
_FORGET_SECONDS = 3600.0
# SIGTERM is given ten seconds in all.
_LAST_SECONDS = 0.5


@dataclass(frozen=True)
class Backbone(Generic[S]):
    """What is open when bootstrap is called; it passes the parts on as parameters."""

    settings: S
    registration: Registration
    database: Database
    outbox: Outbox
    direct: Direct
    idempotency: Idempotency
    meter: Meter
    stopping: asyncio.Event
    _channels: dict[str, grpc.aio.Channel] = field(default_factory=dict)

    def channel(self, department: str) -> grpc.aio.Channel:
        """One channel per neighbour. Raises BackboneError when its address is unknown."""
        if department not in self._channels:
            try:
                target = self.settings.peers[department]
            except KeyError:
                raise BackboneError(f"PEERS: no address for {department}") from None
            breaker = self.meter.create_gauge(telemetry.BREAKER)
            services = {call.split("/")[0] for call in self.registration.calls}
            self._channels[department] = open_channel(
                target,
                self.settings.tls,
                server_name=department,
                idempotent=sorted(s for s in services if s.startswith(f"city.{department}.")),
                told=lambda state: breaker.set(state, {"city.department": department}),
            )
        return self._channels[department]


@dataclass(frozen=True)
class Service:
    """A department's parts. A task runs until `stopping`; its exception ends the service.

    Servicers and routes are the role rpc's, subscriptions and tasks the role stream's, and the
    two share nothing but the database. What may only be done while calls are taken, like judging
    that nobody called, is one of the `serving_tasks`: those run beside the servicers.
    """

    servicers: Sequence[Servicer] = ()
    subscriptions: Sequence[Subscription] = ()
    routes: Sequence[web.RouteDef] = ()
    tasks: Tasks = field(default_factory=dict)
    serving_tasks: Tasks = field(default_factory=dict)

    @classmethod
    def of(cls, parts: Sequence["Service"]) -> "Service":
        """All of `parts`, whose tasks have names of their own."""
        return cls(
            servicers=[one for part in parts for one in part.servicers],
            subscriptions=[one for part in parts for one in part.subscriptions],
            routes=[one for part in parts for one in part.routes],
            tasks={name: run for part in parts for name, run in part.tasks.items()},
            serving_tasks={name: run for part in parts for name, run in part.serving_tasks.items()},
        )


Bootstrap = Callable[[Backbone[S]], Awaitable[Service]]


@dataclass(frozen=True)
class Running(Generic[S]):
    """A started service and where it listens; 0 is nowhere."""

    backbone: Backbone[S]
    service: Service
    grpc_port: int
    http_port: int
    health_port: int


def main(settings_type: type[S], bootstrap: Bootstrap[S], package: str) -> None:
    """The process: exit code 0 after SIGTERM or SIGINT, 1 with one clear line otherwise."""
    logging.configure(package)
    try:
        settings = load(settings_type)
        telemetry.configure(package, settings.instance)
        uvloop.run(_serve(settings, bootstrap, package))
    except* Exception as errors:
        for error in _leaves(errors):
            log.error("service stopped", error=f"{type(error).__name__}: {error}")
        sys.exit(1)


async def _serve(settings: S, bootstrap: Bootstrap[S], package: str) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with running(settings, bootstrap, package, stopping) as started:
        log.info(
            "service ready",
            role=settings.role,
            grpc_port=started.grpc_port,
            http_port=started.http_port,
            health_port=started.health_port,
        )
        await stopping.wait()
        log.info("service draining")
        _end_at_last(settings.shutdown_seconds + _LAST_SECONDS)
    log.info("service stopped")


def _end_at_last(seconds: float) -> None:
    """Whatever still runs then, the process ends: no thread of a library keeps it.

    What was not finished is as after a crash: not acknowledged, so done again.
    """

    def end() -> None:
        names = [thread.name for thread in threading.enumerate() if not thread.daemon]
        log.error("service did not end in time", threads=names)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)

    last = threading.Timer(seconds, end)
    last.daemon = True
    last.start()


@asynccontextmanager
async def running(
    settings: S, bootstrap: Bootstrap[S], package: str, stopping: asyncio.Event | None = None
) -> AsyncIterator[Running[S]]:
    """The service from start to drain, or its part of that role, for main() and for tests.

    Parts start in the order of need and stop in reverse: RPC first, then the stream and the
    tasks, then the senders (the relay with what is still in the outbox), then HTTP, then the
    pool. When a background part fails, `stopping` is set and its error is raised at the end.
    """
    stopping = stopping or asyncio.Event()
    meter = metrics.get_meter(package)
    registered = registration.load(settings.registration_file)
    serves, streams = settings.role != "stream", settings.role != "rpc"
    problems = ["starting"]
    engine: Engine | None = None
    rpc: RpcServer | None = None
    tasks: dict[str, asyncio.Task[None]] = {}

    def unready() -> list[str]:
        joining = engine is not None and not engine.assigned
        return [*problems, *(["stream: joining the consumer group"] if joining else [])]

    def dead() -> list[str]:
        problems = [f"{name}: failed" for name, task in list(tasks.items()) if _failure(task)]
        if engine and engine.problem:
            problems.append(f"stream: {engine.problem}")
        return problems

    async with AsyncExitStack() as stack:
        probes = Probes(settings.health, dead, unready)
        stack.push_async_callback(probes.stop)
        await probes.start()
        certificate = Identity(settings.tls)
        telemetry.describe(
            meter,
            package,
            settings.role,
            dead,
            unready,
            lambda: certificate.current().expires_at,
        )
        database = Database(settings.database)
        await _patiently(lambda: migrate_and_open(database, settings, package), "database")
        stack.push_async_callback(database.close)
        registry = SchemaRegistry(settings.registry, database)
        await registry.open()
        stack.push_async_callback(registry.close)
        codec = Codec(registered, registry)
        await _patiently(codec.open, "schema registry")
        publisher = Publisher(
            settings.kafka, settings.instance, settings.outbox.send_timeout_seconds
        )
        direct = Direct(
            package,
            codec,
            Publisher(settings.kafka, settings.instance, settings.direct.deadline_seconds),
            settings.direct,
            meter,
        )
        backbone = Backbone(
            settings=settings,
            registration=registered,
            database=database,
            outbox=Outbox(package, codec),
            direct=direct,
            idempotency=Idempotency(),
            meter=meter,
            stopping=stopping,
        )
        service = await bootstrap(backbone)
        written = [produced.topic for produced in registered.produces]
        relay = Relay(
            database, publisher, settings.outbox, meter, written, gives_way=settings.role == "rpc"
        )
        senders_stopping = asyncio.Event()
        if serves:
            rpc = RpcServer(
                package,
                settings.grpc,
                settings.tls,
                Policy.load(settings.policy_file),
                service.servicers,
                meter,
            )
        http = HttpServer(settings.http, dead, unready, service.routes if serves else ())
        stack.push_async_callback(http.stop)
        await http.start()

        def start(name: str, work: Awaitable[None]) -> None:
            task = asyncio.ensure_future(work)
            task.set_name(name)
            task.add_done_callback(lambda done: _ended(done, stopping))
            tasks[name] = task

        garbage.settle()
        start("outbox relay", relay.run(senders_stopping))
        start("direct", direct.run(senders_stopping))
        if streams and service.subscriptions:
            engine = Engine(package, settings, service.subscriptions, codec, database, meter)
            start("stream", engine.run(stopping))
        if streams:
            start("inbox", _forget(database, settings.inbox_retention_days, stopping))
            for name, run in service.tasks.items():
                start(name, run())
        if serves:
            for name, run in service.serving_tasks.items():
                start(name, run())
        try:
            if rpc:
                await rpc.start()
            problems.clear()
            await probes.update()
            yield Running(backbone, service, rpc.port if rpc else 0, http.port, probes.port)
        finally:
            problems.append("draining")
            stopping.set()
            await probes.update()
            await _drain(settings.shutdown_seconds, tasks, senders_stopping, rpc)
            for channel in backbone._channels.values():
                await channel.close()
    failures = [error for task in tasks.values() if (error := _failure(task))]
    if failures:
        raise BaseExceptionGroup("service parts failed", failures)


def _failure(task: asyncio.Task[None]) -> BaseException | None:
    return task.exception() if task.done() and not task.cancelled() else None


async def _drain(
    seconds: float,
    tasks: Mapping[str, asyncio.Task[None]],
    senders_stopping: asyncio.Event,
    rpc: RpcServer | None,
) -> None:
    try:
        async with asyncio.timeout(seconds):
            if rpc:
                await rpc.stop(seconds / 3)
            senders = [tasks["outbox relay"], tasks["direct"]]
            others = [task for task in tasks.values() if task not in senders]
            if others:
                await asyncio.wait(others, timeout=seconds / 2)
            senders_stopping.set()
            await asyncio.wait(senders)
    except TimeoutError:
        late = [name for name, task in tasks.items() if not task.done()]
        log.warning("drain took too long", parts=late)
    for task in tasks.values():
        task.cancel()
    await asyncio.wait(tasks.values(), timeout=1)


async def migrate_and_open(database: Database, settings: ServiceSettings, package: str) -> None:
    """Apply the migrations, then open the pool. Raises DatabaseUnavailable."""
    await migrate(settings.database, package)
    await database.open()


async def _forget(database: Database, days: int, stopping: asyncio.Event) -> None:
    while True:
        try:
            await inbox.forget(database, days)
        except Transient as error:
            log.warning("inbox not cleaned", error=repr(error))
        if await pause(stopping, _FORGET_SECONDS):
            return


async def _patiently(start: Callable[[], Awaitable[None]], what: str) -> None:
    """A part that is not there yet is waited for, with a bound, as after a power cut."""
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(Transient),
        stop=stop_after_delay(_START_SECONDS),
        wait=wait_exponential(0.2, max=5),
        before_sleep=lambda state: log.warning(
            f"waiting for the {what}", error=repr(state.outcome and state.outcome.exception())
        ),
        reraise=True,
    ):
        with attempt:
            await start()


def _ended(task: asyncio.Task[None], stopping: asyncio.Event) -> None:
    if error := _failure(task):
        log.error("part failed", part=task.get_name(), error=repr(error), exc_info=error)
        stopping.set()


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    leaves: list[BaseException] = []
    for error in group.exceptions:
        leaves.extend(_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    return leaves
