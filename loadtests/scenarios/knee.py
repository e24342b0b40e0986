"""The search for the knee: steps, each a run of its own, and what bound the last."""

from collections.abc import Callable
from pathlib import Path

from loadtests.driver.result import Result
from loadtests.driver.run import Standing
from loadtests.scenarios.scenario import Scenario
from loadtests.scenarios.stack import Stack


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
    raise NotImplementedError
