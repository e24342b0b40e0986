"""Registrations: checked, and applied to a stack that runs."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from meshctl import catalogue, check, control
from meshctl.check import rendered
from meshctl.commands.options import ServicesOption, StateOption
from meshctl.composing.applying import apply_inside
from meshctl.errors import CheckFailedError
from meshctl.principal import opened
from meshctl.settings import load as load_settings

app = typer.Typer()


@app.command()
def apply(
    state: StateOption = None,
    inside: Annotated[
        bool, typer.Option("--inside", help="From within the network of compose.yaml.")
    ] = False,
    schemas: Annotated[bool, typer.Option(help="The registry's schemas too.")] = True,
) -> None:
    """Apply the registrations again to a running stack."""
    settings, folder = opened(state)
    if inside:
        work = apply_inside(settings, folder, typer.echo, with_schemas=schemas)
    else:
        work = control.apply(settings, folder, typer.echo, with_schemas=schemas)
    asyncio.run(work)


@app.command("check")
def run_check(services: ServicesOption = None) -> None:
    """Check registrations, schemas and contracts against each other."""
    settings = load_settings()
    known = catalogue.load(settings, services or ())
    found = check.problems(known)
    if not services:
        found += rendered.check(settings.root, known)
    for problem in found:
        typer.echo(problem)
    if found:
        raise CheckFailedError(f"{len(found)} problems")
    typer.echo(f"{len(known.services)} services and {len(known.clients)} clients: nothing wrong")
