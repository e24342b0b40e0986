"""`meshctl up`: the whole stack in one supervising process."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from city_backbone.registration import Registration

from meshctl import applying, catalogue, credentials, environment, jvm, ports, processes
from meshctl.catalogue import Catalogue
from meshctl.credentials import Credentials
from meshctl.errors import MeshctlError
from meshctl.jvm import Jvm
from meshctl.parts import rooms
from meshctl.parts.city import CityPart
from meshctl.parts.kafka import KafkaPart
from meshctl.parts.postgres import PostgresPart
from meshctl.parts.registry import RegistryPart
from meshctl.parts.service import ServicePart, default_ports, roles
from meshctl.places import Local
from meshctl.settings import Settings
from meshctl.state import ProcessId, Run, State, read_json, write_json, write_text
from meshctl.supervisor import Supervisor

Say = Callable[[str], None]
WhileUp = Callable[["Stack"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Options:
    """What `up` was asked for."""

    backbone_only: bool = False
    free_ports: bool = False
    services: tuple[Path, ...] = ()
    rooms: bool = False
    city: bool = False


@dataclass
class Stack:
    """A stack that starts or runs in this process."""

    settings: Settings
    state: State
    options: Options
    catalogue: Catalogue
    ports: dict[str, int]
    credentials: Credentials
    run: Run
    supervisor: Supervisor = field(init=False)

    def __post_init__(self) -> None:
        self.supervisor = Supervisor(self.state, self._write, self.settings.start_timeout)

    def phase(self, phase: str) -> None:
        """Tell others, through run.json, how far it is."""
        self.run = Run.model_validate({**self.run.model_dump(), "phase": phase})
        self._write(self.supervisor)

    def _write(self, supervisor: Supervisor) -> None:
        self.run.parts = {name: kept.snapshot() for name, kept in supervisor.parts.items()}
        write_text(self.state.run, self.run.model_dump_json(indent=2) + "\n")


async def up(
    settings: Settings, state: State, options: Options, say: Say, while_up: WhileUp
) -> None:
    """Start everything, run ``while_up``, and stop everything on SIGINT or SIGTERM.

    The caller holds the state folder's lock. Raises MeshctlError when something cannot start;
    what had started is stopped then.
    """
    if state.composed:
        raise MeshctlError(f"{state.folder} is of containers: choose another with --state")
    known = catalogue.load(settings, options.services)
    java = await jvm.ensure(settings, say)
    applying.require_space(state)
    if (left := state.read_run()) is not None:
        await processes.clean_up(left, say)
    chosen = choose_ports(settings, state, known, options)
    stack = Stack(
        settings,
        state,
        options,
        known,
        chosen,
        credentials.of_everyone(state, known),
        Run(
            supervisor=_myself(),
            backbone_only=options.backbone_only,
            services=[str(folder.resolve()) for folder in options.services],
        ),
    )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    stack.phase("starting")
    try:
        if await _unless(stop, _start(stack, java, say)):
            stack.phase("ready")
            say(f"ready: {', '.join(stack.supervisor.parts)}")
            await _unless(stop, while_up(stack))
    finally:
        stack.phase("stopping")
        say("stopping")
        await stack.supervisor.stop()
        state.run.unlink(missing_ok=True)


def choose_ports(
    settings: Settings, state: State, known: Catalogue, options: Options
) -> dict[str, int]:
    """The ports of this run, remembered in the state folder.

    Raises PortTakenError before anything is started.
    """
    further = {**default_ports(known), **(rooms.default_ports() if options.rooms else {})}
    chosen = ports.wanted(settings, known, further)
    if options.free_ports:
        chosen = ports.free(chosen, read_json(state.ports))
    else:
        ports.require_free(chosen)
    write_json(state.ports, chosen)
    return chosen


def keep_ports(settings: Settings, state: State, known: Catalogue) -> dict[str, int]:
    """The ports of the stack that runs, and of who was registered since; remembered likewise."""
    taken: dict[str, int] = read_json(state.ports)
    with_rooms = {name: port for name, port in taken.items() if name in rooms.default_ports()}
    chosen = {**ports.wanted(settings, known, {**default_ports(known), **with_rooms}), **taken}
    write_json(state.ports, chosen)
    return chosen


async def _start(stack: Stack, java: Jvm, say: Say) -> None:
    settings, state, known = stack.settings, stack.state, stack.catalogue
    postgres = PostgresPart(state, stack.ports, stack.credentials)
    kafka = KafkaPart(settings, state, java, stack.ports, stack.credentials)
    registry = RegistryPart(settings, state, java, stack.ports, stack.credentials)
    await asyncio.to_thread(applying.files, known, state)
    say("certificates and call policies written")
    await asyncio.gather(postgres.prepare(), kafka.prepare())
    await stack.supervisor.start([postgres, kafka])
    say(f"postgres ready on port {postgres.port}, kafka on port {kafka.port}")
    places = Local(stack.ports, state)
    await applying.everything(known, places, stack.credentials, say, with_schemas=False)
    registry.prepare()
    await stack.supervisor.start([registry])
    say(f"registry ready on port {registry.port}")
    await applying.registry(known, places, say)
    if stack.options.rooms:
        standing_in = rooms.prepare(state, settings.root, stack.ports)
        await stack.supervisor.start(standing_in)
        say(f"stand-ins ready: {', '.join(f'{r.name} on port {r.port}' for r in standing_in)}")
    if not stack.options.backbone_only and known.services:
        say(f"starting {', '.join(service.service for service in known.services)}")
        parts = [part for found in known.services for part in _service(stack, found)]
        await stack.supervisor.start(parts)
    if stack.options.city:
        await stack.supervisor.start([CityPart(settings.root, _environment(stack, "loadtests"))])
        say("the modelled city sends readings, heartbeats, detections and drivers")


def _service(stack: Stack, registration: Registration) -> Sequence[ServicePart]:
    current = _environment(stack, registration.service)
    return [
        ServicePart(registration, role, stack.state, stack.settings.root, stack.ports, current)
        for role in roles(registration)
    ]


def _environment(stack: Stack, name: str) -> Callable[[], dict[str, str]]:
    def current() -> dict[str, str]:
        """Of the registrations as they are when the part starts, perhaps again."""
        known = catalogue.load(stack.settings, stack.options.services)
        ports = {**stack.ports, **read_json(stack.state.ports)}
        given = credentials.of_everyone(stack.state, known)
        return environment.of(known.find(name), known, Local(ports, stack.state), given)

    return current


async def _unless(stop: asyncio.Event, work: Awaitable[None]) -> bool:
    """Do the work unless told to stop before it is done; whether it was done."""
    task = asyncio.ensure_future(work)
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
            return True
        return False
    finally:
        for one in (task, stopped):
            one.cancel()
        await asyncio.gather(task, stopped, return_exceptions=True)


async def until_stopped(_: Stack) -> None:
    """A ``while_up`` that only waits."""
    await asyncio.Event().wait()


def _myself() -> ProcessId:
    found = ProcessId.of(os.getpid())
    if found is None:
        raise MeshctlError("this process is not to be found in the process list")
    return found
