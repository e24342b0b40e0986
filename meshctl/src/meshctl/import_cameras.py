"""`meshctl import cameras`: sites and cameras of two CSV files, registered in bulk."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated, TypeVar
from uuid import uuid4

import typer
from city.cameras.v1 import camera_pb2 as pb
from city.cameras.v1 import camera_pb2_grpc

from meshctl import bulk
from meshctl.cameras_file import CAMERA_COLUMNS, SITE_COLUMNS, parse_cameras, parse_sites
from meshctl.commands.options import StateOption
from meshctl.csv_file import BadRow, Row, good

T = TypeVar("T", pb.Site, pb.Camera)

CHUNK = 500


def cameras(
    sites_file: Annotated[Path, typer.Argument(metavar="SITES.csv", help=", ".join(SITE_COLUMNS))],
    cameras_file: Annotated[
        Path, typer.Argument(metavar="CAMERAS.csv", help=", ".join(CAMERA_COLUMNS))
    ],
    give_up_after: Annotated[
        float, typer.Option(min=1, help="Seconds a call may go on failing.")
    ] = 120.0,
    state: StateOption = None,
) -> None:
    """Register the sites and cameras of two files. Exit code 1 when a row was bad.

    A bad row is named with its file, line and column; all the others are in.

    purpose: living-area-security, park, vehicle or child-protection.
    heading_degrees: empty for a camera that looks all around.
    stream_address: rtsp or rtsps, without credentials.
    """
    bad: list[BadRow] = []
    sites = list(good(parse_sites(sites_file), bad))
    known = list(good(parse_cameras(cameras_file), bad))
    registered = asyncio.run(
        _register((sites_file, sites), (cameras_file, known), give_up_after, state, bad)
    )
    for row in sorted(bad, key=lambda row: (row.file != sites_file, row.line)):
        typer.echo(row, err=True)
    typer.echo(f"{registered[0]} sites and {registered[1]} cameras registered, {len(bad)} rows bad")
    if bad:
        raise typer.Exit(1)


async def _register(
    sites: tuple[Path, Sequence[Row[pb.Site]]],
    known: tuple[Path, Sequence[Row[pb.Camera]]],
    give_up_after: float,
    state: Path | None,
    bad: list[BadRow],
) -> tuple[int, int]:
    """How many of each went in. Raises MeshctlError after giving up."""
    patiently = bulk.patiently("cameras", give_up_after)
    async with bulk.connected("cameras", state) as channel:
        stub: camera_pb2_grpc.CameraServiceAsyncStub = camera_pb2_grpc.CameraServiceStub(channel)

        async def register_sites(messages: Sequence[pb.Site]) -> None:
            request = pb.RegisterSitesRequest(idempotency_key=str(uuid4()), sites=messages)
            await patiently(lambda: stub.RegisterSites(request, timeout=bulk.CALL_SECONDS))

        async def register_cameras(messages: Sequence[pb.Camera]) -> None:
            request = pb.RegisterCamerasRequest(idempotency_key=str(uuid4()), cameras=messages)
            await patiently(lambda: stub.RegisterCameras(request, timeout=bulk.CALL_SECONDS))

        return (
            await register(*sites, register_sites, bad),
            await register(*known, register_cameras, bad),
        )


async def register(
    file: Path,
    rows: Sequence[Row[T]],
    call: Callable[[Sequence[T]], Awaitable[None]],
    bad: list[BadRow],
) -> int:
    """As bulk.register; a column is called as the field, without the message it stands in."""
    return await bulk.register(
        "cameras", file, rows, call, bad, CHUNK, lambda field: field.rpartition(".")[2]
    )
