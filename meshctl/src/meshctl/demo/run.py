"""Starts a stack of its own, replays the file, waits until all has arrived, accounts for it."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console
from rich.table import Table

from meshctl.demo import account, evidence, expected, faults
from meshctl.errors import MeshctlError
from meshctl.parts.rooms import listener, record
from meshctl.ports import HOST
from meshctl.state import State, read_json

STATION = "seoul"
ROOM = "disaster"
_DEPARTMENTS = ("sensors", "emergency")
_KST = timezone(timedelta(hours=9))
_COMMAND_SECONDS = 300
_REPLAY_SECONDS = 1800
_ARRIVAL_SECONDS = 300
_NAMES = {"PM25": "PM2.5"}


@dataclass(frozen=True, slots=True)
class Demo:
    """A demo of one file in one state folder."""

    file: Path
    state: Path
    with_faults: bool
    say: Callable[[str], None]

    async def run(self) -> bool:
        """Whether all came out as it must; prints the alerts and ends with the JSON line.

        Raises MeshctlError when a part cannot be started or does not finish in time.
        """
        hours = expected.read(self.file)
        changes = expected.alerts(hours)
        started = time.monotonic()
        await self._meshctl("up", "--detach", "--free-ports", "--rooms")
        try:
            replayed_from = time.monotonic()
            await self._replay(len(hours))
            await self._arrived()
            seconds = time.monotonic() - replayed_from
            found = await asyncio.to_thread(
                evidence.collect,
                await self._environment("operator"),
                await self._databases(),
                record(State(self.state), ROOM),
                STATION,
            )
        finally:
            await self._meshctl("down")
        stages = account.stages(hours, changes, found)
        _show(changes, stages, found)
        lost = sum(stage.lost for stage in stages) + found.rejected
        duplicates = sum(stage.duplicates for stage in stages)
        disorder = account.out_of_order(found)
        by_name = {stage.name: stage for stage in stages}
        summary = {
            "readings": by_name["readings"].found,
            "hourly_means": by_name["hourly means"].found,
            "alerts": account.issued(found),
            "incidents": len({identity for identity, _, _, _ in found.incident_changes}),
            "delivered": by_name["room"].found,
            "lost": lost,
            "duplicates": duplicates,
            "out_of_order": disorder,
            "repeats": sum(line.repeat for line in found.room),
            "seconds": round(seconds, 1),
        }
        self.say(f"the whole demo took {time.monotonic() - started:.0f} s")
        print(json.dumps(summary), flush=True)
        return lost == 0 and duplicates == 0 and disorder == 0

    async def _replay(self, total: int) -> None:
        databases = await self._databases()
        options = ["--speed", "max", "--station-id", STATION, "--state", str(self.state)]
        async with asyncio.timeout(_REPLAY_SECONDS), asyncio.TaskGroup() as group:
            trouble = None
            if self.with_faults:
                ports = read_json(State(self.state).ports)
                plan = faults.plan(
                    State(self.state),
                    f"http://{HOST}:{ports[listener(ROOM)]}",
                    lambda part: self._meshctl("restart", part),
                )
                trouble = group.create_task(
                    faults.cause(plan, total, lambda: _accepted(databases["sensors"]), self.say)
                )
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "meshctl", "replay", "sensors", str(self.file)), *options
            )
            try:
                code = await process.wait()
            finally:
                if process.returncode is None:
                    process.kill()
            if code:
                raise MeshctlError(f"the replay failed with exit code {code}")
            if trouble is not None:
                await trouble

    async def _arrived(self) -> None:
        """Wait until no group lags, no outbox holds anything and no room is owed anything."""
        databases = await self._databases()
        deadline = time.monotonic() + _ARRIVAL_SECONDS
        quiet = 0
        while quiet < 2:
            quiet = quiet + 1 if await self._quiet(databases) else 0
            if time.monotonic() > deadline:
                raise MeshctlError(f"not all had arrived after {_ARRIVAL_SECONDS} s")
            await asyncio.sleep(0.3)

    async def _quiet(self, databases: Mapping[str, str]) -> bool:
        try:
            if await asyncio.to_thread(evidence.outstanding, databases):
                return False
            status = json.loads(await self._meshctl("status", "--json"))
        except (psycopg.OperationalError, MeshctlError, ValueError):
            return False
        return all(seconds == 0 for seconds in _lags(status))

    async def _databases(self) -> dict[str, str]:
        return {
            name: (await self._environment(name))[f"{name.upper()}_DATABASE__DSN"]
            for name in _DEPARTMENTS
        }

    async def _environment(self, name: str) -> dict[str, str]:
        environment: dict[str, str] = json.loads(await self._meshctl("env", name, "--json"))
        return environment

    async def _meshctl(self, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "meshctl", *arguments, "--state", str(self.state)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(_COMMAND_SECONDS):
                output, problem = await process.communicate()
        except TimeoutError:
            process.kill()
            raise MeshctlError(f"meshctl {arguments[0]}: no end in {_COMMAND_SECONDS} s") from None
        if process.returncode:
            raise MeshctlError(f"meshctl {arguments[0]}: {problem.decode().strip()}")
        return output.decode()


async def run(file: Path, with_faults: bool, keep: bool, say: Callable[[str], None]) -> bool:
    """The demo in a temporary state folder; `keep` leaves it there and says where."""
    if keep:
        state = Path(tempfile.mkdtemp(prefix="citymesh-demo-"))
        say(f"state folder: {state}")
        return await Demo(file, state, with_faults, say).run()
    with tempfile.TemporaryDirectory(prefix="citymesh-demo-", ignore_cleanup_errors=True) as name:
        return await Demo(file, Path(name), with_faults, say).run()


def _accepted(dsn: str) -> int:
    try:
        return evidence.accepted(dsn, STATION)
    except psycopg.OperationalError:
        return 0


def _lags(status: Mapping[str, Any]) -> Sequence[float | None]:
    return [seconds for topics in status["lag"].values() for seconds in topics.values()]


def _show(
    changes: Sequence[expected.Change],
    stages: Sequence[account.Stage],
    found: evidence.Evidence,
) -> None:
    console = Console(stderr=False)
    table = Table("pollutant", "level", "from (KST)", "to (KST)", title="alerts")
    words = {"ADVISORY": "주의보 advisory", "WARNING": "경보 warning"}
    for alert in account.alerts(changes):
        table.add_row(
            _NAMES.get(alert.pollutant, alert.pollutant),
            words[alert.level],
            _local(alert.since),
            _local(alert.until) if alert.until else "stands",
        )
    console.print(table)
    summary = Table(
        "stage", "found", "lost", "duplicates", title="file against topics, databases, room"
    )
    for stage in stages:
        summary.add_row(stage.name, *(str(n) for n in (stage.found, stage.lost, stage.duplicates)))
    console.print(summary)
    repeats = sum(line.repeat for line in found.room)
    console.print(
        f"written again with the same id, without effect: {found.written_again} events,"
        f" {repeats} room messages"
    )


def _local(at: datetime) -> str:
    return at.astimezone(_KST).strftime("%Y-%m-%d %H:%M")
