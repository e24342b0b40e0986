"""How the stack is."""

from __future__ import annotations

import asyncio
import json

import typer
from rich.console import Console

from meshctl import catalogue, credentials, lag, status
from meshctl.commands.options import JsonOption, StateOption
from meshctl.errors import MeshctlError, NotRunningError
from meshctl.principal import opened
from meshctl.state import read_json

app = typer.Typer()


@app.command("status")
def show_status(state: StateOption = None, as_json: JsonOption = False) -> None:
    """Show each part, and how far each consumer is behind. Exit code 1 unless all is ready."""
    settings, folder = opened(state)
    run = folder.read_run()
    running = folder.running() is not None
    lags: list[lag.Lag] = []
    if folder.composed or (
        run is not None
        and running
        and "kafka" in run.parts
        and run.parts["kafka"].status == "ready"
    ):
        known = catalogue.load(settings, run.folders if run else ())
        passwords = credentials.ensure(folder, [], [])
        try:
            lags = lag.measure(known, read_json(folder.ports), passwords)
        except MeshctlError as error:
            typer.echo(f"meshctl: {error}", err=True)
    if folder.composed:
        # What only this needs takes as long to import as all else of this command.
        from meshctl.composing.looking import look

        now = asyncio.run(look(folder, read_json(folder.ports), passwords, lags))
    else:
        now = status.of(run, running, lags)
    if as_json:
        typer.echo(json.dumps(now, indent=2))
    elif folder.composed:
        Console().print(status.table(now))
    elif run is None:
        raise NotRunningError(f"no stack runs on {folder.folder}: `meshctl up` starts one")
    else:
        Console().print(status.table(now))
        if not running:
            typer.echo("its supervisor was killed: `meshctl up` or `meshctl down` cleans up")
    if not now["ready"]:
        raise typer.Exit(1)
