"""`meshctl import parking`: lots of the national standard data set, registered in bulk."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer
from city.parking.v1 import lot_pb2 as pb
from city.parking.v1 import lot_pb2_grpc

from meshctl import bulk
from meshctl.commands.options import StateOption
from meshctl.csv_file import BadRow, Row, good
from meshctl.parking_file import column_of, identity, parse_lots

# A lot may have thousands of bays, and a call at most 100,000.
CHUNK = 200


def parking(
    file: Annotated[Path, typer.Argument(metavar="LOTS.csv", help="전국주차장정보표준데이터")],
    give_up_after: Annotated[
        float, typer.Option(min=1, help="Seconds a call may go on failing.")
    ] = 120.0,
    state: StateOption = None,
) -> None:
    """Register the city's lots of a file. Exit code 1 when a row was bad.

    A bad row is named with its line and column; all the others are in. What is imported again is
    changed, unless its 데이터기준일자 is older than what is known.

    The file is the national standard data set of public parking from data.go.kr, UTF-8 or CP949.
    """
    bad: list[BadRow] = []
    rows = sorted(good(parse_lots(file), bad), key=lambda row: identity(row.message))
    registered = asyncio.run(_register(file, rows, give_up_after, state, bad))
    for row in sorted(bad, key=lambda row: row.line):
        typer.echo(row, err=True)
    typer.echo(f"{registered} lots registered, {len(bad)} rows bad")
    if bad:
        raise typer.Exit(1)


async def _register(
    file: Path,
    rows: Sequence[Row[pb.PublicLot]],
    give_up_after: float,
    state: Path | None,
    bad: list[BadRow],
) -> int:
    """How many went in. Raises MeshctlError after giving up."""
    patiently = bulk.patiently("parking", give_up_after)
    async with bulk.connected("parking", state) as channel:
        stub: lot_pb2_grpc.LotServiceAsyncStub = lot_pb2_grpc.LotServiceStub(channel)

        async def call(lots: Sequence[pb.PublicLot]) -> None:
            request = pb.ImportLotsRequest(idempotency_key=str(uuid4()), lots=lots)
            await patiently(lambda: stub.ImportLots(request, timeout=bulk.CALL_SECONDS))

        return await bulk.register("parking", file, rows, call, bad, CHUNK, column_of)
