"""Starts a stack of its own, replays the file, waits until all has arrived, accounts for it."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table

from meshctl.demo import account, evidence, expected, faults, tables
from meshctl.demo.trial import Trial, trial
from meshctl.errors import MeshctlError
from meshctl.parts.rooms import listener, record
from meshctl.ports import HOST

STATION = "seoul"
ROOM = "disaster"
_DEPARTMENTS = ("cameras", "sensors", "emergency")
_KST = timezone(timedelta(hours=9))
_REPLAY_SECONDS = 1800
_NAMES = {"PM25": "PM2.5"}


@dataclass(frozen=True, slots=True)
class Demo:
    """A demo of one file in one state folder."""

    file: Path
    trial: Trial
    with_faults: bool
    say: Callable[[str], None]

    async def run(self) -> bool:
        """Whether all came out as it must; prints the alerts and ends with the JSON line.

        Raises MeshctlError when a part cannot be started or does not finish in time.
        """
        hours = expected.read(self.file)
        changes = expected.alerts(hours)
        started = time.monotonic()
        async with self.trial.up():
            replayed_from = time.monotonic()
            await self._replay(len(hours))
            await self.trial.arrived()
            seconds = time.monotonic() - replayed_from
            found = await asyncio.to_thread(
                evidence.collect,
                await self.trial.environment("operator"),
                await self.trial.databases(),
                record(self.trial.state, ROOM),
                STATION,
            )
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
        databases = await self.trial.databases()
        options = ["--speed", "max", "--station-id", STATION, "--state", str(self.trial.folder)]
        async with asyncio.timeout(_REPLAY_SECONDS), asyncio.TaskGroup() as group:
            trouble = None
            if self.with_faults:
                room = f"http://{HOST}:{self.trial.ports[listener(ROOM)]}"
                plan = [
                    faults.room_down(0.10, room),
                    faults.kill(0.20, self.trial.state, "sensors"),
                    faults.kill(0.45, self.trial.state, "emergency"),
                    faults.restart_broker(0.65, self.trial.meshctl),
                ]
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


async def run(
    file: Path, with_faults: bool, keep: bool, say: Callable[[str], None], against: Path | None
) -> bool:
    """The demo on a stack of its own, whose folder `keep` leaves there, or `against` another."""
    async with trial(_DEPARTMENTS, keep, say, against) as stack:
        return await Demo(file, stack, with_faults, say).run()


def _accepted(dsn: str) -> int:
    try:
        return evidence.accepted(dsn, STATION)
    except psycopg.OperationalError:
        return 0


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
    repeats = sum(line.repeat for line in found.room)
    tables.show(
        stages,
        "file against topics, databases, room",
        f"written again with the same id, without effect: {found.written_again} events,"
        f" {repeats} room messages",
    )


def _local(at: datetime) -> str:
    return at.astimezone(_KST).strftime("%Y-%m-%d %H:%M")
