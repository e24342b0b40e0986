"""Scenario files: those that are here load and name what exists; wrong ones say what is wrong."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from city_backbone.testing import eventually

from loadtests.driver import operations
from loadtests.scenarios import scenario as scenarios
from loadtests.scenarios.fault import FaultError
from loadtests.scenarios.faults import Faults
from loadtests.scenarios.scenario import PlannedFault, ScenarioError

_RIGHT = """
about: x
phases: [{name: only, seconds: 10, rates: {emergency.ListIncidents: {rate: 1}}}]
"""


@pytest.mark.parametrize("name", scenarios.names())
def test_each_scenario_calls_what_is_offered_and_says_where_its_rates_are_from(name: str) -> None:
    found = scenarios.load(name)
    assert found.name == name
    assert found.text
    called = {one: rate for phase in found.phases for one, rate in phase.rates.items()}
    assert {one for _, own in operations.find(called) for one in own} == set(called)
    assert all(rate.source for rate in called.values())


def test_smoke_is_there() -> None:
    assert "smoke" in scenarios.names()
    assert sum(phase.seconds for phase in scenarios.load("smoke").phases) == 30


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("gates: {response: {nobody.Calls: {p99_ms: 1}}}", "nobody.Calls is called in no phase"),
        ("gates: {not_ok_shares: {nobody.Calls: 0}}", "nobody.Calls is called in no phase"),
        ("gates: {freshness: {slow: {p99_ms: 1}}}", "gates.freshness.slow"),
        ("faults: [{at: 5, kind: stop, target: sensors}]", "seconds: expected with stop"),
        ("faults: [{at: 11, kind: kill, target: sensors}]", "is over after the phases"),
        ("faults: [{at: 1, kind: burn, target: sensors}]", "faults.0.kind"),
        ("faults: [{kind: network, target: sensors, seconds: 1}]", "only a room"),
        ("gates: {recovery_seconds: 5}", "there is no fault to recover from"),
        ("gates: {freshness: {bulk: {phase: night}}}", "there is no phase night"),
        (
            "gates: {freshness_ratio: {bulk: {phase: only, to: idle, p99_at_most: 2}}}",
            "there is no phase idle",
        ),
        ("search: {phase: night}", "search.phase: there is no phase night"),
        ("shards: 0", "shards"),
        ("colour: red", "colour"),
        ("gates: [", "not YAML"),
    ],
)
def test_a_wrong_file_is_named_with_its_field(tmp_path: Path, more: str, words: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(_RIGHT)
    assert scenarios.load(str(file)).name == "mine"
    file.write_text(_RIGHT + more)
    with pytest.raises(ScenarioError, match=words) as error:
        scenarios.load(str(file))
    assert str(file) in str(error.value)


def test_an_unknown_name_tells_the_known_ones() -> None:
    with pytest.raises(ScenarioError, match="smoke"):
        scenarios.load("smok")


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[Path]:
    """A stack's run.json with one process, which only waits."""
    process = await asyncio.create_subprocess_exec("sleep", "60")
    parts = {"sensors": {"process": {"pid": process.pid}}}
    (tmp_path / "run.json").write_text(json.dumps({"parts": parts}))
    try:
        yield tmp_path
    finally:
        with suppress(ProcessLookupError):  # killed by the test, and not yet waited for
            os.kill(process.pid, signal.SIGCONT)
            process.kill()
        await process.wait()


def _pid(state: Path) -> int:
    return int(json.loads((state / "run.json").read_text())["parts"]["sensors"]["process"]["pid"])


async def _becomes(state: Path, *wanted: str) -> None:
    async def so() -> bool:
        return psutil.Process(_pid(state)).status() in wanted

    await eventually(so)


async def test_a_stop_freezes_and_thaws_and_is_told(state: Path) -> None:
    faults = Faults([PlannedFault(at=0, kind="stop", target="sensors", seconds=0.5)], state, {})
    running = asyncio.create_task(faults.run(datetime.now(UTC)))
    await _becomes(state, psutil.STATUS_STOPPED)
    await running
    await _becomes(state, psutil.STATUS_SLEEPING, psutil.STATUS_RUNNING)
    (made,) = faults.made
    assert (made.kind, made.target) == ("stop", "sensors")
    assert made.ended is not None
    assert made.ended > made.began


async def test_a_run_that_is_stopped_leaves_nothing_frozen(state: Path) -> None:
    faults = Faults([PlannedFault(at=0, kind="stop", target="sensors", seconds=60)], state, {})
    running = asyncio.create_task(faults.run(datetime.now(UTC)))
    await _becomes(state, psutil.STATUS_STOPPED)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await _becomes(state, psutil.STATUS_SLEEPING, psutil.STATUS_RUNNING)


async def test_a_kill_kills(state: Path) -> None:
    await Faults([PlannedFault(at=0, kind="kill", target="sensors")], state, {}).run(
        datetime.now(UTC)
    )

    async def gone() -> bool:
        return not psutil.pid_exists(_pid(state))

    await eventually(gone)


async def test_a_target_that_is_not_there_is_named(state: Path) -> None:
    faults = Faults([PlannedFault(at=0, kind="kill", target="parking")], state, {})
    with pytest.raises(BaseExceptionGroup) as errors:
        await faults.run(datetime.now(UTC))
    (error,) = errors.value.exceptions
    assert isinstance(error, FaultError)
    assert "parking" in str(error)
