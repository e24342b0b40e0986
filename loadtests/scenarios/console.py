"""What a run tells whoever started it: its progress, why it was not made, its verdict."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from loadtests.checker.topics import ReadError
from loadtests.driver import clock
from loadtests.driver.operations import UnknownOperationError
from loadtests.driver.operations.calling import SettingError
from loadtests.driver.result import Result, ResultError, Run
from loadtests.driver.run import NotBegunError, Standing
from loadtests.scenarios.scenario import Scenario, ScenarioError
from loadtests.scenarios.stack import StackError
from loadtests.scenarios.stopping import StoppedError

#: What keeps a run from being judged, with words for whoever started it.
NOT_RUN = (
    ScenarioError,
    StackError,
    SettingError,
    UnknownOperationError,
    NotBegunError,
    ResultError,
    ReadError,
    StoppedError,
    TimeoutError,
)

_LOG_WIDTH = 120


def console() -> Console:
    # A log has no width of its own.
    return Console(stderr=True, width=None if sys.stderr.isatty() else _LOG_WIDTH)


def say_not_run(console: Console, error: Exception) -> None:
    console.print(f"not run: {error}", markup=False, highlight=False)


@contextmanager
def progressing(chosen: Scenario, console: Console) -> Iterator[Callable[[Standing], None]]:
    columns = (
        TextColumn("{task.description:10}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[counts]}"),
    )
    with Progress(*columns, console=console) as bar:
        total = chosen.seconds
        task = bar.add_task("prepare", total=total, counts="")

        def progress(now: Standing) -> None:
            counts = "  ".join(f"{name} {count}" for name, count in now.outcomes.items())
            bar.update(
                task,
                completed=max(0.0, min(now.seconds, total)),
                description=now.phase,
                counts=f"{counts}  under way {now.under_way}",
            )

        yield progress


def show(result: Result, folder: Path, console: Console) -> None:
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
    clocks = clock.text(Run.read(folder).clock)
    for words in (clocks, *result.remarks, *result.reasons):
        console.print(words, markup=False, highlight=False)
    console.print(f"{result.verdict}  {folder / 'report.html'}", markup=False)
