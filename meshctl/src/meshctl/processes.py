"""Ending processes that are not our children, and finding those a dead supervisor left."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable

import psutil

from meshctl.parts import how_to_stop
from meshctl.state import Run

_POLL = 0.05


async def end(pid: int, how: signal.Signals, seconds: float) -> None:
    """Signal a process and wait until it is gone; SIGKILL when that takes longer than this."""
    try:
        process = psutil.Process(pid)
        process.send_signal(how)
    except psutil.NoSuchProcess:
        return
    if await _gone(process, seconds):
        return
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()
    await _gone(process, seconds)


async def clean_up(run: Run, say: Callable[[str], None]) -> None:
    """End what an earlier supervisor started and left running when it was killed.

    A pid counts only while its process is the same one: same start time, same program.
    """
    for name, part in reversed(run.parts.items()):
        process = part.process.find() if part.process else None
        if process is not None:
            say(f"ending {name}, left running by an earlier up (process {process.pid})")
            await end(process.pid, *how_to_stop(name))


async def _gone(process: psutil.Process, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:  # noqa: ASYNC110
                await asyncio.sleep(_POLL)
    except TimeoutError:
        return False
    except psutil.NoSuchProcess:
        return True
    return True
