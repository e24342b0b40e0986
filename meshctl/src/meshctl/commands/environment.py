"""As whom one is let in, and where."""

from __future__ import annotations

import json
import shlex

import typer

from meshctl.commands.options import JsonOption, StateOption
from meshctl.principal import environment_of

app = typer.Typer()


@app.command()
def env(name: str, state: StateOption = None, as_json: JsonOption = False) -> None:
    """Print the environment of a service or client: eval $(meshctl env sensors)."""
    values = environment_of(name, state)
    if as_json:
        typer.echo(json.dumps(values, indent=2))
        return
    for key, value in values.items():
        typer.echo(f"export {key}={shlex.quote(value)}")
