"""`python -m loadtests.scenarios run`: what is wrong is said, with the code of an invalid run."""

import io
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from loadtests.driver.result import EXIT_CODES, Clock, Figures, Result, Run
from loadtests.driver.run import NotBegunError
from loadtests.scenarios import __main__ as command
from loadtests.scenarios.console import show
from loadtests.scenarios.scenario import Scenario, load
from loadtests.scenarios.stack import Stack, StackError


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Path | None]:
    """Stacks that were asked for; none is started."""
    asked: list[Path | None] = []

    @asynccontextmanager
    async def stack(state: Path | None, *_: Any) -> AsyncIterator[Stack]:
        asked.append(state)
        yield Stack(Path("nowhere"), True, {})

    monkeypatch.setattr(command, "stack", stack)
    return asked


def _conducting(monkeypatch: pytest.MonkeyPatch, do: Callable[[Path], None]) -> None:
    async def conduct(chosen: Any, found: Any, folder: Path, **_: Any) -> None:
        do(folder)

    monkeypatch.setattr(command, "conduct", conduct)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--shards", "-1"), "--shards: expected 1 to 256, got -1"),
        (("--shards", "0"), "--shards: expected 1 to 256, got 0"),
        (("--shards", "300"), "--shards: expected 1 to 256, got 300"),
        (("--shards", "many"), "--shards: expected 1 to 256, got many"),
        (("--times", "0"), "--times: expected a number above 0, got 0"),
        (("--stretch", "0"), "--stretch: expected a number above 0, got 0"),
        (("--stretch", "nan"), "--stretch: expected a number above 0, got nan"),
        (("--stretch", "inf"), "--stretch: expected a number above 0, got inf"),
        (("--stretch", "long"), "--stretch: expected a number above 0, got long"),
    ],
)
def test_wrong_options_are_named_before_a_stack_is_started(
    started: list[Path | None],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    given: tuple[str, ...],
    words: str,
) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["run", "smoke", "--out", str(tmp_path), *given])
    assert ended.value.code == EXIT_CODES["INVALID"]
    assert words in capsys.readouterr().err
    assert not started


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("settings.stations: expected a number, got 'many'"), "settings.stations"),
        (NotBegunError("shard 0: hot_share: expected 0 to 1"), "not run: shard 0: hot_share:"),
        (StackError("not ready"), "not run: not ready"),
    ],
)
@pytest.mark.usefixtures("started")
def test_a_run_that_is_not_made_says_why_and_leaves_no_folder(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    error: Exception,
    words: str,
) -> None:
    def fail(folder: Path) -> None:
        (folder / "steps" / "01").mkdir(parents=True)
        raise error

    _conducting(monkeypatch, fail)
    assert command.main(["run", "smoke", "--out", str(tmp_path)]) == EXIT_CODES["INVALID"]
    assert words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("started")
def test_what_a_broken_run_has_written_stays(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(folder: Path) -> None:
        folder.mkdir(parents=True)
        (folder / "history").write_text("a call")
        raise StackError("gone")

    _conducting(monkeypatch, fail)
    assert command.main(["run", "smoke", "--out", str(tmp_path)]) == EXIT_CODES["INVALID"]
    assert [one.name for one in tmp_path.glob("*/*")] == ["history"]


@pytest.mark.usefixtures("started")
def test_rates_that_are_given_are_not_searched(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ran: list[Scenario] = []

    async def conduct(chosen: Scenario, *_: Any, **__: Any) -> None:
        ran.append(chosen)
        raise StackError("enough")

    monkeypatch.setattr(command, "conduct", conduct)
    command.main(["run", "disaster-surge", "--out", str(tmp_path), "--times", "0.5"])
    (chosen,), shipped = ran, load("disaster-surge")
    assert shipped.search
    assert chosen.search is None
    for half, whole in zip(chosen.phases, shipped.phases, strict=True):
        assert {name: rate.rate * 2 for name, rate in half.rates.items()} == {
            name: rate.rate for name, rate in whole.rates.items()
        }


def test_the_clock_is_told_with_the_verdict(tmp_path: Path) -> None:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    clock = Clock(offset_ms=-1.25, uncertainty_ms=0.5)
    Run(scenario="x", seed=1, began=at, ended=at, shards=1, clock=clock).write(tmp_path)
    screen = Console(file=io.StringIO(), width=120)
    result = Result(scenario="x", verdict="PASS", figures=Figures(seconds=1, shards=1))
    show(result, tmp_path, screen)
    assert isinstance(screen.file, io.StringIO)
    said = screen.file.getvalue()
    assert said.count("clock: offset -1.250 ms, known to ±0.500 ms") == 1
