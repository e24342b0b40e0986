"""Commands on a running stack: restart a part, apply registrations again, read a log."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from meshctl import applying, catalogue, credentials, stack
from meshctl.composing import applying as composed
from meshctl.errors import MeshctlError, NotRunningError, PartFailedError, SettingsError
from meshctl.parts import how_to_stop
from meshctl.places import Local
from meshctl.processes import end
from meshctl.settings import Settings
from meshctl.state import Run, State

Say = Callable[[str], None]
_POLL = 0.1
_CHUNK = 64 * 1024


def require_running(state: State) -> Run:
    """The run on this state folder. Raises NotRunningError."""
    if state.composed:
        raise NotRunningError(f"{state.folder} is of containers: use docker-compose")
    run = state.running()
    if run is None:
        raise NotRunningError(f"no stack runs on {state.folder}: `meshctl up` starts one")
    return run


async def restart(settings: Settings, state: State, name: str, say: Say) -> None:
    """End a part and wait until its supervisor has it ready again.

    Raises SettingsError when there is no such part, PartFailedError when it takes too long.
    """
    run = require_running(state)
    if name not in run.parts:
        raise SettingsError(f"there is no part {name!r}, there is {', '.join(run.parts)}")
    before = run.parts[name].process
    if before is not None and before.find() is not None:
        await end(before.pid, *how_to_stop(name))
    try:
        async with asyncio.timeout(settings.start_timeout):
            while True:
                part = require_running(state).parts[name]
                if part.status == "ready" and part.process not in (None, before):
                    break
                await asyncio.sleep(_POLL)
    except TimeoutError:
        raise PartFailedError(
            f"{name} was not ready within {settings.start_timeout:.0f} s; see {state.log(name)}"
        ) from None
    say(f"{name} ready")


async def apply(settings: Settings, state: State, say: Say, *, with_schemas: bool = True) -> None:
    """Make the running stack agree with the registrations as they are now."""
    if state.composed:
        await composed.apply(settings, state, say, with_schemas=with_schemas)
        return
    run = require_running(state)
    known = catalogue.load(settings, run.folders)
    chosen = stack.keep_ports(settings, state, known)
    given = credentials.of_everyone(state, known)
    await asyncio.to_thread(applying.files, known, state)
    await applying.everything(known, Local(chosen, state), given, say, with_schemas=with_schemas)
    absent = [found.service for found in known.services if found.service not in run.parts]
    if absent and not run.backbone_only:
        say(f"registered, and started by the next up: {', '.join(absent)}")


def log_file(state: State, name: str) -> Path:
    """The log of a part. Raises SettingsError when it has none."""
    file = state.log(name)
    if not file.is_file():
        logs = ", ".join(sorted(path.stem for path in state.logs.glob("*.log")))
        raise SettingsError(f"there is no log of {name!r}, there is {logs or 'none'}")
    return file


def tail(file: Path, lines: int) -> tuple[str, int]:
    """The last lines of a file, and how many bytes of it were looked at."""
    with file.open("rb") as handle:
        size = position = handle.seek(0, os.SEEK_END)
        content = b""
        while position > 0 and content.count(b"\n") <= lines:
            step = min(_CHUNK, position)
            position -= step
            handle.seek(position)
            content = handle.read(step) + content
    text = content.decode(errors="replace").splitlines(keepends=True)
    return "".join(text[-lines:] if lines else []), size


def follow(file: Path, offset: int) -> Iterator[str]:
    """What is appended to a file after this offset, as it comes; from its start when it shrinks."""
    while True:
        try:
            size = file.stat().st_size
            offset = 0 if size < offset else offset
            if size > offset:
                with file.open("rb") as handle:
                    handle.seek(offset)
                    content = handle.read(_CHUNK)
                offset += len(content)
                yield content.decode(errors="replace")
                continue
        except OSError as error:
            raise MeshctlError(f"{file}: cannot be read: {error.strerror}") from error
        time.sleep(_POLL)
