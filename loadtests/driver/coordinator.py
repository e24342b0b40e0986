"""Gives shards their work, the time, and a common start, and hears how they fare."""

import asyncio
import base64
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from loadtests.driver import clock
from loadtests.driver.clock import Offset
from loadtests.driver.engine import Now
from loadtests.driver.plan import Plan
from loadtests.driver.result import SHARDS
from loadtests.driver.wire import (
    LINE_BYTES,
    Ask,
    Begin,
    Done,
    Failed,
    Hello,
    Line,
    Piece,
    Progress,
    Ready,
    Time,
    WireError,
    Work,
)

# From when all are ready until the first call.
_LEAD_MICROS = 1_000_000
# What shards send is not among what they wrote until it is whole.
_ARRIVING = "arriving"


class ShardError(Exception):
    """A shard has gone, or gives up; the message says which and why."""


@dataclass
class _Shard:
    ready: bool = False
    ended: bool = False
    outcomes: dict[str, int] = field(default_factory=dict)
    under_way: int = 0
    offset: Offset = clock.SAME_CLOCK
    stopped: bool = False


class Coordinator:
    """Of one run. Its clock is the run's. What shards write comes to the run's folder `collected`,
    when they have another than this process."""

    def __init__(self, plan: Plan, collected: Path | None = None) -> None:
        self._plan = plan
        self._collected = collected
        self._now = Now()
        self._shards: dict[int, _Shard] = {}
        self._start = 0
        self._begin = asyncio.Event()
        self._changed = asyncio.Condition()
        self._failures: list[str] = []
        self.port = 0

    @property
    def offsets(self) -> list[Offset]:
        return [one.offset for one in self._shards.values()]

    @property
    def stopped(self) -> bool:
        """Whether a shard ended before the plan's end."""
        return any(one.stopped for one in self._shards.values())

    @property
    def now(self) -> Now:
        return self._now

    def outcomes(self) -> Counter[str]:
        """Of all shards so far: ok, failed, unknown."""
        total = Counter[str]()
        for one in self._shards.values():
            total.update(one.outcomes)
        return total

    @property
    def under_way(self) -> int:
        return sum(one.under_way for one in self._shards.values())

    async def begin(self) -> int:
        """Once every shard is ready: the common start, microseconds since 1970.

        Raises ShardError, and TimeoutError after the plan's `prepare_seconds`.
        """
        async with asyncio.timeout(self._plan.prepare_seconds):
            await self._until(lambda one: one.ready)
        self._start = self._now() + _LEAD_MICROS
        self._begin.set()
        return self._start

    async def end(self) -> None:
        """Until every shard has ended. Raises ShardError."""
        await self._until(lambda one: one.ended)

    @asynccontextmanager
    async def listening(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, host, port, limit=LINE_BYTES)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()

    async def _until(self, holds: Callable[[_Shard], bool]) -> None:
        async with self._changed:
            await self._changed.wait_for(
                lambda: (
                    self._failures
                    or (
                        len(self._shards) == self._plan.shards
                        and all(holds(one) for one in self._shards.values())
                    )
                )
            )
            if self._failures:
                raise ShardError("; ".join(self._failures))

    async def fail(self, why: str) -> None:
        """A shard is lost: whoever waits learns it."""
        async with self._changed:
            self._failures.append(why)
            self._changed.notify_all()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = Line(reader, writer)
        name = "a shard"
        try:
            hello = await line.read()
            if not isinstance(hello, Hello):
                raise WireError(f"expected hello, got {hello.say}")
            name = f"shard {hello.shard}"
            if not 0 <= hello.shard < self._plan.shards or hello.shard in self._shards:
                await line.send(Failed(why="no such shard, or it is there already"))
                return
            shard = self._shards[hello.shard] = _Shard()
            await line.send(
                Work(
                    plan=self._plan,
                    machine=clock.machine(),
                    collect=self._collected is not None,
                )
            )
            await self._follow(line, shard, hello.shard)
        except WireError as error:
            await self.fail(f"{name}: {error}")
        finally:
            await line.close()

    async def _follow(self, line: Line, shard: _Shard, number: int) -> None:
        while not shard.ended:
            match await line.read():
                case Ask():
                    await line.send(Time(micros=self._now()))
                    continue
                case Ready():
                    shard.ready = True
                    await self._tell()
                    await self._begin.wait()
                    await line.send(Begin(micros=self._start))
                case Piece(name=name, data=data) if self._collected is not None:
                    place = self._collected / _ARRIVING / str(number)
                    await asyncio.to_thread(_append, place, name, base64.b64decode(data))
                    continue
                case Progress() as progress:
                    shard.outcomes, shard.under_way = progress.outcomes, progress.under_way
                case Done() as done:
                    if self._collected is not None:
                        await asyncio.to_thread(_arrived, self._collected, str(number))
                    shard.offset = Offset(done.offset, done.uncertainty)
                    shard.stopped, shard.under_way, shard.ended = done.stopped, 0, True
                case Failed(why=why):
                    await self.fail(f"shard {number}: {why}")
                    return
                case other:
                    raise WireError(f"unexpected {other.say}")
            await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def _append(place: Path, name: str, data: bytes) -> None:
    place.mkdir(parents=True, exist_ok=True)
    with (place / name).open("ab") as file:
        file.write(data)


def _arrived(collected: Path, shard: str) -> None:
    arrived = collected / _ARRIVING / shard
    arrived.mkdir(parents=True, exist_ok=True)
    (collected / SHARDS).mkdir(exist_ok=True)
    arrived.rename(collected / SHARDS / shard)
