"""`python -m loadtests.scenarios run NAME`: exit code 0 passed, 1 failed, 2 invalid."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from loadtests.checker.topics import ReadError
from loadtests.driver.operations import UnknownOperationError
from loadtests.driver.operations.calling import SettingError
from loadtests.driver.result import EXIT_CODES, Result, ResultError
from loadtests.driver.run import Standing
from loadtests.scenarios import knee
from loadtests.scenarios import scenario as scenarios
from loadtests.scenarios.conduct import NAMES, conduct, folder_of
from loadtests.scenarios.scenario import Scenario, ScenarioError
from loadtests.scenarios.stack import StackError, stack

# What keeps a run from being judged, with words for whoever started it.
_NOT_RUN = (
    ScenarioError,
    StackError,
    SettingError,
    UnknownOperationError,
    ResultError,
    ReadError,
    TimeoutError,
)

_LOG_WIDTH = 120


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser("python -m loadtests.scenarios", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="the scenarios")
    run = commands.add_parser("run", help="run one and judge it")
    run.add_argument("name", help="of a scenario, or a file of one's own")
    run.add_argument("--state", type=Path, help="of a stack that runs; without, one of its own")
    run.add_argument("--out", type=Path, default=Path("out"), help="where the run's folder is made")
    run.add_argument("--seed", type=int, default=1)
    run.add_argument("--shards", type=int, help="processes that send; the scenario's by default")
    run.add_argument(
        "--stretch", type=_factor, default=1.0, help="phases so many times as long, soak above all"
    )
    given = parser.parse_args(arguments)
    # A log has no width of its own.
    console = Console(stderr=True, width=None if sys.stderr.isatty() else _LOG_WIDTH)
    if given.command == "list":
        for name in scenarios.names():
            print(f"{name:20} {scenarios.load(name).about}")
        return 0
    try:
        chosen = scenarios.load(given.name).stretched(given.stretch)
        command = f"python -m loadtests.scenarios {' '.join(arguments)}"
        folder = folder_of(given.out, chosen)
        result = asyncio.run(
            _run(chosen, given.state, folder, given.seed, given.shards, command, console)
        )
    except _NOT_RUN as error:
        console.print(f"not run: {error}", markup=False, highlight=False)
        return EXIT_CODES["INVALID"]
    _show(result, folder, console)
    return result.exit_code


def _factor(text: str) -> float:
    found = float(text)
    if not found > 0:
        raise ValueError(text)
    return found


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
        columns = (
            TextColumn("{task.description:10}"),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[counts]}"),
        )
        with Progress(*columns, console=console) as bar:
            total = sum(phase.seconds for phase in chosen.phases)
            task = bar.add_task("prepare", total=total, counts="")

            def progress(now: Standing) -> None:
                counts = "  ".join(f"{name} {count}" for name, count in now.outcomes.items())
                bar.update(
                    task,
                    completed=max(0.0, min(now.seconds, total)),
                    description=now.phase,
                    counts=f"{counts}  under way {now.under_way}",
                )

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


def _show(result: Result, folder: Path, console: Console) -> None:
    name = Column("operation", no_wrap=True)
    calls = Table(name, "sent", "ok", "response p50", "p99", "service p99", "lag p99, ms")
    for one in result.figures.operations:
        calls.add_row(
            one.name,
            str(one.sent),
            str(one.ok),
            *(
                f"{value:.1f}"
                for value in (
                    one.response.p50,
                    one.response.p99,
                    one.service.p99,
                    one.lag.p99,
                )
            ),
        )
    console.print(calls)
    figures = (Column(name, no_wrap=True) for name in ("limit", "value", "verdict"))
    gates = Table(Column("gate", overflow="fold"), *figures)
    for gate in result.gates:
        value = "" if gate.value is None else f"{gate.value:.4g}"
        gates.add_row(gate.name, f"{gate.limit:g} {gate.unit}", value, gate.verdict)
    console.print(gates)
    for reason in result.reasons:
        console.print(reason, markup=False, highlight=False)
    console.print(f"{result.verdict}  {folder / 'report.html'}", markup=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
