"""`up --detach` and `down`: a stack in a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from meshctl.errors import AlreadyRunningError, MeshctlError, NotRunningError
from meshctl.processes import clean_up, end
from meshctl.settings import PREFIX, Settings
from meshctl.stack import Options
from meshctl.state import State

Say = Callable[[str], None]
_POLL = 0.1
_STOP_SECONDS = 90.0
_PREFIX = "meshctl: "


class DetachedFailedError(MeshctlError):
    """The detached stack could not start; carries its message and exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


async def up(settings: Settings, state: State, options: Options, say: Say) -> None:
    """Start a stack that outlives this process, and return when it is ready.

    Its progress is passed on line by line. Raises MeshctlError with its reason when it fails.
    """
    state.make()
    if state.is_locked():
        with state.locked():
            raise AlreadyRunningError(f"a stack already runs on {state.folder}")
    log = state.log("up")
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *_command(state.folder, options),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, f"{PREFIX}ROOT": str(settings.root), "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
    try:
        await _follow(process, state, log, say)
    except asyncio.CancelledError:
        process.terminate()
        await process.wait()
        raise


async def down(state: State, say: Say) -> None:
    """Stop a running stack, or what a killed one left, and wait for it. Raises NotRunningError."""
    run = state.read_run()
    if run is None:
        raise NotRunningError(f"no stack runs on {state.folder}")
    if state.running() is None:
        await clean_up(run, say)
        state.run.unlink(missing_ok=True)
        return
    await end(run.supervisor.pid, signal.SIGTERM, _STOP_SECONDS)
    say("stopped")


async def _follow(process: asyncio.subprocess.Process, state: State, log: Path, say: Say) -> None:
    shown = 0
    while True:
        ended = process.returncode is not None
        run = state.read_run()
        ready = run is not None and run.supervisor.pid == process.pid and run.phase == "ready"
        text = await asyncio.to_thread(log.read_text, encoding="utf-8", errors="replace")
        *lines, _ = text.split("\n")
        for line in lines[shown:]:
            if not line.startswith(_PREFIX):
                say(line)
        shown = len(lines)
        if ended:
            reasons = [line for line in lines if line.startswith(_PREFIX)]
            message = reasons[-1].removeprefix(_PREFIX) if reasons else f"it ended; see {log}"
            raise DetachedFailedError(message, process.returncode or 1)
        if ready:
            return
        await asyncio.sleep(_POLL)


def _command(folder: Path, options: Options) -> list[str]:
    command = [sys.executable, "-m", "meshctl", "up", "--state", str(folder), "--no-table"]
    if options.backbone_only:
        command.append("--backbone-only")
    if options.free_ports:
        command.append("--free-ports")
    if options.rooms:
        command.append("--city" if options.city else "--rooms")
    for services in options.services:
        command += ["--services", str(services.resolve())]
    return command
