"""`demo --scene parking`: scenes of parking on a stack of their own, then accounted for."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
from rich.console import Console
from rich.table import Table

from loadtests.city.errors import CityError
from loadtests.city.parking.office import Office
from meshctl.demo import faults, tables
from meshctl.demo.calling import CountedCalls, channel
from meshctl.demo.parking_account import Account, account
from meshctl.demo.parking_evidence import ParkingEvidence, collect, is_disputed
from meshctl.demo.parking_plan import DEPARTMENT, Doubt, PlayedScene
from meshctl.demo.parking_scenes import Scenes
from meshctl.demo.parking_stage import build, tomorrow
from meshctl.demo.trial import Trial, trial
from meshctl.errors import MeshctlError

SCENE = "parking"
_DEPARTMENTS = (DEPARTMENT, "emergency")
_PLAY_SECONDS = 180
_SETTLE_SECONDS = 60
_POLL_SECONDS = 0.2
# About so many calls the scenes make, those that wait not counted; faults are spread over them.
_CALLS = 220


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: how long a hold lasts, and how long before its end a booking of a minute is made.

    Both must outlast what a service that was killed needs to come back.
    """

    hold: int
    margin: int


_QUICK, _PATIENT = Pace(hold=7, margin=10), Pace(hold=20, margin=25)


@dataclass(frozen=True, slots=True)
class ParkingDemo:
    """The scenes of parking in one state folder."""

    trial: Trial
    with_faults: bool
    say: Callable[[str], None]

    async def run(self) -> bool:
        """Whether each scene ended as it must; prints tables and ends with the JSON line.

        Raises MeshctlError when a part cannot be started or does not finish in time.
        """
        pace = _PATIENT if self.with_faults else _QUICK
        self.trial.give(DEPARTMENT, _environment(pace))
        async with self.trial.up(rooms=False):
            started = time.monotonic()
            dsn = (await self.trial.databases())[DEPARTMENT]
            scenes = await self._play(pace, dsn)
            found, result = await self._settled(scenes, dsn)
            seconds = time.monotonic() - started
        _show(scenes, result, found.written_again)
        for problem in result.problems:
            self.say(problem)
        print(json.dumps(_summary(scenes, result, found.rejected, seconds)), flush=True)
        return result.right and not found.rejected

    async def _play(self, pace: Pace, dsn: str) -> Sequence[PlayedScene]:
        calls = CountedCalls(DEPARTMENT, waiting=("GetBooking",))

        async def disputed(doubt: Doubt) -> None:
            while True:
                if await asyncio.to_thread(is_disputed, dsn, doubt.kind, doubt.bay_id):
                    return
                await asyncio.sleep(_POLL_SECONDS)

        try:
            async with (
                channel(await self.trial.environment("loadtests"), DEPARTMENT) as opened,
                asyncio.timeout(_PLAY_SECONDS),
            ):
                office = Office(opened, calls)
                later = tomorrow()
                stage = await build(office, later)
                calls.answered = 0
                playing = Scenes(office, stage, later, pace.margin, disputed).play()
                return await faults.amid(
                    playing, self._faults(), _CALLS, lambda: calls.answered, self.say
                )
        except (CityError, TimeoutError) as error:
            raise MeshctlError(f"the scenes could not be played: {error!r}") from error

    def _faults(self) -> Sequence[faults.Fault]:
        if not self.with_faults:
            return ()
        state = self.trial.state
        return (
            faults.kill(0.1, state, DEPARTMENT),
            faults.kill(0.4, state, DEPARTMENT),
            faults.restart_broker(0.7, self.trial.meshctl),
        )

    async def _settled(
        self, scenes: Sequence[PlayedScene], dsn: str
    ) -> tuple[ParkingEvidence, Account]:
        operator = await self.trial.environment("operator")

        def look() -> tuple[ParkingEvidence, Account]:
            found = collect(operator, dsn)
            return found, account(scenes, found)

        return await self.trial.settled(look, lambda found: not found[1].lost, _SETTLE_SECONDS)


async def run(
    with_faults: bool, keep: bool, say: Callable[[str], None], against: Path | None
) -> bool:
    """The scenes on a stack of their own, which `keep` leaves to look at, or `against` another."""
    # Faults are told of once, not by each of the calls that wait for their end.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    async with trial(_DEPARTMENTS, keep, say, against) as stack:
        return await ParkingDemo(stack, with_faults, say).run()


def settings() -> Mapping[str, Mapping[str, str]]:
    """What a stack must be given by department for the scenes to be played without faults."""
    return {DEPARTMENT: _environment(_QUICK)}


def _environment(pace: Pace) -> Mapping[str, str]:
    """The department's settings: what takes minutes takes seconds."""
    return {
        "PARKING_BOOKINGS__HOLD_SECONDS": str(pace.hold),
        "PARKING_BOOKINGS__MIN_MINUTES": "1",
        "PARKING_BOOKINGS__OVERSTAY_GRACE_MINUTES": "0",
        "PARKING_BOOKINGS__SWEEP_EVERY_SECONDS": "0.2",
        "PARKING_OCCUPANCY__DISPUTE_GRACE_SECONDS": "1",
        "PARKING_OCCUPANCY__JUDGE_EVERY_SECONDS": "0.2",
        "PARKING_OCCUPANCY__COUNT_EVERY_SECONDS": "0.5",
    }


def _summary(
    scenes: Sequence[PlayedScene], result: Account, rejected: int, seconds: float
) -> Mapping[str, object]:
    status = Counter(claim.status for scene in scenes for claim in scene.claims)
    told = sum((scene.told for scene in scenes), Counter[str]())
    found = {stage.name: stage.found for stage in result.stages}
    return {
        "scenes": len(scenes),
        "bookings": found["bookings"],
        "double_bookings": result.double_bookings,
        "refusals": dict(sorted(told.items())),
        **{word.lower(): status[word] for word in ("SETTLED", "REFUNDED", "EXPIRED", "RELEASED")},
        "disputes": found["disputes"],
        "ledger_won": result.ledger_won,
        "shares_won": dict(result.shares_won),
        "lost": result.lost + rejected,
        "duplicates": result.duplicates,
        "seconds": round(seconds, 1),
    }


def _show(scenes: Sequence[PlayedScene], result: Account, written_again: int) -> None:
    console = Console(stderr=False)
    table = Table("scene", "what happens", "bookings", "refusals", "disputes")
    for scene in scenes:
        counts = (len(scene.claims), scene.told.total(), len(scene.doubts))
        table.add_row(scene.name, scene.title, *map(str, counts))
    console.print(table)
    tables.show(
        result.stages,
        "scenes against topics, database",
        f"written again with the same id, without effect: {written_again} events",
    )
