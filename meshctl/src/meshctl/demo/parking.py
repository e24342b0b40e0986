"""`demo --scene parking`: scenes of parking on a stack of their own, then accounted for."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psycopg
import structlog
from city_backbone.rpc.channel import open_channel
from city_backbone.settings import TlsSettings
from rich.console import Console
from rich.table import Table
from tenacity import wait_random_exponential

from loadtests.city.calls import Calls, Rpc
from loadtests.city.errors import CityError
from loadtests.city.parking.office import Office
from meshctl.demo import faults
from meshctl.demo.parking_account import Account, account
from meshctl.demo.parking_evidence import ParkingEvidence, collect, is_disputed
from meshctl.demo.parking_plan import DEPARTMENT, Doubt, PlayedScene
from meshctl.demo.parking_scenes import Scenes
from meshctl.demo.parking_stage import build, tomorrow
from meshctl.demo.trial import Trial, folder
from meshctl.errors import MeshctlError
from meshctl.settings import load as load_settings
from meshctl.state import write_json

SCENE = "parking"
_DEPARTMENTS = (DEPARTMENT, "emergency")
_PLAY_SECONDS = 180
_SETTLE_SECONDS = 60
_CALL_SECONDS = 10.0
_POLL_SECONDS = 0.2
# About so many calls the scenes make, those that wait not counted; faults are spread over them.
_CALLS = 220
_Request = TypeVar("_Request")
_Answer = TypeVar("_Answer")
_SOON = wait_random_exponential(multiplier=0.2, max=1.0)


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: how long a hold lasts, and how long before its end a booking of a minute is made.

    Both must outlast what a service that was killed needs to come back.
    """

    hold: int
    margin: int


_QUICK, _PATIENT = Pace(hold=7, margin=10), Pace(hold=20, margin=25)


class _Calls(Calls):
    """Counts what was answered, without those who only wait for something."""

    answered = 0

    async def __call__(
        self, method: str, rpc: Rpc[_Request, _Answer], request: _Request
    ) -> _Answer:
        try:
            return await super().__call__(method, rpc, request)
        finally:
            self.answered += method != "GetBooking"


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
        settings = self.trial.state.environments / f"{DEPARTMENT}.json"
        write_json(settings, _environment(pace), 0o600)
        async with _up(self.trial):
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
        calls = _Calls(DEPARTMENT, _CALL_SECONDS, _SOON)
        played = False

        async def disputed(doubt: Doubt) -> None:
            while True:
                if await asyncio.to_thread(is_disputed, dsn, doubt.kind, doubt.bay_id):
                    return
                await asyncio.sleep(_POLL_SECONDS)

        try:
            async with (
                _office(await self.trial.environment("loadtests"), calls) as office,
                asyncio.timeout(_PLAY_SECONDS),
            ):
                later = tomorrow()
                stage = await build(office, later)
                calls.answered = 0
                trouble = asyncio.ensure_future(
                    self._trouble(lambda: _CALLS if played else calls.answered)
                )
                try:
                    scenes = await Scenes(office, stage, later, pace.margin, disputed).play()
                    played = True
                    await trouble
                finally:
                    trouble.cancel()
        except (CityError, TimeoutError) as error:
            raise MeshctlError(f"the scenes could not be played: {error!r}") from error
        return scenes

    async def _trouble(self, answered: Callable[[], float]) -> None:
        if not self.with_faults:
            return
        state = self.trial.state
        plan = [
            faults.kill(0.1, state, DEPARTMENT),
            faults.kill(0.4, state, DEPARTMENT),
            faults.restart_broker(0.7, self.trial.meshctl),
        ]
        await faults.cause(plan, _CALLS, answered, self.say)

    async def _settled(
        self, scenes: Sequence[PlayedScene], dsn: str
    ) -> tuple[ParkingEvidence, Account]:
        """Once nothing is under way and nothing is missing, or its time is over."""
        operator = await self.trial.environment("operator")
        deadline = time.monotonic() + _SETTLE_SECONDS
        while True:
            await self.trial.arrived()
            try:
                found = await asyncio.to_thread(collect, operator, dsn)
            except psycopg.OperationalError as error:
                raise MeshctlError(f"the database went away: {error}") from error
            result = account(scenes, found)
            if not result.lost or time.monotonic() > deadline:
                return found, result
            await asyncio.sleep(_POLL_SECONDS)


async def run(with_faults: bool, keep: bool, say: Callable[[str], None]) -> bool:
    """The scenes in a temporary state folder; `keep` leaves it there and says where."""
    # Faults are told of once, not by each of the calls that wait for their end.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    async with folder(keep, say) as state:
        return await ParkingDemo(Trial(state, _DEPARTMENTS), with_faults, say).run()


@asynccontextmanager
async def _up(trial: Trial) -> AsyncIterator[None]:
    """A stack of the trial's departments alone, stopped at the end."""
    services = trial.folder / "services"
    services.mkdir()
    for name in trial.departments:
        (services / name).symlink_to(load_settings().root / "services" / name)
    await trial.meshctl("up", "--detach", "--free-ports", "--services", str(services))
    try:
        yield
    finally:
        await trial.meshctl("down")


@asynccontextmanager
async def _office(environment: Mapping[str, str], calls: Calls) -> AsyncIterator[Office]:
    """The department, called as the city model calls it."""
    tls = TlsSettings(
        cert_file=Path(environment["LOADTESTS_TLS__CERT_FILE"]),
        key_file=Path(environment["LOADTESTS_TLS__KEY_FILE"]),
        ca_file=Path(environment["LOADTESTS_TLS__CA_FILE"]),
    )
    address = json.loads(environment["LOADTESTS_PEERS"])[DEPARTMENT]
    channel = open_channel(address, tls, server_name=DEPARTMENT, breaker_seconds=1.0)
    try:
        yield Office(channel, calls)
    finally:
        await channel.close()


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
    stages = Table("stage", "found", "lost", "duplicates", title="scenes against topics, database")
    for stage in result.stages:
        stages.add_row(stage.name, *(str(n) for n in (stage.found, stage.lost, stage.duplicates)))
    console.print(stages)
    console.print(f"written again with the same id, without effect: {written_again} events")
