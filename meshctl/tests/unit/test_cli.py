"""The command line: each command is there, and none pays for what others import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from meshctl.cli import _MODULES, app
from typer.testing import CliRunner

HEAVY = {"aiohttp", "aiokafka", "grpc", "loadtests", "psycopg", "structlog"}


def test_every_command_is_listed_with_what_it_does() -> None:
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).output
    lines = [
        line.strip("│ ") for line in shown.partition("Commands")[2].splitlines() if "│" in line
    ]
    names = [line.split()[0] for line in lines]
    assert {"up", "status", "call", "demo", "render", "replay", "import"} <= set(names)
    assert all(len(line.split()) > 3 for line in lines), lines
    for name in names:
        asked = CliRunner().invoke(app, [name, "--help"])
        assert asked.exit_code == 0, asked.output
        assert f"meshctl {name}" in asked.output


def test_a_command_that_nobody_has_is_told_with_who_is_meant() -> None:
    asked = CliRunner().invoke(app, ["stats"])
    assert asked.exit_code == 2
    assert "status" in asked.output


def test_a_fault_of_a_commands_module_is_no_unknown_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "broken.py").write_text("{}['a fault']")
    monkeypatch.setattr("meshctl.__path__", [str(tmp_path)])
    monkeypatch.setitem(_MODULES, "broken", "broken")
    asked = CliRunner().invoke(app, ["broken"])
    assert isinstance(asked.exception, KeyError)
    assert asked.exception.args == ("a fault",)


@pytest.mark.parametrize(
    ("command", "needed"), [("env", set()), ("status", set()), ("call", {"grpc"})]
)
def test_a_command_that_is_asked_often_imports_little(command: str, needed: set[str]) -> None:
    program = (
        "import sys; from meshctl.cli import app\n"
        f"try: app([{command!r}, '--help'])\n"
        "finally: print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert set(done.stdout.splitlines()[-1].split()) & HEAVY == needed
