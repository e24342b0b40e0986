"""A part of the stack: its log, started anew."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Annotated

import typer

from meshctl import control
from meshctl.commands.options import StateOption
from meshctl.principal import opened

app = typer.Typer()


@app.command()
def logs(
    service: Annotated[str, typer.Argument(help="A service, kafka, registry, postgres or up.")],
    state: StateOption = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as it grows.")] = False,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="How many lines.")] = 50,
) -> None:
    """Print the end of a part's log."""
    _, folder = opened(state)
    file = control.log_file(folder, service)
    text, offset = control.tail(file, lines)
    typer.echo(text, nl=False)

    if follow:
        with contextlib.suppress(KeyboardInterrupt):
            for more in control.follow(file, offset):
                typer.echo(more, nl=False)


@app.command()
def restart(service: str, state: StateOption = None) -> None:
    """Restart a service, kafka, registry or postgres, and wait until it is ready."""
    settings, folder = opened(state)
    asyncio.run(control.restart(settings, folder, service, typer.echo))
