"""The command line. Errors are one clear line; the exit code is 1, or 2 for wrong usage."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from city_backbone.registration import RegistrationError
from rich.console import Console

from meshctl import (
    catalogue,
    check,
    commands,
    composing,
    control,
    credentials,
    detaching,
    import_cameras,
    import_parking,
    import_stations,
    jvm,
    kafka,
    lag,
    live,
    moving,
    replay,
    stack,
    status,
)
from meshctl.check import rendered
from meshctl.composing import command as composed
from meshctl.credentials import ADMIN
from meshctl.errors import CheckFailedError, MeshctlError, NotRunningError
from meshctl.ports import HOST
from meshctl.principal import environment_of, opened
from meshctl.register import register
from meshctl.render.command import render
from meshctl.settings import load as load_settings
from meshctl.state import read_json

app = typer.Typer(
    name="meshctl",
    help="The citymesh on one machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

StateOption = Annotated[
    Path | None, typer.Option("--state", help="State folder (default .citymesh, CITYMESH_STATE).")
]
ServicesOption = Annotated[
    list[Path] | None,
    typer.Option("--services", help="Folder of services; repeatable (default services/)."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def main() -> None:
    """Run the command line."""
    try:
        app()
    except (MeshctlError, RegistrationError) as error:
        typer.echo(f"meshctl: {error}", err=True)
        sys.exit(error.exit_code if isinstance(error, MeshctlError) else 1)


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


@app.command()
def env(name: str, state: StateOption = None, as_json: JsonOption = False) -> None:
    """Print the environment of a service or client: eval $(meshctl env sensors)."""
    values = environment_of(name, state)
    if as_json:
        typer.echo(json.dumps(values, indent=2))
        return
    for key, value in values.items():
        typer.echo(f"export {key}={shlex.quote(value)}")


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
        known = catalogue.load(settings, stack.folders(run) if run else ())
        passwords = credentials.ensure(folder, [], [])
        try:
            lags = lag.measure(known, read_json(folder.ports), passwords)
        except MeshctlError as error:
            typer.echo(f"meshctl: {error}", err=True)
    if folder.composed:
        now = asyncio.run(composing.look(folder, read_json(folder.ports), passwords, lags))
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
        work = composing.apply_inside(settings, folder, typer.echo, with_schemas=schemas)
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


def _broker_admin(state: Path | None) -> dict[str, Any]:
    settings, folder = opened(state)
    run = None if folder.composed else control.require_running(folder)
    known = catalogue.load(settings, stack.folders(run) if run else ())
    address = f"{HOST}:{read_json(folder.ports)['kafka']}"
    return kafka.client_settings(address, ADMIN, stack.new_credentials(folder, known).kafka[ADMIN])


commands.add(app, environment_of, _broker_admin)
composed.add(app)
app.command()(render)
app.command()(register)
app.add_typer(replay.app, name="replay")
import_stations.app.command()(import_cameras.cameras)
import_stations.app.command()(import_parking.parking)
app.add_typer(import_stations.app, name="import")
