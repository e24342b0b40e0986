"""Supervision of real, tiny processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from meshctl.errors import PartFailedError
from meshctl.parts.base import Command
from meshctl.processes import clean_up
from meshctl.state import ProcessId, Run, State
from meshctl.supervisor import Supervisor, last_words

WAITS = "import pathlib, signal; pathlib.Path('{name}.up').touch(); signal.pause()"
STUBBORN = (
    "import pathlib, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    " pathlib.Path('{name}.up').touch()\nwhile True: signal.pause()"
)
FAILS = "import sys; print('ERROR no luck today'); print('bye'); sys.exit(3)"


@dataclass
class Tiny:
    """A part that is ready once its process has made a file."""

    name: str
    folder: Path
    code: str = WAITS
    tier: int = 0
    essential: bool = True
    stop_seconds: float = 5.0
    port: int | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    nice: int = 0

    def command(self) -> Command:
        (self.folder / f"{self.name}.up").unlink(missing_ok=True)
        code = self.code.replace("{name}", self.name)
        return Command((sys.executable, "-c", code), self.folder, nice=self.nice)

    async def ready(self) -> bool:
        return (self.folder / f"{self.name}.up").exists()

    async def healthy(self) -> bool:
        return True


class Log:
    """What the supervisor told, and a way to wait for it."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()

    def __call__(self, _: Supervisor) -> None:
        self.changed.set()

    async def until_pid_differs(self, supervisor: Supervisor, name: str, pid: int) -> int:
        async with asyncio.timeout(20):
            while True:
                kept = supervisor.parts[name]
                if kept.status == "ready" and kept.process and kept.process.pid != pid:
                    return kept.process.pid
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
def state(tmp_path: Path) -> State:
    found = State(tmp_path / "state")
    found.make()
    return found


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
async def supervisor(state: State, log: Log) -> AsyncIterator[Supervisor]:
    found = Supervisor(state, log, 20.0)
    yield found
    await found.stop()


def pid_of(supervisor: Supervisor, name: str) -> int:
    process = supervisor.parts[name].process
    assert process is not None
    return process.pid


async def test_a_killed_part_is_started_again(
    supervisor: Supervisor, log: Log, tmp_path: Path
) -> None:
    await supervisor.start([Tiny("a", tmp_path)])
    for _ in range(2):
        pid = pid_of(supervisor, "a")
        os.kill(pid, signal.SIGKILL)
        assert psutil.pid_exists(await log.until_pid_differs(supervisor, "a", pid))
    assert supervisor.parts["a"].restarts == 2


def autogroup(pid: int) -> int | None:
    """None where Linux does not group by sessions."""
    group = Path(f"/proc/{pid}/autogroup")
    return int(group.read_text().split()[-1]) if group.exists() else None


async def test_a_part_that_is_nice_yields_to_others_also_where_sessions_are_groups(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    await supervisor.start([Tiny("bulk", tmp_path, nice=10), Tiny("other", tmp_path)])
    for name, nice, group in (("bulk", max(before, 10), 10), ("other", before, 0)):
        process = supervisor.parts[name].process
        assert process is not None
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == nice
        assert autogroup(process.pid) in (group, None)


async def test_parts_stop_by_tiers_from_the_last(
    state: State, tmp_path: Path, supervisor: Supervisor
) -> None:
    stopped: list[str] = []

    def note(_: Supervisor) -> None:
        for name, kept in watched.parts.items():
            if kept.status == "stopped" and name not in stopped and len(watched.parts) == 2:
                stopped.append(name)

    watched = Supervisor(state, note, 20.0)
    await watched.start([Tiny("base", tmp_path)])
    await watched.start([Tiny("service", tmp_path, tier=2)])
    stopped.clear()
    await watched.stop()
    assert stopped == ["service", "base"]


async def test_what_ignores_sigterm_is_killed(supervisor: Supervisor, tmp_path: Path) -> None:
    await supervisor.start([Tiny("a", tmp_path, code=STUBBORN, stop_seconds=0.2)])
    pid = pid_of(supervisor, "a")
    await supervisor.stop()
    assert not psutil.pid_exists(pid)


@pytest.mark.parametrize(("essential", "starts"), [(True, 1), (False, 3)])
async def test_what_ends_at_its_start_is_an_error_with_its_last_words(
    supervisor: Supervisor, tmp_path: Path, state: State, essential: bool, starts: int
) -> None:
    with pytest.raises(PartFailedError, match=r"a ended: ERROR no luck today .*a\.log"):
        await supervisor.start([Tiny("a", tmp_path, code=FAILS, essential=essential)])
    assert state.log("a").read_text().count("no luck") == starts


async def test_what_is_never_ready_is_an_error(state: State, log: Log, tmp_path: Path) -> None:
    supervisor = Supervisor(state, log, 0.3)
    with pytest.raises(PartFailedError, match="a was not ready within"):
        await supervisor.start([Tiny("a", tmp_path, code="import signal; signal.pause()")])
    pid = pid_of(supervisor, "a")
    await supervisor.stop()
    assert not psutil.pid_exists(pid)


async def test_what_cannot_be_started_is_tried_again_and_told(
    supervisor: Supervisor, tmp_path: Path, state: State
) -> None:
    with pytest.raises(PartFailedError, match="meshctl cannot start it"):
        await supervisor.start([Tiny("a", tmp_path / "absent", essential=False)])


async def test_leftovers_of_a_dead_supervisor_are_ended(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    await supervisor.start([Tiny("a", tmp_path)])
    snapshot = supervisor.parts["a"].snapshot()
    assert snapshot.process is not None
    myself = ProcessId.of(os.getpid())
    assert myself is not None
    reused = snapshot.model_copy(
        update={"process": snapshot.process.model_copy(update={"created": 1.0})}
    )
    said: list[str] = []
    await clean_up(Run(supervisor=myself, parts={"a": reused}), said.append)
    assert psutil.pid_exists(snapshot.process.pid)
    assert said == []
    await clean_up(Run(supervisor=myself, parts={"a": snapshot}), said.append)
    assert snapshot.process.find() is None
    assert len(said) == 1


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (b"", "it said nothing"),
        (b"one\n\ntwo\n\n", "two"),
        (b"ok\nValueError: no\nbye\n", "ValueError: no"),
    ],
)
def test_last_words(log: bytes, words: str) -> None:
    assert last_words(log) == words
