"""The faults of `demo --faults`: each at a share of the readings acknowledged."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import urllib.request
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from meshctl.errors import MeshctlError
from meshctl.state import State

Say = Callable[[str], None]
Restart = Callable[[str], Awaitable[object]]

_ROOM_DOWN_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Fault:
    """`happen` is called once the share of readings, 0 to 1, has been acknowledged."""

    share: float
    name: str
    happen: Callable[[], Awaitable[None]]


def plan(state: State, room_url: str, restart: Restart) -> Sequence[Fault]:
    """Each service is killed once, the broker restarted once, the room down for a while."""

    def kill(part: str) -> Callable[[], Awaitable[None]]:
        async def happen() -> None:
            run = state.read_run()
            found = run.parts[part].process if run and part in run.parts else None
            process = found.find() if found else None
            if process is None:
                raise MeshctlError(f"{part}: does not run, so it cannot be killed")
            os.kill(process.pid, signal.SIGKILL)

        return happen

    async def broker() -> None:
        await restart("kafka")

    async def room_down() -> None:
        body = json.dumps({"mode": "down", "for_seconds": _ROOM_DOWN_SECONDS}).encode()
        request = urllib.request.Request(
            f"{room_url}/control", body, {"Content-Type": "application/json"}
        )
        await asyncio.to_thread(lambda: urllib.request.urlopen(request, timeout=5).close())

    return (
        Fault(0.10, f"room down for {_ROOM_DOWN_SECONDS} s", room_down),
        Fault(0.20, "SIGKILL sensors", kill("sensors")),
        Fault(0.45, "SIGKILL emergency", kill("emergency")),
        Fault(0.65, "broker restarted", broker),
    )


async def cause(
    faults: Sequence[Fault], total: int, acknowledged: Callable[[], int], say: Say
) -> None:
    """Cause each fault in its turn; returns when all have been."""
    for fault in faults:
        await _reached(fault.share * total, acknowledged)
        say(f"fault: {fault.name} at {fault.share:.0%} of the readings")
        await fault.happen()


async def _reached(count: float, acknowledged: Callable[[], int]) -> None:
    while True:
        if await asyncio.to_thread(acknowledged) >= count:
            return
        await asyncio.sleep(0.1)
