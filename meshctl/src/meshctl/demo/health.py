"""`demo --scene health`: scenes of health on a stack of their own, then accounted for."""

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
from cryptography import x509
from rich.console import Console
from rich.table import Table

from loadtests.city.errors import CityError
from loadtests.city.health.kiosks import KIOSKS
from loadtests.city.health.office import Office
from meshctl.demo import faults, tables
from meshctl.demo.calling import CountedCalls, channel
from meshctl.demo.health_account import Account, account
from meshctl.demo.health_evidence import HealthEvidence, Sources, collect
from meshctl.demo.health_fhir import Hospital
from meshctl.demo.health_plan import DEPARTMENT, PlayedScene
from meshctl.demo.health_room import FireRoom, Peer
from meshctl.demo.health_scenes import Scenes
from meshctl.demo.trial import Trial, trial
from meshctl.errors import MeshctlError
from meshctl.parts.rooms import listener, record
from meshctl.ports import HOST
from meshctl.state import read_json

SCENE = "health"
_DEPARTMENTS = (DEPARTMENT, "emergency")
_ROOM = "119"
_PLAY_SECONDS = 240
_SETTLE_SECONDS = 60
# About so many calls the scenes make; faults are spread over them.
_CALLS = 130


@dataclass(frozen=True, slots=True)
class HealthDemo:
    """The scenes of health in one state folder."""

    trial: Trial
    with_faults: bool
    say: Callable[[str], None]

    async def run(self) -> bool:
        """Whether each scene ended as it must; prints tables and ends with the JSON line.

        Raises MeshctlError when a part cannot be started or does not finish in time.
        """
        for department, further in settings(patient=self.with_faults).items():
            self.trial.give(department, further)
        async with self.trial.up():
            started = time.monotonic()
            scenes = await self._play()
            found, result = await self._settled(scenes)
            intact = await self._register_is_intact()
            seconds = time.monotonic() - started
        _show(scenes, result, found.written_again)
        for problem in result.problems:
            self.say(problem)
        if not intact:
            self.say("register: its chain is broken")
        if self.trial.existing:
            self.say("not looked at: what lies in the clear in broker's and database's volumes")
        print(json.dumps(_summary(scenes, result, found, seconds)), flush=True)
        return result.right and not found.rejected and intact

    async def _play(self) -> Sequence[PlayedScene]:
        calls = CountedCalls(DEPARTMENT)
        ports = self.trial.ports
        key = (await self.trial.environment(DEPARTMENT))[f"{DEPARTMENT.upper()}_FHIR__KEY"]
        hospital = Hospital(f"http://{HOST}:{ports[f'{DEPARTMENT}.http']}/fhir", key)
        room = await self._room()
        try:
            async with (
                channel(await self.trial.environment("loadtests"), DEPARTMENT) as opened,
                asyncio.timeout(_PLAY_SECONDS),
            ):
                office = Office(opened, calls)
                await office.register_kiosks(KIOSKS)
                return await faults.amid(
                    Scenes(office, hospital, room).play(),
                    self._faults(),
                    _CALLS,
                    lambda: calls.answered,
                    self.say,
                )
        except (CityError, TimeoutError) as error:
            raise MeshctlError(f"the scenes could not be played: {error!r}") from error

    def _faults(self) -> Sequence[faults.Fault]:
        if not self.with_faults:
            return ()
        state = self.trial.state
        return (
            faults.kill(0.15, state, DEPARTMENT),
            faults.kill(0.35, state, "emergency"),
            faults.kill(0.55, state, DEPARTMENT),
            faults.restart_broker(0.75, self.trial.meshctl),
        )

    async def _room(self) -> FireRoom:
        ports, state = self.trial.ports, self.trial.state
        told = read_json(state.environments / "emergency.json")
        peers = json.loads(told["EMERGENCY_PEER_ROOMS"])
        own = next(one for one in peers if one["name"] == _ROOM)
        peer = Peer(
            f"http://{self.trial.address('emergency.http')}",
            own["api_key"],
            own["send_code"],
            own["system_code"],
        )
        url = f"http://{HOST}:{ports[listener(_ROOM)]}"
        databases = await self.trial.databases()
        return FireRoom(url, record(state, _ROOM), peer, databases["emergency"])

    async def _settled(self, scenes: Sequence[PlayedScene]) -> tuple[HealthEvidence, Account]:
        certificate = (self.trial.state.ca / f"{DEPARTMENT}.pem").read_bytes()
        sources = Sources(
            self.trial.folder,
            [secret for scene in scenes for one in scene.people for secret in one.secret],
            await self.trial.environment("operator"),
            await self.trial.environment(DEPARTMENT),
            await self.trial.databases(),
            record(self.trial.state, _ROOM),
            x509.load_pem_x509_certificate(certificate),
        )

        def look() -> tuple[HealthEvidence, Account]:
            found = collect(sources)
            return found, account(scenes, found)

        return await self.trial.settled(look, lambda found: not found[1].lost, _SETTLE_SECONDS)

    async def _register_is_intact(self) -> bool:
        """The chain of who read what of whom."""
        method = "city.health.v1.PersonService/VerifyRegister"
        verdict = json.loads(await self.trial.meshctl("call", method, "{}"))
        return bool(verdict["intact"]) and int(verdict["head"]["sequence"]) > 0


