"""The stack as a whole: started, stopped, its parts fetched."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer

from meshctl import detaching, jvm, live, moving, stack
from meshctl.commands.options import ServicesOption, StateOption
from meshctl.principal import opened
from meshctl.settings import load as load_settings

app = typer.Typer()


@app.command()
def up(
    state: StateOption = None,
    services: ServicesOption = None,
    detach: Annotated[bool, typer.Option(help="Return when all is ready.")] = False,
    backbone_only: Annotated[bool, typer.Option(help="Start no services.")] = False,
    free_ports: Annotated[bool, typer.Option(help="Take free ports, and keep them.")] = False,
    rooms: Annotated[bool, typer.Option("--rooms", help="Also a stand-in room.")] = False,
    city: Annotated[bool, typer.Option("--city", help="Also a room and a modelled city.")] = False,
    table: Annotated[bool, typer.Option(help="Show a live table on a terminal.")] = True,
) -> None:
    """Start the stack: broker, registry, database and every service."""
    settings, folder = opened(state)
    options = stack.Options(
        backbone_only, free_ports, tuple(services or ()), rooms=rooms or city, city=city
    )
    if detach:
        asyncio.run(detaching.up(settings, folder, options, typer.echo))
        return
    if rooms or city:
        live.EXTRA.append(moving.Moving().rows)
    shown = live.show if table and sys.stdout.isatty() else stack.until_stopped
    with folder.locked():
        asyncio.run(stack.up(settings, folder, options, typer.echo, shown))


@app.command()
def fetch() -> None:
    """Fetch Kafka and the schema registry, unless they are here; check that Java is."""
    asyncio.run(jvm.ensure(load_settings(), typer.echo))


@app.command()
def down(state: StateOption = None) -> None:
    """Stop the stack; its data stays."""
    _, folder = opened(state)
    asyncio.run(detaching.down(folder, typer.echo))
