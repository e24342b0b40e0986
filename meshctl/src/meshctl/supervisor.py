"""Keeps the parts running: starts them in order, restarts what ends, stops all in reverse."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from city_backbone.registration import RegistrationError

from meshctl.errors import MeshctlError, PartFailedError
from meshctl.parts.base import Command, Part
from meshctl.processes import end
from meshctl.state import PartState, PartStatus, ProcessId, State

_BACKOFF_FIRST = 0.25
_BACKOFF_MOST = 15.0
_STEADY_SECONDS = 30.0
_READY_POLL = 0.15
_HEALTH_POLL = 5.0
_UNHEALTHY_SECONDS = 30.0
_FIRST_START_TRIES = 3
_LOG_BYTES = 64 * 1024 * 1024
_TAIL_BYTES = 16 * 1024
_ERROR = re.compile(r"\b(?:ERROR|FATAL|CRITICAL)\b|(?:[Ee]rror|Exception): ")


class Supervised:
    """One part and the task that keeps its process running.

    The process is started again after any exit, with a backoff that doubles up to 15 s and is
    forgotten after 30 s of being up. A part that has been ready and then says for 30 s that it
    is unhealthy is ended, and so started again.
    """

    def __init__(self, part: Part, state: State, changed: Callable[[], None]) -> None:
        self.part = part
        self.status: PartStatus = "stopped"
        self.process: ProcessId | None = None
        self.restarts = 0
        self.exits = 0
        self._state = state
        self._changed = changed
        self._running: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._spawning = asyncio.Lock()

    async def start(self, seconds: float) -> None:
        """Start it and wait until it is ready.

        Raises PartFailedError when it ends instead (a service: three times) or takes too long.
        """
        self._task = asyncio.create_task(self._keep(), name=f"keep {self.part.name}")
        allowed = 1 if self.part.essential else _FIRST_START_TRIES
        try:
            async with asyncio.timeout(seconds):
                while self.status != "ready":
                    if self._task.done():
                        self._task.result()
                    if self.exits >= allowed:
                        raise PartFailedError(f"{self.part.name} ended: {self._last_words()}")
                    await asyncio.sleep(_READY_POLL)
        except TimeoutError:
            raise PartFailedError(
                f"{self.part.name} was not ready within {seconds:.0f} s: {self._last_words()}"
            ) from None

    async def stop(self) -> None:
        """End its process: its stop signal, then SIGKILL after its grace."""
        self._stopping = True
        async with self._spawning:
            running = self._running
        if running is not None and running.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                running.send_signal(self.part.stop_signal)
            try:
                await asyncio.wait_for(running.wait(), self.part.stop_seconds)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    running.kill()
                await running.wait()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._set("stopped", None)

    def snapshot(self) -> PartState:
        """What run.json says of it."""
        return PartState(
            status=self.status, process=self.process, port=self.part.port, restarts=self.restarts
        )

    async def _keep(self) -> None:
        backoff = _BACKOFF_FIRST
        while True:
            started = time.monotonic()
            async with self._spawning:
                if self._stopping:
                    return
                running = await self._spawn()
            if running is not None:
                await self._live_through(running)
            if self._stopping:
                return
            self.exits += 1
            self.restarts += 1
            self._set("waiting", None)
            if time.monotonic() - started > _STEADY_SECONDS:
                backoff = _BACKOFF_FIRST
            await asyncio.sleep(backoff * random.uniform(0.8, 1.2))
            backoff = min(backoff * 2, _BACKOFF_MOST)

    async def _live_through(self, running: asyncio.subprocess.Process) -> None:
        watch = asyncio.create_task(self._watch(), name=f"watch {self.part.name}")
        try:
            await running.wait()
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)

    async def _spawn(self) -> asyncio.subprocess.Process | None:
        """Start the process; None, with the reason in the log, when it cannot be started."""
        log = self._state.log(self.part.name)
        if log.exists() and log.stat().st_size > _LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        with log.open("ab") as output:
            try:
                command = self.part.command()
                running = await _execute(command, output.fileno())
            except (MeshctlError, RegistrationError, OSError) as error:
                output.write(f"ERROR meshctl cannot start it: {error}\n".encode())
                return None
        self._running = running
        self._set("starting", ProcessId.of(running.pid, os.path.basename(command.arguments[0])))
        return running

    async def _watch(self) -> None:
        while not await self.part.ready():  # noqa: ASYNC110
            await asyncio.sleep(_READY_POLL)
        self._set("ready", self.process)
        healthy = time.monotonic()
        while True:
            await asyncio.sleep(_HEALTH_POLL)
            if await self.part.healthy():
                healthy = time.monotonic()
            elif time.monotonic() - healthy > _UNHEALTHY_SECONDS and self._running is not None:
                await end(self._running.pid, self.part.stop_signal, self.part.stop_seconds)

    def _set(self, status: PartStatus, process: ProcessId | None) -> None:
        self.status, self.process = status, process
        self._changed()

    def _last_words(self) -> str:
        log = self._state.log(self.part.name)
        return f"{last_words(log.read_bytes()) if log.exists() else 'no log'} (see {log})"


class Supervisor:
    """All parts of a stack."""

    def __init__(self, state: State, changed: Callable[[Supervisor], None], seconds: float) -> None:
        self._state = state
        self._changed = changed
        self._seconds = seconds
        self.parts: dict[str, Supervised] = {}

    async def start(self, parts: Sequence[Part]) -> None:
        """Start these parts side by side and wait for all. Raises PartFailedError."""
        for part in parts:
            self.parts[part.name] = Supervised(part, self._state, lambda: self._changed(self))
        try:
            async with asyncio.TaskGroup() as group:
                for part in parts:
                    group.create_task(self.parts[part.name].start(self._seconds))
        except* PartFailedError as failures:
            raise failures.exceptions[0] from None

    async def stop(self) -> None:
        """Stop everything, the last tier first, the parts of one tier side by side."""
        tiers = sorted({kept.part.tier for kept in self.parts.values()}, reverse=True)
        for tier in tiers:
            kept = [kept for kept in self.parts.values() if kept.part.tier == tier]
            await asyncio.gather(*(one.stop() for one in kept))


async def _execute(command: Command, output: int) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        *command.arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        cwd=command.cwd,
        env={**os.environ, **command.environment},
        user=command.user,
        group=command.group,
        extra_groups=[] if command.user is not None else None,
        start_new_session=True,
    )
    if command.nice:
        _yield(process.pid, command.nice)
    return process


def _yield(pid: int, nice: int) -> None:
    """Of what has just been started, before it starts others."""
    with contextlib.suppress(OSError):  # it may have ended
        os.setpriority(os.PRIO_PGRP, pid, nice)
        # Linux shares the processor among sessions first, where it groups by them.
        autogroup = Path(f"/proc/{pid}/autogroup")
        if autogroup.exists():
            autogroup.write_text(str(nice))


def last_words(content: bytes) -> str:
    """The last line of a log that tells of an error, else the last that says something."""
    text = content[-_TAIL_BYTES:].decode(errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["it said nothing"]
    return next((line for line in reversed(lines) if _ERROR.search(line)), lines[-1])[:300]
