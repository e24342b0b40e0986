"""Faults of a scenario, made to the processes of a stack on this machine."""

import asyncio
import json
import os
import signal
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from loadtests.driver.result import Fault
from loadtests.scenarios.scenario import PlannedFault


class FaultError(Exception):
    """A fault that could not be made: its target does not run on this machine."""


class Faults:
    """Makes the planned faults in time; `made` are those that were, as they took place."""

    def __init__(self, planned: Sequence[PlannedFault], state: Path) -> None:
        self._planned = planned
        self._state = state
        self.made: list[Fault] = []

    async def run(self, began: datetime) -> None:
        """Raises FaultError; a process that is stopped goes on, whatever happens."""
        async with asyncio.TaskGroup() as group:
            for fault in self._planned:
                group.create_task(self._make(fault, began + timedelta(seconds=fault.at)))

    async def _make(self, fault: PlannedFault, at: datetime) -> None:
        await asyncio.sleep(max(0.0, (at - datetime.now(UTC)).total_seconds()))
        pid = await asyncio.to_thread(_pid, self._state, fault.target)
        began = datetime.now(UTC)
        ended: datetime | None = None
        try:
            if fault.kind == "kill":
                os.kill(pid, signal.SIGKILL)
                ended = datetime.now(UTC)
            else:
                os.kill(pid, signal.SIGSTOP)
                try:
                    await asyncio.sleep(fault.seconds)
                finally:
                    os.kill(pid, signal.SIGCONT)
                    ended = datetime.now(UTC)
        except ProcessLookupError as error:
            raise FaultError(f"{fault.target}: its process is gone") from error
        finally:
            self.made.append(Fault(kind=fault.kind, target=fault.target, began=began, ended=ended))


def _pid(state: Path, target: str) -> int:
    try:
        parts = json.loads((state / "run.json").read_bytes())["parts"]
        return int(parts[target]["process"]["pid"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FaultError(f"{target}: no such process of the stack on {state}") from error
