"""Rows of a file, registered in bulk with a department that may be away for a while."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import grpc
import grpc.aio
import typer
from city_backbone.errors import NeighbourUnavailable
from city_backbone.rpc.channel import open_channel
from city_backbone.settings import TlsSettings
from tenacity import retry, retry_if_exception, stop_after_delay, wait_random_exponential

from meshctl.csv_file import BadRow, Row
from meshctl.errors import MeshctlError, NotRunningError
from meshctl.principal import environment_of

T = TypeVar("T")

CALL_SECONDS = 60.0
_AWAY = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
)
# What a department says of one row of a call: `cameras[3].position.latitude: expected …`.
_OF_A_ROW = re.compile(r"\w+\[(\d+)\]\.([\w.]+): (.*)", re.DOTALL)


@asynccontextmanager
async def connected(department: str, state: Path | None) -> AsyncIterator[grpc.aio.Channel]:
    """With the operator's identity. Raises NotRunningError when no stack was started."""
    values = environment_of("operator", state)
    peers: dict[str, str] = json.loads(values["OPERATOR_PEERS"])
    if department not in peers:
        raise NotRunningError(f"{department}: this stack has no such department")
    tls = TlsSettings(
        cert_file=Path(values["OPERATOR_TLS__CERT_FILE"]),
        key_file=Path(values["OPERATOR_TLS__KEY_FILE"]),
        ca_file=Path(values["OPERATOR_TLS__CA_FILE"]),
    )
    channel = open_channel(peers[department], tls, server_name=department)
    try:
        yield channel
    finally:
        await channel.close(None)


def patiently(
    department: str, give_up_after: float
) -> Callable[[Callable[[], Awaitable[object]]], Awaitable[None]]:
    """Makes a call again, with backoff, for so many seconds while the department is away.

    So it must be one that may be made twice: under one idempotency key.
    """

    @retry(
        retry=retry_if_exception(_is_away),
        stop=stop_after_delay(give_up_after),
        wait=wait_random_exponential(0.2, max=5.0),
        before_sleep=lambda _: typer.echo(f"{department} is away, trying again", err=True),
        reraise=True,
    )
    async def make(call: Callable[[], Awaitable[object]]) -> None:
        await call()

    return make


async def register(
    department: str,
    file: Path,
    rows: Sequence[Row[T]],
    call: Callable[[Sequence[T]], Awaitable[None]],
    bad: list[BadRow],
    chunk_size: int,
    column_of: Callable[[str], str],
) -> int:
    """In chunks, all or none each: one whose row is refused is sent again without that row.

    column_of: of a field as the department names it, for example `position.latitude`. Returns how
    many went in; adds the others to `bad`. Raises MeshctlError when a call fails for another
    reason than a row.
    """
    registered = 0
    for start in range(0, len(rows), chunk_size):
        chunk = list(rows[start : start + chunk_size])
        while chunk:
            try:
                await call([row.message for row in chunk])
            except (grpc.aio.AioRpcError, NeighbourUnavailable) as error:
                refused = _OF_A_ROW.fullmatch(_reason(error))
                if refused is None or int(refused[1]) >= len(chunk):
                    raise MeshctlError(f"{department}: {_reason(error)}") from error
                row = chunk.pop(int(refused[1]))
                bad.append(BadRow(file, row.line, column_of(refused[2]), refused[3]))
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
