"""A probe in a process of its own, as it runs in the city."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from .things import process_environment


class Probe:
    """A probe in a process of its own, and what it has logged."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.text = ""

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]

    async def logged(self, event: str) -> dict[str, Any]:
        """The line of that event; reads until it comes."""
        assert self.process.stdout
        async with asyncio.timeout(30):
            while line := (await self.process.stdout.readline()).decode():
                self.text += line
                fields: dict[str, Any] = json.loads(line)
                if fields["event"] == event:
                    return fields
        raise AssertionError(f"ended without {event!r}:\n{self.text}")

    async def end(self, number: signal.Signals | None = None, seconds: float = 30) -> int:
        """The exit code, within `seconds` of the signal; the rest of the log is then read."""
        if number:
            self.process.send_signal(number)
        rest, _ = await asyncio.wait_for(self.process.communicate(), seconds)
        self.text += rest.decode()
        assert self.process.returncode is not None
        return self.process.returncode


@asynccontextmanager
async def probe(
    environment: Mapping[str, str], module: str = "probe", **changed: str
) -> AsyncIterator[Probe]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        env={**process_environment(environment), **changed},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield Probe(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.text()
