"""A run: prepares the city, starts shards, waits for them, writes run.json."""

import asyncio
import os
import platform
import re
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from loadtests.driver import clock, operations, schedule
from loadtests.driver.coordinator import Coordinator, ShardError
from loadtests.driver.operation import World
from loadtests.driver.plan import Plan
from loadtests.driver.result import Phase, Run
from loadtests.driver.versions import versions

_PROGRESS_SECONDS = 0.5
_STOP_SECONDS = 30.0
_CPU = re.compile(r"^model name\s*: (.+)$", re.MULTILINE)


class NotBegunError(Exception):
    """A shard is lost before the run began; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a run stands; seconds are counted from the common start."""

    seconds: float
    phase: str
    outcomes: Mapping[str, int]
    under_way: int


async def run(
    plan: Plan,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    *,
    started: Callable[[datetime], Awaitable[None]] | None = None,
    progress: Callable[[Standing], None] | None = None,
    listen: tuple[str, int] | None = None,
) -> None:
    """Run the plan with shards of this machine; afterwards run.json and shards/ are in `folder`.

    With `listen`, host and port, no shard is started: shards of other machines call there, each
    `python -m loadtests.driver.shard`, and send here what they wrote.

    `environment` is added to this process's: LOADTESTS_* and what else the operations need.
    `started` learns of the common start, up to a second before it; what it awaits runs beside the
    shards and is cancelled with them. Cancelled, the shards end and write what there is, and so is
    run.json. Raises ShardError when a shard is lost (run.json is there then too), NotBegunError
    when it is lost before the run began, and what preparing raises.
    """
    whole = {**os.environ, **(environment or {})}
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    # Now, not at the end: the checkout may change meanwhile.
    made_of = await asyncio.to_thread(versions, parts=listen is None)
    world = World(whole, plan.seed, 0, plan.shards, plan.settings)
    async with asyncio.timeout(plan.prepare_seconds):
        await operations.prepare(world, plan.operations, plan.modules)
    coordinator = Coordinator(plan, None if listen is None else folder)
    async with coordinator.listening(*(listen or ("127.0.0.1", 0))):
        processes = [
            await _start(coordinator.port, shard, folder, whole)
            for shard in range(plan.shards if listen is None else 0)
        ]
        watching = [
            asyncio.create_task(_watch(coordinator, shard, process))
            for shard, process in enumerate(processes)
        ]
        try:
            await _conduct(coordinator, plan, folder, made_of, started, progress)
        finally:
            for task in watching:
                task.cancel()
            await _stop(processes)


async def _conduct(
    coordinator: Coordinator,
    plan: Plan,
    folder: Path,
    made_of: Mapping[str, str],
    started: Callable[[datetime], Awaitable[None]] | None,
    progress: Callable[[Standing], None] | None,
) -> None:
    try:
        start = await coordinator.begin()
    except ShardError as error:
        raise NotBegunError(str(error)) from None
    began = datetime.fromtimestamp(start / 1_000_000, UTC)
    beside = [asyncio.create_task(_report(coordinator, plan, start, progress))]
    if started is not None:
        beside.append(asyncio.create_task(_awaited(started, began)))
    try:
        await coordinator.end()
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        describe(plan, began, datetime.now(UTC), coordinator, made_of).write(folder)


def describe(
    plan: Plan,
    began: datetime,
    ended: datetime,
    coordinator: Coordinator,
    made_of: Mapping[str, str],
) -> Run:
    """The run as it took place, without faults: whoever makes those adds them."""
    phases, at = [], began
    for phase in plan.phases:
        until = at + timedelta(seconds=phase.seconds)
        phases.append(
            Phase(
                name=phase.name,
                began=at,
                ended=until,
                rates={
                    name: schedule.mean(rate, phase.seconds) for name, rate in phase.rates.items()
                },
                sources={name: rate.source for name, rate in phase.rates.items()},
            )
        )
        at = until
    return Run(
        scenario=plan.scenario,
        about=plan.about,
        text=plan.text,
        seed=plan.seed,
        began=began,
        ended=max(ended, began),
        shards=plan.shards,
        planned=schedule.planned(plan),
        phases=tuple(phases),
        clock=clock.worst(coordinator.offsets),
        machine=_machine(),
        versions=dict(made_of),
        command=plan.command,
    )


async def _awaited(started: Callable[[datetime], Awaitable[None]], began: datetime) -> None:
    await started(began)


async def _report(
    coordinator: Coordinator,
    plan: Plan,
    start: int,
    progress: Callable[[Standing], None] | None,
) -> None:
    while progress is not None:
        seconds = (coordinator.now() - start) / 1_000_000
        outcomes = coordinator.outcomes()
        progress(Standing(seconds, _phase(plan, seconds), outcomes, coordinator.under_way))
        await asyncio.sleep(_PROGRESS_SECONDS)


def _phase(plan: Plan, seconds: float) -> str:
    for phase in plan.phases:
        if seconds < phase.seconds:
            return phase.name
        seconds -= phase.seconds
    return "drain"


async def _start(
    port: int, shard: int, folder: Path, environment: Mapping[str, str]
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loadtests.driver.shard"),
        *("--coordinator", f"127.0.0.1:{port}", "--shard", str(shard), "--folder", str(folder)),
        env=dict(environment),
        # A terminal's Ctrl-C is for who runs it all, who tells the shards.
        start_new_session=True,
    )


async def _watch(coordinator: Coordinator, shard: int, process: asyncio.subprocess.Process) -> None:
    code = await process.wait()
    if code:
        await coordinator.fail(f"shard {shard}: ended with code {code}")


async def _stop(processes: list[asyncio.subprocess.Process]) -> None:
    for process in processes:
        if process.returncode is None:
            process.terminate()
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await asyncio.gather(*(process.wait() for process in processes))
    except TimeoutError:
        for process in processes:
            if process.returncode is None:
                process.kill()
        await asyncio.gather(*(process.wait() for process in processes))


def _machine() -> dict[str, str | int | float]:
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": platform.machine(),
        **_cpu(),
        "cores": os.cpu_count() or 0,
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load_1min": round(os.getloadavg()[0], 2),
    }


def _cpu() -> dict[str, str]:
    try:
        model = _CPU.search(Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    except OSError:
        return {}
    return {"cpu": model[1]} if model else {}
