"""Operations for tests of runs, named by `Plan.modules`; `prepared` is a file that prepare adds
to."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from loadtests.driver.operation import Operation, Outcome, World

NAMES = ("test.quick", "test.stuck", "test.deadly")


def offers(name: str) -> bool:
    return name in NAMES


async def prepare(world: World, names: Collection[str]) -> None:
    await asyncio.to_thread(_note, Path(str(world.settings["prepared"])), ",".join(names))


def _note(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text + "\n")


@asynccontextmanager
async def open(world: World, names: Collection[str]) -> AsyncIterator[Mapping[str, Operation]]:
    if world.settings.get("broken"):
        raise RuntimeError("cannot be opened")
    yield {name: Call(name, world) for name in names}


class Call:
    def __init__(self, name: str, world: World) -> None:
        self.name = name
        self._world = world

    async def __call__(self, intended: datetime, number: int) -> Outcome:
        if self.name == "test.stuck":
            await asyncio.Event().wait()
        if self.name == "test.deadly":
            os.kill(os.getpid(), signal.SIGKILL)
        return Outcome("ok", "", (f"{number}",), f"shard-{self._world.shard}")
