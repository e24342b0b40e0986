"""What a part of the stack is to its supervisor."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import aiohttp

from meshctl.ports import HOST

_PROBE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Command:
    """One process to start. ``user`` is a numeric id to run as, None for our own. ``nice``, 0 to
    19, is how much it yields the processor to others."""

    arguments: tuple[str, ...]
    cwd: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    user: int | None = None
    group: int | None = None
    nice: int = 0


class Part(Protocol):
    """A process of the stack: how it starts, when it is ready, how it is told to stop."""

    name: str
    port: int | None
    tier: int
    stop_signal: signal.Signals
    stop_seconds: float
    essential: bool

    def command(self) -> Command:
        """The process to start, made anew for each start."""
        ...

    async def ready(self) -> bool:
        """Whether it serves now; never raises, answers within seconds."""
        ...

    async def healthy(self) -> bool:
        """Whether it is alive; one that says no for long is restarted."""
        ...


async def listens(port: int) -> bool:
    """Whether something accepts connections on this port of the loopback."""
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            _, writer = await asyncio.open_connection(HOST, port)
            writer.close()
            await writer.wait_closed()
    except (OSError, TimeoutError):
        return False
    return True


async def answers(url: str) -> bool:
    """Whether a GET of this address is answered with 200."""
    timeout = aiohttp.ClientTimeout(total=_PROBE_SECONDS)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
            return response.status == 200
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False
