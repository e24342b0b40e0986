"""`demo --scene`: scripted scenes on a stack of their own, each with the outcome it must have."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from loadtests.city.scenes.outcome import Played
from meshctl.demo import faults, scene_account, scene_evidence
from meshctl.demo.scene_account import Outcome
from meshctl.demo.trial import Trial, trial
from meshctl.errors import MeshctlError
from meshctl.parts.rooms import listener, record
from meshctl.ports import HOST

_DEPARTMENTS = ("cameras", "sensors", "emergency")
_DESKS = ("112", "119")
_PLAY_SECONDS = 600
_SETTLE_SECONDS = 120
# What faults are spread over, from the first detection on; the scenes take about as long.
_FAULTY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Scenes:
    """The scenes `names` (comma-separated, or all) over a light background."""

    names: str
    trial: Trial
    with_faults: bool
    say: Callable[[str], None]

    async def run(self) -> bool:
        """Whether each scene ended as it must; prints a table and ends with the JSON line.

        Raises MeshctlError when a part cannot be started or does not finish in time.
        """
        async with self.trial.up():
            started = time.monotonic()
            played = await self._play()
            found, outcomes = await self._settled(played)
            seconds = time.monotonic() - started
        _show(outcomes, found.written_again)
        for outcome in outcomes:
            for problem in outcome.problems:
                self.say(f"{outcome.scene.name}: {problem}")
        lost = sum(stage.lost for one in outcomes for stage in one.stages) + found.rejected
        duplicates = sum(stage.duplicates for one in outcomes for stage in one.stages)
        summary = {
            "scenes": len(outcomes),
            **{name: _total(outcomes, name) for name in ("detections", "alarms", "escalations")},
            "incidents": _total(outcomes, "incidents"),
            "dispatches": {desk: _total(outcomes, f"{desk} room") for desk in _DESKS},
            "lost": lost,
            "duplicates": duplicates,
            "seconds": round(seconds, 1),
        }
        print(json.dumps(summary), flush=True)
        return lost == 0 and duplicates == 0

    async def _play(self) -> Played:
        file = self.trial.folder / "played.json"
        environment = {**os.environ, **await self.trial.environment("loadtests")}
        arguments = ("--scenes", self.names, "--played", str(file), "--background", "0.1")
        async with asyncio.timeout(_PLAY_SECONDS), asyncio.TaskGroup() as group:
            trouble = group.create_task(self._trouble()) if self.with_faults else None
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "loadtests.city", *arguments), env=environment
            )
            try:
                code = await process.wait()
            finally:
                if process.returncode is None:
                    process.kill()
            if code:
                raise MeshctlError(f"the scenes could not be played: exit code {code}")
            if trouble is not None:
                await trouble
        return await asyncio.to_thread(_read, file)

    async def _trouble(self) -> None:
        state, cameras = self.trial.state, (await self.trial.databases())["cameras"]
        started: float | None = None

        def playing() -> float:
            nonlocal started
            if started is None and _begun(cameras):
                started = time.monotonic()
            return 0.0 if started is None else time.monotonic() - started

        room = f"http://{HOST}:{self.trial.ports[listener('112')]}"
        plan = [
            faults.kill(0.15, state, "cameras"),
            faults.room_down(0.25, room, "112 room"),
            faults.kill(0.35, state, "emergency"),
            faults.restart_broker(0.5, self.trial.meshctl),
            faults.kill(0.75, state, "sensors"),
            faults.kill(0.9, state, "cameras"),
        ]
        await faults.cause(plan, _FAULTY_SECONDS, playing, self.say)

    async def _settled(
        self, played: Played
    ) -> tuple[scene_evidence.SceneEvidence, Sequence[Outcome]]:
        """Once nothing is under way and nothing is missing, or its time is over."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        while True:
            await self.trial.arrived()
            found = await self._collect()
            outcomes = scene_account.outcomes(played, found, self.with_faults)
            missing = any(stage.lost for one in outcomes for stage in one.stages)
            if not missing or time.monotonic() > deadline:
                return found, outcomes
            await asyncio.sleep(1.0)

    async def _collect(self) -> scene_evidence.SceneEvidence:
        try:
            return await asyncio.to_thread(
                scene_evidence.collect,
                await self.trial.environment("operator"),
                await self.trial.databases(),
                {desk: record(self.trial.state, desk) for desk in _DESKS},
            )
        except psycopg.OperationalError as error:
            raise MeshctlError(f"a database went away: {error}") from error


async def run(
    names: str, with_faults: bool, keep: bool, say: Callable[[str], None], against: Path | None
) -> bool:
    """The scenes on a stack of their own, which `keep` leaves to look at, or `against` another."""
    async with trial(_DEPARTMENTS, keep, say, against) as stack:
        return await Scenes(names, stack, with_faults, say).run()


def _begun(dsn: str) -> bool:
    """Whether detections are being handled."""
    try:
        with psycopg.connect(dsn, connect_timeout=5) as connection:
            return connection.execute("select from site_watch limit 1").fetchone() is not None
    except psycopg.OperationalError:
        return False


def _read(file: Path) -> Played:
    try:
        return Played.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise MeshctlError(f"{file}: expected what the scenes' player writes: {error}") from error


def _total(outcomes: Sequence[Outcome], stage_name: str) -> int:
    return sum(s.found for one in outcomes for s in one.stages if s.name == stage_name)


def _show(outcomes: Sequence[Outcome], written_again: int) -> None:
    for outcome in outcomes:
        print(f"{outcome.scene.name}: {outcome.scene.title}")
    table = Table("scene", *(stage.name for stage in outcomes[0].stages), "right")
    for outcome in outcomes:
        right = not any(stage.lost or stage.duplicates for stage in outcome.stages)
        table.add_row(
            outcome.scene.name,
            *(str(stage.found) for stage in outcome.stages),
            "yes" if right else "NO",
        )
    console = Console(stderr=False)
    console.print(table)
    console.print(f"written again with the same id, without effect: {written_again} events")
