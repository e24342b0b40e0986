"""Stations as registered."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from city_backbone.database import Connection

from sensors.domain.alert import RULES
from sensors.domain.pollutant import Pollutant
from sensors.domain.station import Station, StationKind

COLUMNS = (
    "s.station_id, s.name, s.dong, s.position[1] as latitude, s.position[0] as longitude,"
    " s.kind, s.pollutants, s.interval_minutes, s.retired"
)


def from_row(row: Mapping[str, Any]) -> Station:
    return Station(
        station_id=row["station_id"],
        name=row["name"],
        dong=row["dong"],
        latitude=row["latitude"],
        longitude=row["longitude"],
        kind=StationKind(row["kind"]),
        pollutants=tuple(Pollutant(name) for name in row["pollutants"]),
        interval_minutes=row["interval_minutes"],
        retired=row["retired"],
    )


async def find(connection: Connection, station_ids: Iterable[str]) -> dict[str, Station]:
    """Those that are registered, by id."""
    rows = await connection.execute(
        f"select {COLUMNS} from station s where s.station_id = any(%s)",
        (list(station_ids),),
    )
    return {row["station_id"]: from_row(row) async for row in rows}


async def page(connection: Connection, dong: str, after: str, limit: int) -> Sequence[Station]:
    """In the order of ids, those after `after`; all neighbourhoods when dong is empty."""
    rows = await connection.execute(
        f"select {COLUMNS} from station s where (%s = '' or s.dong = %s) and s.station_id > %s"
        " order by s.station_id limit %s",
        (dong, dong, after, limit),
    )
    return [from_row(row) async for row in rows]


async def lock(connection: Connection, station_id: str) -> Station | None:
    """The station, with its hours and levels locked against the stream."""
    await connection.execute(
        "select from station_clock where station_id = %s for update", (station_id,)
    )
    return (await find(connection, [station_id])).get(station_id)


async def save(connection: Connection, station: Station, now: datetime) -> None:
    """Insert or replace it, with its own rows and those of its area."""
    await connection.execute(
        "insert into station (station_id, name, dong, position, kind, pollutants,"
        " interval_minutes, retired) values (%s, %s, %s, point(%s, %s), %s, %s, %s, %s)"
        " on conflict (station_id) do update set name = excluded.name, dong = excluded.dong,"
        " position = excluded.position, kind = excluded.kind, pollutants = excluded.pollutants,"
        " interval_minutes = excluded.interval_minutes, retired = excluded.retired",
        (
            station.station_id,
            station.name,
            station.dong,
            station.longitude,
            station.latitude,
            station.kind,
            list(station.pollutants),
            station.interval_minutes,
            station.retired,
        ),
    )
    await connection.execute(
        "insert into station_contact (station_id, registered_at) values (%s, %s)"
        " on conflict do nothing",
        (station.station_id, now),
    )
    await connection.execute(
        "insert into station_clock (station_id) values (%s) on conflict do nothing",
        (station.station_id,),
    )
    await connection.execute(
        "insert into area (dong, pollutant) select %s, unnest(%s::text[]) on conflict do nothing",
        (station.dong, sorted(set(station.pollutants) & set(RULES))),
    )
