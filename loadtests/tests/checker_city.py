"""The departments as processes on the mesh, and a short real run through the driver."""

import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from city_backbone.testing import Mesh

from loadtests.driver import operations
from loadtests.driver.history import Call, writing_history
from loadtests.driver.operation import Operation, World
from loadtests.driver.result import Run

DEPARTMENTS = ("cameras", "emergency", "health", "parking", "sensors")


@contextmanager
def city(state: Path) -> Iterator[Mesh]:
    """A stack of its own with its departments and stand-in rooms: nobody else's events may be on
    their way there."""
    mesh = Mesh(state)
    try:
        _meshctl(mesh, "up", "--detach", "--free-ports", "--rooms")
        yield mesh
    finally:
        _meshctl(mesh, "down")


def _meshctl(mesh: Mesh, *arguments: str) -> None:
    done = subprocess.run(
        mesh.command(*arguments),
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@dataclass
class Short:
    """A run of a few calls of each operation, and its folder."""

    mesh: Mesh
    folder: Path
    calls: list[Call] = field(default_factory=list)

    @property
    def world(self) -> World:
        environment: dict[str, str] = {}
        for name in ("loadtests", "operator", *DEPARTMENTS):
            environment |= self.mesh.environment(name)
        settings = {"bays": 20, "people": 4, "stations": 4, "malformed_share": 0}
        return World(environment, seed=1, settings=settings)

    async def make(self, each: Mapping[str, int]) -> None:
        await operations.prepare(self.world, tuple(each))
        began = datetime.now(UTC)
        async with operations.opened(self.world, tuple(each)) as opened:
            for name, count in each.items():
                for number in range(count):
                    self.calls.append(await _called(opened[name], number))
        ended = datetime.now(UTC)
        Run(scenario="short", seed=1, began=began, ended=ended, shards=1).write(self.folder)
        self.write()

    def write(self, *more: Call) -> None:
        shard = self.folder / "shards" / "0"
        shard.mkdir(parents=True, exist_ok=True)
        with writing_history(shard, 0) as history:
            for call in (*self.calls, *more):
                history.add(call)


async def _called(operation: Operation, number: int) -> Call:
    now = datetime.now(UTC)
    sent = time.time_ns() // 1000
    outcome = await operation(now, number)
    done = time.time_ns() // 1000
    assert outcome.status == "ok", f"{operation.name}: {outcome.detail}"
    intended = round(now.timestamp() * 1_000_000)
    return Call(
        operation.name,
        number,
        outcome.key,
        intended,
        sent,
        done,
        outcome.status,
        outcome.detail,
        outcome.acknowledged,
    )
