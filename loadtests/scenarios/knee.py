"""The knee of a scenario: steps, each a run of its own, and the scenario at what they found."""

import asyncio
import os
import time
from collections.abc import Callable, Mapping
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
from loadtests.driver.plan import PlannedPhase
from loadtests.driver.result import Figures, Gate, ResourceSample, Result, Run, Step, read_samples
from loadtests.driver.run import Standing, run
from loadtests.scenarios.binding import binds, cores_used
from loadtests.scenarios.conduct import conduct, planned
from loadtests.scenarios.scenario import Scenario
from loadtests.scenarios.search import Knee, Search
from loadtests.scenarios.stack import Stack

_STEPS = "steps"
_CAUGHT_UP_SECONDS = 30.0
_LOOK_SECONDS = 0.5
_LAG_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Tried:
    step: Step
    invalid: str
    """Why it says nothing of the city."""
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
    """The result of the scenario at its knee, with the steps that led there. A step at which the
    driver itself is too slow ends the search: the knee is then at least what was held before."""
    assert scenario.search is not None
    search, steps, remarks = scenario.search, list[Step](), list[str]()
    knee, bound = Knee(search), ""
    while (factor := knee.next()) is not None:
        at = folder / _STEPS / f"{len(steps) + 1:02}"
        tried = await _try(scaled(scenario, factor), stack, at, seed, shards, progress)
        steps.append(tried.step)
        if tried.invalid:
            remarks.append(f"At {factor:.3g} times its rates the driver binds: {tried.invalid}.")
            break
        if not tried.step.held:
            bound = tried.bound
        knee.tell(factor, held=tried.step.held)
        await _caught_up(stack)
    if bound:
        remarks.append(f"Beyond the knee binds {bound}.")
    result = await conduct(
        scaled(scenario, knee.factor or search.first),
        stack,
        folder,
        seed=seed,
        shards=shards,
        command=command,
        progress=progress,
    )
    judged(result, knee, search, steps, remarks).write(folder)
    return report.write(folder)


def scaled(scenario: Scenario, factor: float) -> Scenario:
    """With all rates so many times as high."""
    phases = tuple(
        PlannedPhase(
            name=phase.name,
            seconds=phase.seconds,
            rates={
                name: rate.model_copy(
                    update={
                        "rate": rate.rate * factor,
                        "to": None if rate.to is None else rate.to * factor,
                    }
                )
                for name, rate in phase.rates.items()
            },
        )
        for phase in scenario.phases
    )
    return scenario.model_copy(update={"phases": phases})


def held(search: Search, figures: Figures) -> str:
    """Why a step was not held; empty when it was."""
    sent = sum(one.sent for one in figures.operations)
    bad = sum(one.failed + one.unknown for one in figures.operations)
    if not sent or bad > search.not_ok_share * sent:
        return f"{bad} of {sent} calls not ok"
    slowest = max(figures.operations, key=lambda one: one.response.p99)
    if slowest.response.p99 > search.p99_ms:
        return f"{slowest.name}: response p99 {slowest.response.p99:.0f} ms"
    for lag in figures.time_lags:
        if lag.last is not None and lag.last > search.time_lag_seconds:
            return f"{lag.service}: {lag.topic} {lag.last:.1f} s behind"
    return ""


def judged(
    result: Result, knee: Knee, search: Search, steps: list[Step], remarks: list[str]
) -> Result:
    """With the knee as a gate: INVALID when it was not confirmed, unless as much as is asked for
    was held."""
    found = knee.factor
    enough = found >= search.at_least
    known = knee.confirmed or enough
    gate = Gate(
        name="knee, times the scenario's rates",
        limit=search.at_least,
        value=found if known else None,
        unit="times",
        direction="at least",
        verdict=("PASS" if enough else "FAIL") if known else "INVALID",
        detail="" if knee.confirmed else "not confirmed",
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
    shards: int | None,
    progress: Callable[[Standing], None],
) -> _Tried:
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
    why = held(scenario.search, figures)
    during = (
        one
        for one in read_samples(ResourceSample, folder)
        if made.began.timestamp() <= one.at <= made.ended.timestamp()
    )
    bound = binds(cores_used(during), os.cpu_count() or 1)
    seconds = figures.seconds or 1.0
    step = Step(
        rate=sum(one.intended for one in figures.operations) / seconds,
        achieved=sum(one.ok for one in figures.operations) / seconds,
        p99_ms=max((one.response.p99 for one in figures.operations), default=0.0),
        held=not why and not problems,
        detail="; ".join([*problems, why, bound] if why else [*problems, bound]),
    )
    return _Tried(step, "; ".join(problems), f"{bound} ({why})")


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
