"""Demos: each on a stack of its own, with an outcome it must have."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from meshctl.demo import health, parking, scenes
from meshctl.demo import run as demonstration

SEOUL = Path("loadtests/data/seoul-air-hourly-2018-2021.csv")

app = typer.Typer()


@app.command()
def demo(
    file: Annotated[Path, typer.Option(help="Hourly air in the Seoul file's form.")] = SEOUL,
    scene: Annotated[
        str,
        typer.Option(
            help="Scripted scenes instead: cameras' names with commas, or all; parking; health."
        ),
    ] = "",
    faults: Annotated[bool, typer.Option("--faults", help="Kill and restart parts.")] = False,
    keep: Annotated[bool, typer.Option(help="Keep the state folder, to look at.")] = False,
    against: Annotated[
        Path | None,
        typer.Option(help="State folder of a stack in containers that has seen nothing yet."),
    ] = None,
) -> None:
    """Seoul's air to the disaster room, or scenes: 0 when all came out as it must."""
    if against and faults:
        raise typer.BadParameter("--against leaves the stack as it is: no --faults")
    if scene == parking.SCENE:
        running = parking.run(faults, keep, typer.echo, against)
    elif scene == health.SCENE:
        running = health.run(faults, keep, typer.echo, against)
    elif scene:
        running = scenes.run(scene, faults, keep, typer.echo, against)
    else:
        running = demonstration.run(file, faults, keep, typer.echo, against)
    if not asyncio.run(running):
        raise typer.Exit(1)
