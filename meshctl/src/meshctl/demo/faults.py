"""The faults of `demo --faults`: each at a share of the input taken."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import urllib.request
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from meshctl.errors import MeshctlError
from meshctl.parts.service import name_of
from meshctl.state import State

Say = Callable[[str], None]
Meshctl = Callable[..., Awaitable[object]]

_ROOM_DOWN_SECONDS = 10
_Played = TypeVar("_Played")


@dataclass(frozen=True, slots=True)
class Fault:
    """`happen` is called once the share, 0 to 1, of the demo's input has been taken."""

    share: float
    name: str
    happen: Callable[[], Awaitable[None]]


def kill(share: float, state: State, department: str) -> Fault:
    """SIGKILL to each of its processes; the supervisor starts them anew."""

    async def happen() -> None:
        run = state.read_run()
        parts = run.parts if run else {}
        found = [parts.get(name_of(department, role)) for role in ("rpc", "stream")]
        processes = [one.process.find() for one in found if one and one.process]
        if not any(processes):
            raise MeshctlError(f"{department}: does not run, so it cannot be killed")
        for process in filter(None, processes):
            os.kill(process.pid, signal.SIGKILL)

    return Fault(share, f"SIGKILL {department}", happen)


def restart_broker(share: float, meshctl: Meshctl) -> Fault:
    """Stopped and started."""

    async def happen() -> None:
        await meshctl("restart", "kafka")

    return Fault(share, "broker restarted", happen)


def room_down(share: float, url: str, name: str = "room") -> Fault:
    """Not reachable for a while."""

    async def happen() -> None:
        body = json.dumps({"mode": "down", "for_seconds": _ROOM_DOWN_SECONDS}).encode()
        request = urllib.request.Request(
            f"{url}/control", body, {"Content-Type": "application/json"}
        )
        await asyncio.to_thread(lambda: urllib.request.urlopen(request, timeout=5).close())

    return Fault(share, f"{name} down for {_ROOM_DOWN_SECONDS} s", happen)


async def cause(
    faults: Sequence[Fault], total: float, taken: Callable[[], float], say: Say
) -> None:
    """Cause each fault in its turn; returns when all have been."""
    for fault in faults:
        await _reached(fault.share * total, taken)
        say(f"fault: {fault.name} at {fault.share:.0%} of the input")
        await fault.happen()


async def amid(
    playing: Awaitable[_Played],
    faults: Sequence[Fault],
    total: float,
    taken: Callable[[], float],
    say: Say,
) -> _Played:
    """Cause the faults while something is played, and those that are left when it has been."""
    played = False
    trouble = asyncio.ensure_future(cause(faults, total, lambda: total if played else taken(), say))
    try:
        found = await playing
        played = True
        await trouble
    finally:
        trouble.cancel()
    return found


async def _reached(count: float, taken: Callable[[], float]) -> None:
    while True:
        if await asyncio.to_thread(taken) >= count:
            return
        await asyncio.sleep(0.1)
