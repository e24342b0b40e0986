"""`meshctl import stations`: stations of a CSV file, registered one by one."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from city.sensors.v1 import sensors_pb2 as pb
from city.type.v1.position_pb2 import Position

from meshctl.commands.options import StateOption
from meshctl.errors import SettingsError
from meshctl.sensors_client import Refused, connected

app = typer.Typer(help="Import registers from files.", no_args_is_help=True)

COLUMNS = (
    "station_id",
    "name",
    "dong",
    "latitude",
    "longitude",
    "kind",
    "pollutants",
    "interval_minutes",
)


@dataclass(frozen=True, slots=True)
class BadStation:
    """A line that cannot be read, and why."""

    line: int
    column: str
    problem: str


@app.callback()
def _import() -> None:
    """Import registers from files."""


@app.command()
def stations(
    file: Annotated[Path, typer.Argument(help=f"CSV: {','.join(COLUMNS)}; pollutants PM10|O3.")],
    give_up_after: Annotated[
        float, typer.Option(min=1, help="Seconds a call may go on failing.")
    ] = 120.0,
    state: StateOption = None,
) -> None:
    """Register the stations of a file. Exit code 1 when a line was bad; the others are in."""
    registered, bad = asyncio.run(_import_file(file, give_up_after, state))
    for problem in bad:
        column = f" {problem.column}:" if problem.column else ""
        typer.echo(f"{file}:{problem.line}:{column} {problem.problem}", err=True)
    typer.echo(f"{registered} stations registered, {len(bad)} lines bad")
    if bad:
        raise typer.Exit(1)


async def _import_file(
    file: Path, give_up_after: float, state: Path | None
) -> tuple[int, list[BadStation]]:
    registered, bad = 0, []
    lines = list(parse(file))
    async with connected(state, give_up_after, lambda text: typer.echo(text, err=True)) as client:
        for line, station in lines:
            if isinstance(station, BadStation):
                bad.append(station)
                continue
            try:
                await client.register(station)
                registered += 1
            except Refused as error:
                bad.append(BadStation(line, "", str(error)))
    return registered, bad


def parse(file: Path) -> Iterator[tuple[int, pb.Station | BadStation]]:
    """Line numbers and stations. Raises SettingsError when the file or its header is wrong."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.DictReader(opened)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise SettingsError(f"{file}:1: column missing: {', '.join(missing)}")
            for cells in reader:
                yield reader.line_num, _station(reader.line_num, cells)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(f"{file}: cannot be read: {error}") from error


def _station(line: int, cells: Mapping[str, str | None]) -> pb.Station | BadStation:
    text = {name: (cells[name] or "").strip() for name in COLUMNS}

    def bad(column: str, expected: str) -> BadStation:
        return BadStation(line, column, f"expected {expected}, found {text[column]!r}")

    degrees: dict[str, float] = {}
    for name in ("latitude", "longitude"):
        try:
            degrees[name] = float(text[name])
        except ValueError:
            return bad(name, "degrees")
    kind = f"STATION_KIND_{text['kind'].upper()}"
    if kind not in pb.StationKind.keys()[1:]:
        return bad("kind", "official or iot")
    pollutants = [f"POLLUTANT_{name.strip().upper()}" for name in text["pollutants"].split("|")]
    if not set(pollutants) <= set(pb.Pollutant.keys()[1:]):
        return bad("pollutants", "names like PM10|PM25|O3")
    if not text["interval_minutes"].isdecimal():
        return bad("interval_minutes", "whole minutes")
    return pb.Station(
        station_id=text["station_id"],
        name=text["name"],
        dong=text["dong"],
        position=Position(**degrees),
        kind=pb.StationKind.Value(kind),
        pollutants=[pb.Pollutant.Value(name) for name in pollutants],
        interval_minutes=int(text["interval_minutes"]),
    )
