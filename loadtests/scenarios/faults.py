"""Faults of a scenario, made to the processes of a stack on this machine."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import psutil

from loadtests.driver.resources import room_urls
from loadtests.driver.result import Fault
from loadtests.scenarios.fault import FaultError
from loadtests.scenarios.scenario import PlannedFault
from loadtests.scenarios.stack import StackError, meshctl
from loadtests.scenarios.upgrade import upgraded
from loadtests.scenarios.worker import Workers

_ASK_SECONDS = 5.0


class Faults:
    """Makes the planned faults in time; `made` are those that were, as they took place.

    `environment` has the variables of the departments. `workers` has the processes that it starts.
    """

    def __init__(
        self, planned: Sequence[PlannedFault], state: Path, environment: Mapping[str, str]
    ) -> None:
        self._planned = planned
        self._state = state
        self._environment = environment
        self.workers = Workers(state, environment)
        self.made: list[Fault] = []

    async def run(self, began: datetime) -> None:
        """Raises FaultError; what is for a time is taken back, whatever happens."""
        async with asyncio.TaskGroup() as group:
            for fault in self._planned:
                group.create_task(self._make(fault, began + timedelta(seconds=fault.at)))

    async def _make(self, fault: PlannedFault, at: datetime) -> None:
        await asyncio.sleep(max(0.0, (at - datetime.now(UTC)).total_seconds()))
        began = datetime.now(UTC)
        ended: datetime | None = None
        try:
            if fault.seconds:
                async with self._lasting(fault):
                    left = began + timedelta(seconds=fault.seconds) - datetime.now(UTC)
                    await asyncio.sleep(max(0.0, left.total_seconds()))
                    ended = datetime.now(UTC)
            else:
                # How long it is away is the city's own doing, and so of its recovery.
                ended = began
                await self._at_once(fault)
        except (StackError, OSError, aiohttp.ClientError, TimeoutError) as error:
            raise FaultError(f"{fault.kind} {fault.target}: {error}") from error
        finally:
            ended = ended or datetime.now(UTC)
            self.made.append(Fault(kind=fault.kind, target=fault.target, began=began, ended=ended))

    async def _at_once(self, fault: PlannedFault) -> None:
        if fault.kind == "kill":
            os.kill(await asyncio.to_thread(_pid, self._state, fault.target), signal.SIGKILL)
        else:
            await meshctl("restart", fault.target, "--state", str(self._state))

    def _lasting(self, fault: PlannedFault) -> AbstractAsyncContextManager[object]:
        match fault.kind:
            case "start":
                return self.workers.one_more(fault.target)
            case "register":
                return upgraded(fault.target, self._state, self._environment)
            case "network":
                return _cut_off(self._state, fault.target)
            case _:
                return _stopped(self._state, fault.target)


@asynccontextmanager
async def _stopped(state: Path, target: str) -> AsyncIterator[None]:
    pid = await asyncio.to_thread(_pid, state, target)
    family: list[psutil.Process] = []
    try:
        parent = psutil.Process(pid)
        # The parent first: what stands still starts no more children.
        for process in (parent, *parent.children(recursive=True)):
            process.suspend()
            family.append(process)
        yield
    except psutil.NoSuchProcess as error:
        raise FaultError(f"{target}: its process is gone") from error
    finally:
        for process in reversed(family):
            try:
                process.resume()
            except psutil.NoSuchProcess:
                continue


@asynccontextmanager
async def _cut_off(state: Path, room: str) -> AsyncIterator[None]:
    """The stand-in's own doing: it closes connections and takes nothing."""
    urls = await asyncio.to_thread(room_urls, state)
    if room not in urls:
        raise FaultError(f"{room}: no such room of the stack on {state}")
    timeout = aiohttp.ClientTimeout(total=_ASK_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout, raise_for_status=True) as http:
        control = f"{urls[room]}/control"
        (await http.post(control, json={"mode": "down", "close": True})).release()
        try:
            yield
        finally:
            (await http.post(control, json={"mode": "up"})).release()


def _pid(state: Path, target: str) -> int:
    try:
        parts = json.loads((state / "run.json").read_bytes())["parts"]
        return int(parts[target]["process"]["pid"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FaultError(f"{target}: no such process of the stack on {state}") from error
