"""The command line. Errors are one clear line; the exit code is 1, or 2 for wrong usage."""

from __future__ import annotations

import importlib
import sys
from collections import UserDict
from typing import Any

import typer
from city_backbone.errors import BackboneError
from typer.core import TyperGroup

from meshctl.errors import MeshctlError

_MODULES = {
    "up": "commands.running",
    "fetch": "commands.running",
    "down": "commands.running",
    "env": "commands.environment",
    "status": "commands.status",
    "logs": "commands.parts",
    "restart": "commands.parts",
    "apply": "commands.registrations",
    "check": "commands.registrations",
    "tail": "commands.talking",
    "call": "commands.talking",
    "redrive": "commands.redriving",
    "demo": "commands.demo",
    "secrets": "composing.command",
    "render": "render.command",
    "register": "register",
    "replay": "replay",
    "import": "commands.importing",
}


class _Commands(UserDict[str, Any]):
    """A command's module is imported when it is asked for: all of them take two seconds."""

    def __getitem__(self, name: str) -> Any:
        module = importlib.import_module(f"meshctl.{self.data[name]}")
        group = typer.main.get_group(module.app)
        command = group.commands.get(name, group)
        command.name = name
        return command

    def get(self, name: str, default: Any = None) -> Any:
        """Until Python 3.12 a mapping takes any KeyError of a module for a name it has not."""
        return self[name] if name in self.data else default


class _Meshctl(TyperGroup):
    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.commands = _Commands(_MODULES)


app = typer.Typer(
    name="meshctl",
    cls=_Meshctl,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def meshctl() -> None:
    """The citymesh on one machine."""


def main() -> None:
    """Run the command line."""
    try:
        app()
    except (MeshctlError, BackboneError) as error:
        typer.echo(f"meshctl: {error}", err=True)
        sys.exit(error.exit_code if isinstance(error, MeshctlError) else 1)
