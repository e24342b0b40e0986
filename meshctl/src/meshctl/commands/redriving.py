"""Dead letters brought back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from meshctl import catalogue, control, credentials, kafka
from meshctl import redrive as redriving
from meshctl import tail as tailing
from meshctl.commands.options import StateOption
from meshctl.credentials import ADMIN
from meshctl.ports import HOST
from meshctl.principal import environment_of, opened
from meshctl.state import read_json

app = typer.Typer()


@app.command()
def redrive(
    topic: Annotated[str, typer.Argument(help="The topic, not its dead-letter topic.")],
    group: Annotated[str, typer.Argument(help="The consumer group, a department's name.")],
    state: StateOption = None,
) -> None:
    """Put a group's dead letters back on the topic; other groups know them already."""
    reader = tailing.kafka_configuration(environment_of("operator", state), "operator")
    count = redriving.redrive(reader, _broker_admin(state), topic, group, typer.echo)
    typer.echo(f"{count} redriven")


def _broker_admin(state: Path | None) -> dict[str, Any]:
    settings, folder = opened(state)
    run = None if folder.composed else control.require_running(folder)
    known = catalogue.load(settings, run.folders if run else ())
    address = f"{HOST}:{read_json(folder.ports)['kafka']}"
    return kafka.client_settings(
        address, ADMIN, credentials.of_everyone(folder, known).kafka[ADMIN]
    )
