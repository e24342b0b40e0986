"""The commands of the stack in containers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from meshctl.composing.writing import write
from meshctl.demo import health, parking
from meshctl.principal import opened
from meshctl.settings import load as load_settings

FOLDER = "compose"

app = typer.Typer()


@app.command()
def secrets(
    state: Annotated[
        Path | None, typer.Option("--state", help="Folder (default .citymesh/compose).")
    ] = None,
    rooms: Annotated[
        bool, typer.Option("--rooms", help="Tell emergency of the stand-in rooms.")
    ] = False,
    demo: Annotated[
        bool, typer.Option("--demo", help="And give departments what `demo --against` needs.")
    ] = False,
) -> None:
    """Make what compose.yaml mounts: passwords, certificates, settings. Keeps what is there."""
    settings, folder = opened(state or load_settings().root / ".citymesh" / FOLDER)
    further: dict[str, dict[str, str]] = {}
    for needed in (health.settings(), parking.settings()) if demo else ():
        for department, values in needed.items():
            further.setdefault(department, {}).update(values)
    write(settings, folder, typer.echo, with_rooms=rooms or demo, further=further)
