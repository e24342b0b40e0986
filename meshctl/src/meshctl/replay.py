"""`meshctl replay`: recorded measurements through the running service, as if they came now."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from city.sensors.v1 import sensors_pb2 as pb
from city.type.v1.position_pb2 import Position
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from meshctl.air_file import POLLUTANT_COLUMNS, BadRow, Row, parse
from meshctl.commands.options import StateOption
from meshctl.errors import SettingsError
from meshctl.sensors_client import READINGS_PER_CALL, SensorsClient, connected

app = typer.Typer(help="Replay recorded data through the running services.", no_args_is_help=True)

_SEOUL = Position(latitude=37.5665, longitude=126.9780)
_NUMBERS = {name: pb.Pollutant.Value(f"POLLUTANT_{name}") for name in POLLUTANT_COLUMNS.values()}
_BAD_ROWS_SHOWN = 20


@app.callback()
def _replay() -> None:
    """Replay recorded data through the running services."""


@app.command()
def sensors(
    file: Annotated[Path, typer.Argument(help="Seoul's hourly air as published, CSV.")],
    speed: Annotated[str, typer.Option(help="max, or how many times real time.")] = "max",
    station_id: Annotated[str, typer.Option(help="Registered first, as official.")] = "seoul",
    dong: Annotated[str, typer.Option(help="The station's neighbourhood.")] = "서울",
    give_up_after: Annotated[
        float, typer.Option(min=1, help="Seconds a call may go on failing.")
    ] = 120.0,
    state: StateOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="End with one line of JSON.")] = False,
) -> None:
    """Send hourly air measurements to the sensors department."""
    factor = _factor(speed)
    console = Console(stderr=True)
    station = pb.Station(
        station_id=station_id,
        name=station_id,
        dong=dong,
        position=_SEOUL,
        kind=pb.STATION_KIND_OFFICIAL,
        pollutants=sorted(set(_NUMBERS.values())),
        interval_minutes=60,
    )
    tally = asyncio.run(_replay_file(file, station, factor, give_up_after, state, console))
    if as_json:
        typer.echo(json.dumps(tally.as_dict(), ensure_ascii=False))
    else:
        Console().print(_table(file, tally))


def _factor(speed: str) -> float | None:
    """None is as fast as accepted."""
    if speed == "max":
        return None
    try:
        factor = float(speed)
    except ValueError:
        factor = 0.0
    if not 0 < factor < float("inf"):
        raise SettingsError(f"--speed: expected max or a number above 0, got {speed!r}")
    return factor


@dataclass
class Tally:
    """What became of the file. readings: those the service answered for, sent again or not."""

    rows: int = 0
    bad_rows: int = 0
    accepted: int = 0
    duplicates: int = 0
    refused: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def add(self, answer: pb.PublishReadingsResponse) -> None:
        self.accepted += answer.accepted
        self.duplicates += answer.duplicates
        self.refused += answer.refused
        for result in answer.results:
            for problem in result.problems:
                name = pb.ProblemReason.Name(problem.reason)
                self.problems[name.removeprefix("PROBLEM_REASON_")] += 1

    def as_dict(self) -> dict[str, object]:
        return {
            "rows": self.rows,
            "bad_rows": self.bad_rows,
            "readings": self.accepted + self.duplicates + self.refused,
            "accepted": self.accepted,
            "duplicates": self.duplicates,
            "refused": self.refused,
            "problems": dict(self.problems),
            "seconds": round(self.seconds, 1),
        }


async def _replay_file(
    file: Path,
    station: pb.Station,
    factor: float | None,
    give_up_after: float,
    state: Path | None,
    console: Console,
) -> Tally:
    tally, started = Tally(), time.monotonic()
    parsed = list(parse(file))
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )
    with progress:
        bar = progress.add_task(file.name, total=len(parsed))
        async with connected(state, give_up_after, progress.console.print) as client:
            await client.register(station)
            rows = good_rows(parsed, tally, lambda bad: _show(progress.console, file, bad, tally))
            async for batch in batches(rows, factor):
                await _publish(client, station.station_id, batch, tally)
                progress.update(bar, completed=tally.rows)
        progress.update(bar, completed=len(parsed))
    tally.seconds = time.monotonic() - started
    return tally


def _show(console: Console, file: Path, bad: BadRow, tally: Tally) -> None:
    if tally.bad_rows <= _BAD_ROWS_SHOWN:
        column = f" {bad.column}:" if bad.column else ""
        console.print(f"{file}:{bad.line}:{column} {bad.problem}", markup=False, soft_wrap=True)
    if tally.bad_rows == _BAD_ROWS_SHOWN:
        console.print("further bad rows are counted only")


def good_rows(
    parsed: Iterable[Row | BadRow], tally: Tally, report: Callable[[BadRow], None]
) -> Iterator[Row]:
    """The rows that can be sent; the others are counted and reported."""
    for row in parsed:
        tally.rows += 1
        if isinstance(row, Row):
            yield row
        else:
            tally.bad_rows += 1
            report(row)


async def batches(rows: Iterable[Row], factor: float | None) -> AsyncIterator[list[Row]]:
    """What one call sends. factor: how many times real time, None does not wait at all."""
    batch: list[Row] = []
    first: Row | None = None
    started = time.monotonic()
    for row in rows:
        first = first or row
        if factor is not None:
            due = started + (row.measured_at - first.measured_at).total_seconds() / factor
            if due > time.monotonic():
                if batch:
                    yield batch
                    batch = []
                await asyncio.sleep(max(0.0, due - time.monotonic()))
        batch.append(row)
        if len(batch) == READINGS_PER_CALL:
            yield batch
            batch = []
    if batch:
        yield batch


async def _publish(client: SensorsClient, station_id: str, rows: list[Row], tally: Tally) -> None:
    tally.add(await client.publish([reading(station_id, row) for row in rows]))


def reading(station_id: str, row: Row) -> pb.Reading:
    """A row as the protocol has it."""
    return pb.Reading(
        station_id=station_id,
        measured_at=Timestamp(seconds=int(row.measured_at.timestamp())),
        measurements=[
            pb.Measurement(pollutant=_NUMBERS[name], value=value)
            for name, value in row.values.items()
        ],
    )


def _table(file: Path, tally: Tally) -> Table:
    table = Table(title=f"Replay of {file.name}")
    table.add_column("what")
    table.add_column("how many", justify="right")
    for name, value in tally.as_dict().items():
        if not isinstance(value, dict):
            table.add_row(name.replace("_", " "), f"{value:,}")
    for name, count in tally.problems.most_common():
        table.add_row(f"problem {name}", f"{count:,}")
    return table
