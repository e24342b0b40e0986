"""For people who look at what is under way in a running mesh, or call it."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from meshctl import call as calling
from meshctl import tail as tailing
from meshctl.commands.options import StateOption
from meshctl.principal import environment_of

app = typer.Typer()


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
        environment_of(name, state), name, topic, from_beginning=from_beginning, stop=stop
    ):
        shown = (
            json.dumps(event, ensure_ascii=False, default=str) if as_json else tailing.line(event)
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
    for answer in calling.call(environment_of("operator", state), method, requests, deadline):
        typer.echo(answer)
