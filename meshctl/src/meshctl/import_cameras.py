"""`meshctl import cameras`: sites and cameras of two CSV files, registered in bulk."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, TypeVar
from uuid import uuid4

import grpc
import grpc.aio
import typer
from city.cameras.v1 import camera_pb2 as pb
from city.cameras.v1 import camera_pb2_grpc
from city_backbone.errors import NeighbourUnavailable
from city_backbone.rpc.channel import open_channel
from city_backbone.settings import TlsSettings
from tenacity import retry, retry_if_exception, stop_after_delay, wait_random_exponential

from meshctl.cameras_file import (
    CAMERA_COLUMNS,
    SITE_COLUMNS,
    BadRow,
    Row,
    parse_cameras,
    parse_sites,
)
from meshctl.errors import MeshctlError, NotRunningError
from meshctl.principal import environment_of

T = TypeVar("T", pb.Site, pb.Camera)

CHUNK = 500
_CALL_SECONDS = 60.0
_AWAY = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
)
# What the department says of one row of a call: `cameras[3].heading_degrees: expected …`.
_OF_A_ROW = re.compile(r"(?:sites|cameras)\[(\d+)\]\.(?:position\.)?(\w+): (.*)", re.DOTALL)


def cameras(
    sites_file: Annotated[Path, typer.Argument(metavar="SITES.csv", help=", ".join(SITE_COLUMNS))],
    cameras_file: Annotated[
        Path, typer.Argument(metavar="CAMERAS.csv", help=", ".join(CAMERA_COLUMNS))
    ],
    give_up_after: Annotated[
        float, typer.Option(min=1, help="Seconds a call may go on failing.")
    ] = 120.0,
    state: Annotated[Path | None, typer.Option("--state", help="State folder.")] = None,
) -> None:
    """Register the sites and cameras of two files. Exit code 1 when a row was bad.

    A bad row is named with its file, line and column; all the others are in.

    purpose: living-area-security, park, vehicle or child-protection.
    heading_degrees: empty for a camera that looks all around.
    stream_address: rtsp or rtsps, without credentials.
    """
    bad: list[BadRow] = []
    sites = list(_good(parse_sites(sites_file), bad))
    known = list(_good(parse_cameras(cameras_file), bad))
    registered = asyncio.run(
        _register((sites_file, sites), (cameras_file, known), give_up_after, state, bad)
    )
    for row in sorted(bad, key=lambda row: (row.file != sites_file, row.line)):
        column = f" {row.column}:" if row.column else ""
        typer.echo(f"{row.file}:{row.line}:{column} {row.problem}", err=True)
    typer.echo(f"{registered[0]} sites and {registered[1]} cameras registered, {len(bad)} rows bad")
    if bad:
        raise typer.Exit(1)


def _good(rows: Iterator[Row[T] | BadRow], bad: list[BadRow]) -> Iterator[Row[T]]:
    for row in rows:
        if isinstance(row, BadRow):
            bad.append(row)
        else:
            yield row


async def _register(
    sites: tuple[Path, Sequence[Row[pb.Site]]],
    known: tuple[Path, Sequence[Row[pb.Camera]]],
    give_up_after: float,
    state: Path | None,
    bad: list[BadRow],
) -> tuple[int, int]:
    """How many of each went in. Raises MeshctlError after giving up."""
    async with _connected(state) as stub:

        @retry(
            retry=retry_if_exception(_is_away),
            stop=stop_after_delay(give_up_after),
            wait=wait_random_exponential(0.2, max=5.0),
            before_sleep=lambda _: typer.echo("cameras is away, trying again", err=True),
            reraise=True,
        )
        async def patiently(call: Callable[[], Awaitable[object]]) -> None:
            await call()

        async def register_sites(messages: Sequence[pb.Site]) -> None:
            request = pb.RegisterSitesRequest(idempotency_key=str(uuid4()), sites=messages)
            await patiently(lambda: stub.RegisterSites(request, timeout=_CALL_SECONDS))

        async def register_cameras(messages: Sequence[pb.Camera]) -> None:
            request = pb.RegisterCamerasRequest(idempotency_key=str(uuid4()), cameras=messages)
            await patiently(lambda: stub.RegisterCameras(request, timeout=_CALL_SECONDS))

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
    """In chunks, all or none each: one whose row is refused is sent again without that row.

    Returns how many went in; adds the others to `bad`. Raises MeshctlError when a call fails for
    another reason than a row.
    """
    registered = 0
    for start in range(0, len(rows), CHUNK):
        chunk = list(rows[start : start + CHUNK])
        while chunk:
            try:
                await call([row.message for row in chunk])
            except (grpc.aio.AioRpcError, NeighbourUnavailable) as error:
                refused = _OF_A_ROW.fullmatch(_reason(error))
                if refused is None or int(refused[1]) >= len(chunk):
                    raise MeshctlError(f"cameras: {_reason(error)}") from error
                row = chunk.pop(int(refused[1]))
                bad.append(BadRow(file, row.line, refused[2], refused[3]))
            else:
                registered += len(chunk)
                break
    return registered


def _is_away(error: BaseException) -> bool:
    if isinstance(error, grpc.aio.AioRpcError):
        return error.code() in _AWAY
    return isinstance(error, NeighbourUnavailable)


def _reason(error: BaseException) -> str:
    return str(error.details() if isinstance(error, grpc.aio.AioRpcError) else error)


@asynccontextmanager
async def _connected(
    state: Path | None,
) -> AsyncIterator[camera_pb2_grpc.CameraServiceAsyncStub]:
    """With the operator's identity. Raises NotRunningError when no stack was started."""
    values = environment_of("operator", state)
    peers: dict[str, str] = json.loads(values["OPERATOR_PEERS"])
    if "cameras" not in peers:
        raise NotRunningError("cameras: this stack has no such department")
    tls = TlsSettings(
        cert_file=Path(values["OPERATOR_TLS__CERT_FILE"]),
        key_file=Path(values["OPERATOR_TLS__KEY_FILE"]),
        ca_file=Path(values["OPERATOR_TLS__CA_FILE"]),
    )
    channel = open_channel(peers["cameras"], tls, server_name="cameras")
    try:
        stub: camera_pb2_grpc.CameraServiceAsyncStub = camera_pb2_grpc.CameraServiceStub(channel)
        yield stub
    finally:
        await channel.close(None)
