"""Lag, status and logs as they are shown."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from meshctl.errors import SettingsError
from meshctl.lag import Lag
from meshctl.state import PartState, ProcessId, Run, State
from rich.console import Console

from meshctl import control, lag, status

TOPIC = "sensors.reading-taken.v1"


def test_lag_is_the_age_of_the_oldest_record() -> None:
    records = {(TOPIC, 0): 5, (TOPIC, 1): 2, ("other.x.v1", 0): 9}
    appended = {(TOPIC, 0): 990.0, (TOPIC, 1): 970.0, ("other.x.v1", 0): 1.0}
    assert lag.of_topic("emergency", TOPIC, records, appended, 1000.0) == Lag(
        "emergency", TOPIC, 30.0, 7
    )


def test_lag_is_zero_when_caught_up_and_unknown_when_not_fetched() -> None:
    assert lag.of_topic("g", TOPIC, {}, {}, 1000.0) == Lag("g", TOPIC, 0.0, 0)
    assert lag.of_topic("g", TOPIC, {(TOPIC, 0): 3}, {}, 1000.0) == Lag("g", TOPIC, None, 3)


def test_lag_is_never_negative() -> None:
    assert lag.of_topic("g", TOPIC, {(TOPIC, 0): 1}, {(TOPIC, 0): 1001.0}, 1000.0).seconds == 0.0


def run() -> Run:
    myself = ProcessId.of(os.getpid())
    assert myself is not None
    gone = myself.model_copy(update={"created": 1.0})
    return Run(
        supervisor=myself,
        phase="ready",
        parts={
            "kafka": PartState(status="ready", process=myself, port=19092),
            "sensors": PartState(status="ready", process=gone, port=50062, restarts=2),
        },
    )


def test_status_believes_processes_not_files() -> None:
    now = status.of(run(), True, [Lag("sensors", TOPIC, 12.34, 5)])
    assert now["parts"]["kafka"]["up"]
    assert not now["parts"]["sensors"]["up"]
    assert now["parts"]["sensors"]["pid"] is None
    assert not now["ready"]
    assert now["lag"] == {"sensors": {TOPIC: 12.3}}


def test_no_run_is_not_running() -> None:
    assert status.of(None, False, []) == {"running": False, "ready": False, "parts": {}, "lag": {}}


def test_the_table_shows_parts_lag_and_the_city() -> None:
    console = Console(width=160, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    now = status.of(run(), True, [Lag("sensors", TOPIC, 90.0, 5)])
    console.print(status.table(now, [("readings", "1,234")]))
    text = console.export_text()
    assert f"2 min {TOPIC}" in text
    assert "down" in text
    assert "1,234" in text


@pytest.mark.parametrize(
    ("count", "expected"), [(0, ""), (1, "c\n"), (2, "b\nc\n"), (9, "a\nb\nc\n")]
)
def test_tail_gives_the_last_lines(tmp_path: Path, count: int, expected: str) -> None:
    file = tmp_path / "x.log"
    file.write_text("a\nb\nc\n")
    assert control.tail(file, count) == (expected, 6)


def test_tail_reads_back_through_a_long_log(tmp_path: Path) -> None:
    file = tmp_path / "x.log"
    lines = [f"{number} {'x' * 500}\n" for number in range(1000)]
    file.write_text("".join(lines))
    assert control.tail(file, 400)[0] == "".join(lines[-400:])


def test_follow_gives_what_is_appended_and_starts_over_on_a_new_log(tmp_path: Path) -> None:
    file = tmp_path / "x.log"
    file.write_text("old\n")
    more = control.follow(file, 4)
    with file.open("a") as log:
        log.write("new\n")
    assert next(more) == "new\n"
    file.write_text("a\n")
    assert next(more) == "a\n"


def test_a_log_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.make()
    state.log("kafka").touch()
    with pytest.raises(SettingsError, match="no log of 'kafkaa', there is kafka"):
        control.log_file(state, "kafkaa")
