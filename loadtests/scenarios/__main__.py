"""`python -m loadtests.scenarios run NAME`: exit code 0 passed, 1 failed, 2 invalid."""

import argparse
import logging
import math
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import Console

from loadtests.driver.result import EXIT_CODES, Result
from loadtests.scenarios import knee
from loadtests.scenarios import scenario as scenarios
from loadtests.scenarios.conduct import NAMES, conduct, folder_of
from loadtests.scenarios.console import NOT_RUN, console, progressing, say_not_run, show
from loadtests.scenarios.scenario import Scenario
from loadtests.scenarios.stack import stack
from loadtests.scenarios.steps import scaled
from loadtests.scenarios.stopping import run_until_stopped

_MOST_SHARDS = 256


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser("python -m loadtests.scenarios", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="the scenarios")
    run = commands.add_parser("run", help="run one and judge it")
    run.add_argument("name", help="of a scenario, or a file of one's own")
    run.add_argument("--state", type=Path, help="of a stack that runs; without, one of its own")
    run.add_argument("--out", type=Path, default=Path("out"), help="where the run's folder is made")
    run.add_argument("--seed", type=int, default=1)
    run.add_argument(
        "--shards", type=_shards, help="processes that send; the scenario's by default"
    )
    run.add_argument(
        "--stretch", type=_factor, default=1.0, help="phases so many times as long, soak above all"
    )
    run.add_argument(
        "--times", type=_factor, help="rates so many times as high, and no search of the knee"
    )
    given = parser.parse_args(arguments)
    if given.command == "list":
        for name in scenarios.names():
            print(f"{name:20} {scenarios.load(name).about}")
        return 0
    screen = console()
    try:
        chosen = scenarios.load(given.name).stretched(given.stretch)
        if given.times is not None:
            chosen = scaled(chosen, given.times).model_copy(update={"search": None})
        if chosen.planned(given.seed):
            # A broker that a fault takes away is in the report, and not told of twice a second.
            logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
        command = f"python -m loadtests.scenarios {' '.join(arguments)}"
        folder = folder_of(given.out, chosen)
        with _only_with_content(folder):
            result = run_until_stopped(
                _run(chosen, given.state, folder, given.seed, given.shards, command, screen)
            )
    except NOT_RUN as error:
        say_not_run(screen, error)
        return EXIT_CODES["INVALID"]
    except Exception:
        # Python's own exit code would say that the city failed.
        traceback.print_exc()
        return EXIT_CODES["INVALID"]
    show(result, folder, screen)
    return result.exit_code


def _shards(text: str) -> int:
    try:
        found = int(text)
    except ValueError:
        found = 0
    if not 1 <= found <= _MOST_SHARDS:
        raise argparse.ArgumentTypeError(f"expected 1 to {_MOST_SHARDS}, got {text}")
    return found


def _factor(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = 0
    if not 0 < found < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text}")
    return found


@contextmanager
def _only_with_content(folder: Path) -> Iterator[None]:
    """The folder of a run that was not made stays only when there is something in it."""
    try:
        yield
    finally:
        for place, *_ in os.walk(folder, topdown=False):
            with suppress(OSError):  # it is not empty
                Path(place).rmdir()


async def _run(
    chosen: Scenario,
    state: Path | None,
    folder: Path,
    seed: int,
    shards: int | None,
    command: str,
    console: Console,
) -> Result:
    async with stack(state, NAMES, console.print) as found:
        with progressing(chosen, console) as progress:
            judged = knee.find if chosen.search else conduct
            return await judged(
                chosen,
                found,
                folder,
                seed=seed,
                shards=shards,
                command=command,
                progress=progress,
            )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
