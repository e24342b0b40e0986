"""A scenario from its start to its verdict: drive, break, check, judge, report."""

import asyncio
import os
from collections import ChainMap, Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from loadtests import report
from loadtests.checker import history
from loadtests.checker.settling import settled
from loadtests.driver import freshness, resources, validity
from loadtests.driver.causes import expected
from loadtests.driver.coordinator import ShardError
from loadtests.driver.operation import World
from loadtests.driver.plan import Plan
from loadtests.driver.result import Fault, ResourceSample, Result, Run, read_samples
from loadtests.driver.run import Standing, run
from loadtests.scenarios.binding import cores_used, others
from loadtests.scenarios.faults import Faults
from loadtests.scenarios.gates import judge
from loadtests.scenarios.scenario import Scenario
from loadtests.scenarios.stack import Stack
from loadtests.scenarios.upgrade import unwritten

#: Whose variables the driver, the watch over effects and the checker need.
NAMES = ("loadtests", "operator", "cameras", "sensors", "parking", "health", "emergency")

_EFFECTS_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Sight:
    """What a run sees of the city beside the answers to its calls.

    `environment` has the variables of the operator and of departments; `alone` when nobody but the
    driver sends anything; `rooms` (as `freshness.watching` takes them) and `metrics` (as
    `resources.sampling` does) are URLs by name. `state` is that of a stack on this machine, whose
    processes are seen then, and `further` beside them.
    """

    environment: Mapping[str, str]
    alone: bool
    rooms: Mapping[str, str]
    metrics: Mapping[str, str]
    state: Path | None = None
    further: Mapping[str, int] | None = None


def folder_of(out: Path, scenario: Scenario) -> Path:
    """A run's own folder, by the moment it begins."""
    return out / f"{scenario.name}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"


def planned(scenario: Scenario, seed: int, shards: int | None, command: str) -> Plan:
    """The engine's side; `shards` in place of the scenario's."""
    return Plan(
        scenario=scenario.name,
        about=scenario.about,
        text=scenario.text,
        command=command,
        seed=seed,
        shards=shards or scenario.shards,
        phases=scenario.phases,
        settings=scenario.settings,
    )


async def conduct(
    scenario: Scenario,
    stack: Stack,
    folder: Path,
    *,
    seed: int,
    shards: int | None,
    command: str,
    progress: Callable[[Standing], None],
) -> Result:
    """The result, which is in `folder` with all that it is made of. Raises what preparing does."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    plan = planned(scenario, seed, shards, command)
    faults = Faults(scenario.planned(seed), stack.state, stack.environment)
    problems: list[str] = []

    async def begun(began: datetime) -> None:
        try:
            await faults.run(began)
        except* Exception as errors:
            problems.extend(f"fault not made: {error}" for error in errors.exceptions)

    sight = Sight(
        environment=stack.environment,
        alone=stack.alone,
        rooms=resources.room_urls(stack.state),
        metrics=ChainMap(faults.workers.metrics, resources.metrics_urls(stack.state)),
        state=stack.state,
        further=faults.workers.pids,
    )
    return await judged(
        scenario,
        plan,
        folder,
        sight,
        lambda: run(plan, folder, stack.environment, started=begun, progress=progress),
        faults=faults.made,
        problems=problems,
    )


async def judged(
    scenario: Scenario,
    plan: Plan,
    folder: Path,
    sight: Sight,
    drive: Callable[[], Awaitable[None]],
    *,
    faults: Sequence[Fault] = (),
    problems: Sequence[str] = (),
    remarks: Sequence[str] = (),
) -> Result:
    """Watch while `drive` runs the plan, then measure, check, judge and report.

    `faults` and `problems` are looked at when it has ended. Raises what `drive` does, but for
    ShardError: a lost shard makes the run INVALID.
    """
    world = World(sight.environment, plan.seed, 0, plan.shards, plan.settings)
    lost: list[str] = []
    async with (
        freshness.watching(world, folder, sight.rooms) as seen,
        resources.sampling(folder, sight.state, sight.metrics, sight.further),
    ):
        try:
            await drive()
        except ShardError as error:
            lost.append(str(error))
        else:
            acknowledged = await asyncio.to_thread(_acknowledged, folder)
            await seen.until_seen(expected(acknowledged, sight.rooms), _EFFECTS_SECONDS)
    found = [*problems, *lost, *unwritten(faults, seen.schemas)]
    made = Run.read(folder)
    made = made.model_copy(update={"faults": tuple(faults), "clock": seen.clock(made.clock)})
    made.write(folder)
    measured = report.measure(folder, made)
    check = await settled(folder, sight.environment, sight.alone, _EFFECTS_SECONDS, sight.rooms)
    check.write(folder)
    found += validity.problems(scenario.validity, measured.figures, made.clock, plan.shards)
    result = judge(scenario, measured.figures, check, found, sight.rooms)
    more = others(cores_used(read_samples(ResourceSample, folder)), os.cpu_count() or 1)
    result.model_copy(update={"remarks": (*remarks, *more)}).write(folder)
    return report.write(folder, measured)


def _acknowledged(folder: Path) -> Counter[str]:
    """How many calls of each operation."""
    return Counter(call.op for call in history.calls(folder) if call.status == "ok")
