"""Hour windows, and the newest time each station has measured."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, TypeAlias

import msgspec
from city_backbone.database import Connection
from psycopg import AsyncCursor
from psycopg.rows import DictRow

from sensors.domain.cai import HISTORY_HOURS
from sensors.domain.hour import HOUR, HourWindow, Sum
from sensors.domain.pollutant import Pollutant
from sensors.domain.station import Station
from sensors.store import stations

HourKey: TypeAlias = tuple[str, datetime]
_HISTORY = HOUR * (HISTORY_HOURS - 1)
_COLUMNS = "station_id, hour_end, expected, readings, sums, last_received_at, revision"
_READ = _COLUMNS.replace("sums", "sums::text as sums")
_sums = msgspec.json.Decoder(dict[Pollutant, Sum]).decode
_written = msgspec.json.Encoder().encode


class Clock(NamedTuple):
    """newest: the latest measured_at of the station, None before its first reading."""

    station: Station
    newest: datetime | None


async def lock(connection: Connection, station_ids: Iterable[str]) -> dict[str, Clock]:
    """One transaction at a time folds a station's hours."""
    ids = list(station_ids)
    await connection.execute(
        "select from station_clock where station_id = any(%s) order by station_id for update",
        (ids,),
    )
    # A statement of its own: one that had to wait would show the station as it was before.
    rows = await connection.execute(
        f"select {stations.COLUMNS}, c.newest_measured_at from station_clock c"
        " join station s using (station_id) where c.station_id = any(%s)",
        (ids,),
    )
    return {
        row["station_id"]: Clock(stations.from_row(row), row["newest_measured_at"])
        async for row in rows
    }


async def load(
    connection: Connection, station_ids: Iterable[str], touched: Collection[HourKey]
) -> dict[HourKey, HourWindow]:
    """The stations' open hours, and the touched ones that are closed."""
    rows = await connection.execute(
        f"select {_READ} from hour_window where revision = 0 and station_id = any(%b::text[])"
        f" union all select {_READ} from hour_window"
        " join unnest(%b::text[], %b::timestamptz[]) as touched(station_id, hour_end)"
        " using (station_id, hour_end) where revision > 0",
        (list(station_ids), [key[0] for key in touched], [key[1] for key in touched]),
    )
    return await _windows(rows)


async def before(connection: Connection, keys: Iterable[HourKey]) -> dict[HourKey, HourWindow]:
    """The eleven hours before each of `keys` that are there, and those of `keys` themselves."""
    ranges = _ranges(keys)
    rows = await connection.execute(
        f"select {_READ} from hour_window join unnest(%b::text[], %b::timestamptz[],"
        " %b::timestamptz[]) as wanted(station_id, first, last) using (station_id)"
        " where hour_end between first and last",
        ([r.station_id for r in ranges], [r.first for r in ranges], [r.last for r in ranges]),
    )
    return await _windows(rows)


class _Range(NamedTuple):
    station_id: str
    first: datetime
    last: datetime


def _ranges(keys: Iterable[HourKey]) -> Sequence[_Range]:
    """Ranges that hold each key and its history, none twice."""
    ranges: list[_Range] = []
    for station_id, hour_end in sorted(keys):
        first = hour_end - _HISTORY
        if ranges and ranges[-1].station_id == station_id and ranges[-1].last >= first:
            ranges[-1] = ranges[-1]._replace(last=hour_end)
        else:
            ranges.append(_Range(station_id, first, hour_end))
    return ranges


async def _windows(rows: AsyncCursor[DictRow]) -> dict[HourKey, HourWindow]:
    return {
        (row["station_id"], row["hour_end"]): HourWindow(**{**row, "sums": _sums(row["sums"])})
        async for row in rows
    }


async def save(
    connection: Connection,
    windows: Sequence[HourWindow],
    newest: Mapping[str, datetime],
) -> None:
    """Write changed hours, and the stations' newest measured times."""
    await connection.execute(
        f"insert into hour_window ({_COLUMNS})"
        " select station_id, hour_end, expected, readings, sums::jsonb, last_received_at, revision"
        " from unnest(%b::text[], %b::timestamptz[], %b::int[], %b::int[], %b::text[],"
        f" %b::timestamptz[], %b::int[]) as hour({_COLUMNS})"
        " on conflict (station_id, hour_end) do update set expected = excluded.expected,"
        " readings = excluded.readings, sums = excluded.sums,"
        " last_received_at = excluded.last_received_at, revision = excluded.revision",
        (
            [window.station_id for window in windows],
            [window.hour_end for window in windows],
            [window.expected for window in windows],
            [window.readings for window in windows],
            [_written(window.sums).decode() for window in windows],
            [window.last_received_at for window in windows],
            [window.revision for window in windows],
        ),
    )
    await connection.execute(
        "update station_clock c set newest_measured_at = n.newest"
        " from unnest(%b::text[], %b::timestamptz[]) as n(station_id, newest)"
        " where c.station_id = n.station_id",
        (list(newest), list(newest.values())),
    )


async def stations_with_due_hours(
    connection: Connection, now: datetime, lateness: timedelta, limit: int
) -> list[str]:
    """Stations with an open hour that ended, and was last added to, `lateness` ago or before."""
    rows = await connection.execute(
        "select distinct station_id from hour_window where revision = 0"
        " and greatest(hour_end, last_received_at) < %s order by station_id limit %s",
        (now - lateness, limit),
    )
    return [row["station_id"] async for row in rows]
