"""The command `register`: a department's schemas into a registry, without a checkout."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from city_backbone.registration import load_all

from meshctl.apply import schemas
from meshctl.errors import ApplyError

app = typer.Typer()


@app.command()
def register(
    files: Annotated[list[Path], typer.Argument(help="service.yaml files.")],
    registry: Annotated[str, typer.Option(help="The registry's Confluent-compatible API.")],
    deadline: Annotated[float, typer.Option(min=1, help="Seconds for all of it.")] = 120.0,
) -> None:
    """Register the schemas of service.yaml files; exit code 1 when one is refused."""
    known = load_all(files)

    async def within() -> int:
        try:
            async with asyncio.timeout(deadline):
                return await schemas.apply(registry.rstrip("/"), known)
        except TimeoutError as error:
            raise ApplyError(f"registry: not done within {deadline:g} s") from error

    new = asyncio.run(within())
    total = sum(len(one.produces) for one in known)
    typer.echo(f"registry: {total} schemas ({new} new)")