async def run(
    with_faults: bool, keep: bool, say: Callable[[str], None], against: Path | None
) -> bool:
    """The scenes on a stack of their own, which `keep` leaves to look at, or `against` another."""
    # Faults are told of once, not by each of the calls that wait for their end.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    async with trial(_DEPARTMENTS, keep, say, against) as stack:
        return await HealthDemo(stack, with_faults, say).run()


def settings(*, patient: bool = False) -> Mapping[str, Mapping[str, str]]:
    """What a stack must be given by department. Cameras, air and parking may not be there:
    emergency tries again for as long as a service that was killed needs, and then says what is
    missing."""
    return {
        DEPARTMENT: {
            "HEALTH_PEOPLE__FOLLOW_UP_EVERY_SECONDS": "0.3",
            "HEALTH_PEOPLE__WITHDRAW_EVERY_SECONDS": "0.3",
        },
        "emergency": {
            "EMERGENCY_SCENE__ATTEMPTS": "15" if patient else "3",
            "EMERGENCY_SCENE__BACKOFF_BASE_SECONDS": "0.3",
            "EMERGENCY_SCENE__BACKOFF_CAP_SECONDS": "2",
        },
    }


def _summary(
    scenes: Sequence[PlayedScene], result: Account, found: HealthEvidence, seconds: float
) -> Mapping[str, object]:
    told = sum((scene.told for scene in scenes), Counter[str]())
    counts = {stage.name: stage.found for stage in result.stages}
    fhir = {word.removeprefix("fhir "): n for word, n in told.items() if word.startswith("fhir ")}
    return {
        "scenes": len(scenes),
        "sessions": counts["sessions"],
        "measurements": counts["measurements"],
        "acute": counts["acute events"],
        "incidents": counts["incidents"],
        "told_119": counts["119 room"],
        "follow_ups": {"open": counts["follow-ups"], "told": counts["follow-ups told"]},
        "fhir": dict(sorted(fhir.items())),
        "withdrawn": counts["certificates"],
        "tombstones": result.tombstones,
        "readable_after": result.readable_after,
        "lost": result.lost + found.rejected,
        "duplicates": result.duplicates,
        "seconds": round(seconds, 1),
    }


def _show(scenes: Sequence[PlayedScene], result: Account, written_again: int) -> None:
    table = Table("scene", "what happens", "people", "measurements", "cases")
    for scene in scenes:
        counts = (
            len(scene.people),
            sum(len(one.given) for one in scene.people),
            sum(len(one.cases) for one in scene.people),
        )
        table.add_row(scene.name, scene.title, *map(str, counts))
    Console(stderr=False).print(table)
    tables.show(
        result.stages,
        "scenes against topics, databases, keyring, room",
        f"written again with the same id, without effect: {written_again} events",
    )
