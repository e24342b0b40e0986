"""The knee of a scenario: steps, each a run of its own, and the scenario at what they found."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    retry_if_result,
    stop_after_delay,
    wait_fixed,
)

from loadtests import report
from loadtests.driver import resources, validity
from loadtests.driver.coordinator import ShardError
from loadtests.driver.result import Gate, ResourceSample, Result, Run, Step, read_samples
from loadtests.driver.run import Standing, run
from loadtests.scenarios.binding import binds, cores_used, usage
from loadtests.scenarios.conduct import conduct, planned
from loadtests.scenarios.scenario import Scenario
from loadtests.scenarios.search import Knee, Search
from loadtests.scenarios.stack import Stack
from loadtests.scenarios.steps import driver_binds, more_shards, scaled, spread, why_not_held

_STEPS = "steps"
_CAUGHT_UP_SECONDS = 30.0
_LOOK_SECONDS = 0.5
_LAG_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Tried:
    """A step, and what it says: `invalid` why nothing of the city, `driver_binds` whether more
    shards may help then; `bound` what binds."""

    step: Step
    invalid: str
    driver_binds: bool
    bound: str


async def find(
    scenario: Scenario,
    stack: Stack,
    folder: Path,
    *,
    seed: int,
    shards: int | None,
    command: str,
    progress: Callable[[Standing], None],
) -> Result:
    """The result of the scenario at its knee, with the steps that led there.

    A step at which the driver itself is too slow is neither held nor not: it is tried again with
    more shards; where more cannot help the search goes on below, and the knee is at least what it
    finds.
    """
    assert scenario.search is not None
    search, remarks = scenario.search, list[str]()
    steps: list[tuple[float, Step]] = []
    crew, cores = shards or scenario.shards, os.cpu_count() or 1
    knee, bound, number = Knee(search), "", 0
    while (factor := knee.next()) is not None:
        number += 1
        at = folder / _STEPS / f"{number:02}"
        tried = await _try(scaled(scenario.step, factor), stack, at, seed, crew, progress)
        await _caught_up(stack)
        if tried.invalid:
            what = "the driver binds" if tried.driver_binds else "nothing was measured"
            told = f"At {factor:.3g} times the rates {what}, {crew} shards: {tried.invalid}."
            more = more_shards(crew, cores) if tried.driver_binds else None
            if more is not None:
                crew = more
                remarks.append(f"{told} With {more} from here on.")
                continue
            remarks.append(told)
            knee.tell(factor, held=None)
            continue
        steps.append((factor, tried.step))
        if not tried.step.held:
            bound = tried.bound
        knee.tell(factor, held=tried.step.held)
    remarks += _found(knee, search, steps, bound)
    result = await conduct(
        scaled(scenario, knee.factor or search.first),
        stack,
        folder,
        seed=seed,
        shards=crew,
        command=command,
        progress=progress,
    )
    judged(result, knee, search, [step for _, step in steps], remarks).write(folder)
    return report.write(folder)


def _found(
    knee: Knee, search: Search, steps: Sequence[tuple[float, Step]], bound: str
) -> Iterator[str]:
    """For the reader: what is beyond, and how far confirmations are apart."""
    if knee.citys:
        yield f"Beyond the knee binds {bound}."
    elif knee.broken is not None:
        yield "Beyond it nothing of the city could be measured: the knee is at least this."
    elif knee.factor:
        yield "All was held: the knee is beyond."
    at_knee = [step for factor, step in steps if factor == knee.factor and step.held]
    if len(at_knee) > 1:
        last = at_knee[-search.confirmations :]
        yield f"At {knee.factor:.3g} times the rates: {spread(last)}."


def judged(
    result: Result, knee: Knee, search: Search, steps: list[Step], remarks: list[str]
) -> Result:
    """With the knee as a gate: INVALID when it was not confirmed, or the city was not what broke
    beyond it, unless as much as is asked for was held."""
    found = knee.factor
    enough = found >= search.at_least
    known = (knee.confirmed and knee.citys) or enough
    doubts = [] if knee.confirmed else ["not confirmed"]
    doubts += [] if knee.citys else ["the city may hold more"]
    gate = Gate(
        name="knee, times the scenario's rates",
        limit=search.at_least,
        value=found if known else None,
        unit="times",
        direction="at least",
        verdict=("PASS" if enough else "FAIL") if known else "INVALID",
        detail=", ".join(doubts),
    )
    verdict, reasons = result.verdict, result.reasons
    if gate.verdict != "PASS":
        reasons = (*reasons, f"{gate.name}: {found:.3g}, at least {search.at_least:g} asked for")
    if "INVALID" in (verdict, gate.verdict):
        verdict = "INVALID"
    elif "FAIL" in (verdict, gate.verdict):
        verdict = "FAIL"
    return result.model_copy(
        update={
            "verdict": verdict,
            "reasons": reasons,
            "gates": (gate, *result.gates),
            "steps": tuple(steps),
            "remarks": (*result.remarks, *remarks),
        }
    )


async def _try(
    scenario: Scenario,
    stack: Stack,
    folder: Path,
    seed: int,
    shards: int,
    progress: Callable[[Standing], None],
) -> Tried:
    assert scenario.search is not None
    await asyncio.to_thread(folder.mkdir, parents=True)
    plan = planned(scenario, seed, shards, "")
    lost = ""
    async with resources.sampling(folder, stack.state, resources.metrics_urls(stack.state)):
        try:
            await run(plan, folder, stack.environment, progress=progress)
        except ShardError as error:
            lost = str(error)
    made = Run.read(folder)
    figures = report.measure(folder, made).figures
    problems = [lost] if lost else []
    problems += validity.problems(scenario.validity, figures, made.clock, plan.shards)
    why = why_not_held(scenario.search, figures)
    began, ended = made.phases[0].began.timestamp(), made.phases[-1].ended.timestamp()
    used = cores_used(
        one for one in read_samples(ResourceSample, folder) if began <= one.at <= ended
    )
    cores = os.cpu_count() or 1
    # Departments are Python, each one process; a shard of the driver is one.
    most = dict.fromkeys(resources.metrics_urls(stack.state), 1) | {resources.DRIVER: plan.shards}
    bound = f"{binds(used, cores, most)} ({why})"
    seconds = figures.seconds or 1.0
    step = Step(
        rate=sum(one.intended for one in figures.operations) / seconds,
        achieved=sum(one.ok for one in figures.operations) / seconds,
        p99_ms=max((one.response.p99 for one in figures.operations), default=0.0),
        held=not why and not problems,
        detail=f"{why}; binds {binds(used, cores, most)}" if why else usage(used, cores),
    )
    late = driver_binds(figures, scenario.validity.send_lag_p99_ms)
    return Tried(step, "; ".join(problems), late, bound)


async def _caught_up(stack: Stack) -> None:
    """Before the next step nothing is left of the last, or it has had its time."""
    urls = resources.metrics_urls(stack.state)
    attempts = AsyncRetrying(
        retry=retry_if_result(lambda behind: behind > _LAG_SECONDS)
        | retry_if_exception_type((aiohttp.ClientError, TimeoutError)),
        wait=wait_fixed(_LOOK_SECONDS),
        stop=stop_after_delay(_CAUGHT_UP_SECONDS),
        retry_error_callback=lambda _: None,
    )
    timeout = aiohttp.ClientTimeout(total=_CAUGHT_UP_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as web:
        await attempts(_behind, web, urls)


async def _behind(web: aiohttp.ClientSession, urls: Mapping[str, str]) -> float:
    worst = 0.0
    for service, url in urls.items():
        async with web.get(url) as answer:
            found = resources.lags(service, await answer.text(), time.time())
        worst = max([worst, *(one.seconds for one in found)])
    return worst
