"""One process of a run: opens its operations, begins when all do, writes what it did.

`python -m loadtests.driver.shard --coordinator HOST:PORT --shard N --folder RUN`
"""

import argparse
import asyncio
import base64
import gc
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import uvloop

from loadtests.driver import clock, operations
from loadtests.driver.clock import SAME_CLOCK, Offset
from loadtests.driver.engine import Engine, Now
from loadtests.driver.history import writing_history
from loadtests.driver.operation import World
from loadtests.driver.plan import Plan
from loadtests.driver.result import SHARDS
from loadtests.driver.schedule import due
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

_PROGRESS_SECONDS = 0.5
# The pod that coordinates may come later, and prepares the city first.
_CONNECT_SECONDS = 900.0
_PIECE_BYTES = 1024 * 1024
FILES: tuple[Literal["intervals.hlog", "history.jsonl.gz"], ...] = (
    "intervals.hlog",
    "history.jsonl.gz",
)
# A thread that writes history may hold the loop no longer.
_SWITCH_SECONDS = 0.0005


async def work(coordinator: str, shard: int, folder: Path) -> None:
    """The whole life of a shard. Raises WireError when the coordinator has gone, CancelledError
    when it is to stop before it began."""
    task = asyncio.current_task()
    assert task
    _on_stop(task.cancel)
    line = await _connected(coordinator)
    try:
        await line.send(Hello(shard=shard, machine=clock.machine()))
        order = await line.read()
        if not isinstance(order, Work):
            raise WireError(f"expected work, got {order.say}")
        await _run(line, order, shard, folder)
    except WireError:
        raise
    except Exception as error:
        await line.send(Failed(why=f"{type(error).__name__}: {error}"))
        raise
    finally:
        await line.close()


async def _run(line: Line, order: Work, shard: int, folder: Path) -> None:
    plan = order.plan
    world = World(os.environ, plan.seed, shard, plan.shards, plan.settings, plan.made_at)
    own = Now()
    same = bool(order.machine) and order.machine == clock.machine()
    before = SAME_CLOCK if same else await _offset(line, own)
    async with operations.opened(world, plan.operations, plan.modules) as opened:
        await line.send(Ready(offset=before.micros, uncertainty=before.uncertainty))
        begin = await line.read()
        if not isinstance(begin, Begin):
            raise WireError(f"expected begin, got {begin.say}")
        stopping = asyncio.Event()
        _on_stop(stopping.set)
        place = folder / SHARDS / str(shard)
        place.mkdir(parents=True, exist_ok=True)
        now = Now(before.micros)
        with writing_history(place, begin.micros / 1_000_000) as history:
            engine = Engine(opened, history.add, now, plan.in_flight)
            gc.collect()
            gc.freeze()
            stopped = await _drive(line, engine, plan, shard, begin.micros, stopping)
    if order.collect:
        await _deliver(line, place)
    after = SAME_CLOCK if same else await _offset(line, own)
    whole = clock.over(before, after)
    await line.send(Done(offset=whole.micros, uncertainty=whole.uncertainty, stopped=stopped))


def _on_stop(do: Callable[[], object]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, do)


async def _drive(
    line: Line, engine: Engine, plan: Plan, shard: int, start: int, stopping: asyncio.Event
) -> bool:
    """Whether it was stopped before its end."""
    driving = asyncio.create_task(_driven(engine, plan, shard, start))
    stop = asyncio.create_task(stopping.wait())
    telling = asyncio.create_task(_tell(line, engine))
    try:
        await asyncio.wait({driving, stop, telling}, return_when=asyncio.FIRST_COMPLETED)
        if driving.done():
            await driving
            return False
        driving.cancel()
        await asyncio.gather(driving, return_exceptions=True)
        # Also when the coordinator has gone: nobody would end it.
        await engine.drain(0)
        return True
    finally:
        for task in (stop, telling):
            task.cancel()
        await asyncio.gather(stop, telling, return_exceptions=True)


async def _driven(engine: Engine, plan: Plan, shard: int, start: int) -> None:
    await engine.run(due(plan, shard, plan.shards), start)
    await engine.drain(plan.drain_seconds)


async def _tell(line: Line, engine: Engine) -> None:
    while True:
        await asyncio.sleep(_PROGRESS_SECONDS)
        await line.send(Progress(outcomes=dict(engine.outcomes), under_way=engine.under_way))


async def _deliver(line: Line, place: Path) -> None:
    for name in FILES:
        with await asyncio.to_thread((place / name).open, "rb") as file:
            while data := file.read(_PIECE_BYTES):
                await line.send(Piece(name=name, data=base64.b64encode(data).decode()))


async def _offset(line: Line, now: Now) -> Offset:
    async def ask() -> int:
        await line.send(Ask())
        answer = await line.read()
        if not isinstance(answer, Time):
            raise WireError(f"expected the time, got {answer.say}")
        return answer.micros

    return await clock.measure(ask, now)


async def _connected(coordinator: str) -> Line:
    host, _, port = coordinator.rpartition(":")
    async with asyncio.timeout(_CONNECT_SECONDS):
        while True:
            try:
                return Line(*await asyncio.open_connection(host, int(port), limit=LINE_BYTES))
            except OSError:
                await asyncio.sleep(0.2)


def main(arguments: list[str]) -> int:
    """Exit code: 0 done, 1 given up."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.driver.shard", description=__doc__)
    parser.add_argument("--coordinator", required=True, help="host:port")
    index = os.environ.get("JOB_COMPLETION_INDEX")
    parser.add_argument(
        "--shard", type=int, default=index, required=index is None, help="from 0; an Indexed Job's"
    )
    parser.add_argument("--folder", type=Path, required=True, help="the run's")
    given = parser.parse_args(arguments)
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        uvloop.run(work(given.coordinator, given.shard, given.folder))
    except (WireError, TimeoutError) as error:
        print(f"shard {given.shard}: {error}", file=sys.stderr)
        return 1
    except asyncio.CancelledError:
        print(f"shard {given.shard}: stopped before the run began", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
