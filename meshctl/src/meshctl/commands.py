"""Commands for people who look at the running mesh or talk to it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from meshctl import call as calling
from meshctl import redrive as redriving
from meshctl import tail as tailing
from meshctl.demo import health, parking, scenes
from meshctl.demo import run as demonstration

Environment = Callable[[str, Path | None], dict[str, str]]
SEOUL = Path("loadtests/data/seoul-air-hourly-2018-2021.csv")
StateOption = Annotated[Path | None, typer.Option("--state", help="State folder.")]


Admin = Callable[[Path | None], dict[str, Any]]


def add(app: typer.Typer, environment: Environment, admin: Admin) -> None:
    """Put `tail`, `call`, `redrive` and `demo` into the command line.

    `environment` gives a principal's environment, `admin` the broker's administrator's
    librdkafka settings.
    """

    @app.command()
    def tail(
        topic: str,
        state: StateOption = None,
        name: Annotated[str, typer.Option("--as", help="Principal to read as.")] = "operator",
        from_beginning: Annotated[bool, typer.Option(help="Start with the oldest.")] = False,
        count: Annotated[int, typer.Option("-n", help="Stop after so many; 0 never.")] = 0,
        until_end: Annotated[bool, typer.Option(help="Stop when caught up.")] = False,
        as_json: Annotated[bool, typer.Option("--json", help="Whole events as JSON.")] = False,
    ) -> None:
        """Print a topic's events, decoded with the registry's schemas, as they come."""

        def stop(seen: int, caught_up: bool) -> bool:
            return bool(count and seen >= count) or (until_end and caught_up)

        for event in tailing.events(
            environment(name, state), name, topic, from_beginning=from_beginning, stop=stop
        ):
            shown = (
                json.dumps(event, ensure_ascii=False, default=str)
                if as_json
                else tailing.line(event)
            )
            typer.echo(shown)

    @app.command()
    def call(
        method: Annotated[str, typer.Argument(help="package.Service/Method")],
        request: Annotated[
            list[str] | None, typer.Argument(help="JSON; several for a stream; - for stdin lines.")
        ] = None,
        state: StateOption = None,
        deadline: Annotated[float, typer.Option(help="Seconds.")] = 10.0,
    ) -> None:
        """Call an RPC of a running department as the operator, in JSON."""
        requests = request or ["{}"]
        if requests == ["-"]:
            requests = [text for text in sys.stdin if text.strip()]
        for answer in calling.call(environment("operator", state), method, requests, deadline):
            typer.echo(answer)

    @app.command()
    def redrive(
        topic: Annotated[str, typer.Argument(help="The topic, not its dead-letter topic.")],
        group: Annotated[str, typer.Argument(help="The consumer group, a department's name.")],
        state: StateOption = None,
    ) -> None:
        """Put a group's dead letters back on the topic; other groups know them already."""
        reader = tailing.kafka_configuration(environment("operator", state), "operator")
        count = redriving.redrive(reader, admin(state), topic, group, typer.echo)
        typer.echo(f"{count} redriven")

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
