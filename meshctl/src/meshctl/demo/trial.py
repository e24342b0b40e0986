"""A stack in one state folder, as a demo needs it: its own, or one that runs already."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psycopg

from meshctl.demo import evidence
from meshctl.errors import MeshctlError
from meshctl.ports import HOST
from meshctl.settings import load as load_settings
from meshctl.state import State, read_json, write_json

Say = Callable[[str], None]
_Found = TypeVar("_Found")

_COMMAND_SECONDS = 300
_ARRIVAL_SECONDS = 300
_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Trial:
    """Commands of meshctl against the state folder, and what they say."""

    folder: Path
    departments: tuple[str, ...]
    existing: bool = False
    """Whether its stack was started by others, in containers. It must have seen nothing yet."""
    _environments: dict[str, Mapping[str, str]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def state(self) -> State:
        return State(self.folder)

    @property
    def ports(self) -> Mapping[str, int]:
        """Of the parts, by name."""
        return read_json(self.state.ports)

    @asynccontextmanager
    async def up(self, *, rooms: bool = True) -> AsyncIterator[None]:
        """A stack of the trial's departments alone; stopped at the end.

        One that exists is left as it is. Raises MeshctlError unless all of it is ready.
        """
        if self.existing:
            await self.meshctl("status")
            yield
            return
        services = self.folder / "services"
        services.mkdir()
        for name in self.departments:
            (services / name).symlink_to(load_settings().root / "services" / name)
        options = ["--services", str(services), *(["--rooms"] if rooms else [])]
        await self.meshctl("up", "--detach", "--free-ports", *options)
        try:
            yield
        finally:
            await self.meshctl("down")

    def give(self, department: str, settings: Mapping[str, str]) -> None:
        """Further settings of a department that is not started yet.

        Raises MeshctlError when one that exists was not given them.
        """
        file = self.state.environments / f"{department}.json"
        if not self.existing:
            write_json(file, settings, 0o600)
        elif missing := settings.items() - read_json(file).items():
            raise MeshctlError(
                f"{department} was started without {', '.join(sorted(dict(missing)))}:"
                " `meshctl secrets --demo` before it is started"
            )

    def address(self, listener: str) -> str:
        """Where a department's listener, as ``health.http``, is reached from within the mesh."""
        host = listener.partition(".")[0] if self.existing else HOST
        return f"{host}:{self.ports[listener]}"

    async def arrived(self) -> None:
        """Wait until no group lags, no outbox holds anything and no room is owed anything."""
        databases = await self.databases()
        deadline = time.monotonic() + _ARRIVAL_SECONDS
        quiet = 0
        while quiet < 2:
            quiet = quiet + 1 if await self._quiet(databases) else 0
            if time.monotonic() > deadline:
                raise MeshctlError(f"not all had arrived after {_ARRIVAL_SECONDS} s")
            await asyncio.sleep(0.3)

    async def settled(
        self, look: Callable[[], _Found], complete: Callable[[_Found], bool], seconds: float
    ) -> _Found:
        """What `look` finds once nothing is under way and it is complete, or its time is over."""
        deadline = time.monotonic() + seconds
        while True:
            await self.arrived()
            try:
                found = await asyncio.to_thread(look)
            except psycopg.OperationalError as error:
                raise MeshctlError(f"a database went away: {error}") from error
            if complete(found) or time.monotonic() > deadline:
                return found
            await asyncio.sleep(_POLL_SECONDS)

    async def databases(self) -> dict[str, str]:
        """DSNs by department."""
        return {
            name: (await self.environment(name))[f"{name.upper()}_DATABASE__DSN"]
            for name in self.departments
        }

    async def environment(self, name: str) -> Mapping[str, str]:
        """What `meshctl env` gives a department or client; asked for once, when the stack is up."""
        if name not in self._environments:
            self._environments[name] = json.loads(await self.meshctl("env", name, "--json"))
        return self._environments[name]

    async def meshctl(self, *arguments: str) -> str:
        """What the command prints. Raises MeshctlError with its words when it fails."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "meshctl", *arguments, "--state", str(self.folder)),
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

    async def _quiet(self, databases: Mapping[str, str]) -> bool:
        try:
            if await asyncio.to_thread(evidence.outstanding, databases):
                return False
            status = json.loads(await self.meshctl("status", "--json"))
        except (psycopg.OperationalError, MeshctlError, ValueError):
            return False
        lags = _lags(status)
        return bool(lags) and all(seconds == 0 for seconds in lags)


@asynccontextmanager
async def trial(
    departments: tuple[str, ...], keep: bool, say: Say, against: Path | None
) -> AsyncIterator[Trial]:
    """In a temporary state folder, which `keep` leaves there; or `against` an existing stack's."""
    if against is not None:
        yield Trial(against, departments, existing=True)
        return
    async with folder(keep, say) as state:
        yield Trial(state, departments)


@asynccontextmanager
async def folder(keep: bool, say: Say) -> AsyncIterator[Path]:
    """A state folder that is gone afterwards; `keep` leaves it there and says where."""
    if keep:
        kept = Path(tempfile.mkdtemp(prefix="citymesh-demo-"))
        say(f"state folder: {kept}")
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="citymesh-demo-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def _lags(status: Mapping[str, Any]) -> Sequence[float | None]:
    return [seconds for topics in status["lag"].values() for seconds in topics.values()]
