"""A scenario from its start to its verdict: drive, break, check, judge, report."""

import asyncio
from collections import ChainMap
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from loadtests import report
from loadtests.checker.settling import settled
from loadtests.driver import freshness, resources, validity
from loadtests.driver.coordinator import ShardError
from loadtests.driver.operation import World
from loadtests.driver.plan import Plan
from loadtests.driver.result import Result, Run
from loadtests.driver.run import Standing, run
from loadtests.scenarios.faults import Faults
from loadtests.scenarios.gates import judge
from loadtests.scenarios.scenario import Scenario
from loadtests.scenarios.stack import Stack
from loadtests.scenarios.upgrade import unwritten

#: Whose variables the driver, the watch over effects and the checker need.
NAMES = ("loadtests", "operator", "cameras", "sensors", "parking", "health", "emergency")

_EFFECTS_SECONDS = 30.0


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

    world = World(stack.environment, seed, 0, plan.shards, plan.settings)
    rooms = resources.room_urls(stack.state)
    metrics = ChainMap(faults.workers.metrics, resources.metrics_urls(stack.state))
    async with (
        freshness.watching(world, folder, rooms) as seen,
        resources.sampling(folder, stack.state, metrics, faults.workers.pids),
    ):
        try:
            await run(plan, folder, stack.environment, started=begun, progress=progress)
        except ShardError as error:
            problems.append(str(error))
    problems += unwritten(faults.made, seen.schemas)
    made = Run.read(folder).model_copy(update={"faults": tuple(faults.made)})
    made.write(folder)
    measured = report.measure(folder, made)
    check = await settled(folder, stack.environment, stack.alone, _EFFECTS_SECONDS)
    check.write(folder)
    problems += validity.problems(scenario.validity, measured.figures, made.clock, plan.shards)
    judge(scenario, measured.figures, check, problems).write(folder)
    return report.write(folder, measured)
