"""Accepted readings, the last value of each sensor, and when a station was heard of."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from city_backbone.database import Connection

from sensors.domain.pollutant import Pollutant
from sensors.domain.quality import Unmoved
from sensors.domain.station import Station
from sensors.store import stations


class ReadingKey(NamedTuple):
    station_id: str
    measured_at: datetime


async def lock_contacts(connection: Connection, station_ids: Iterable[str]) -> None:
    """One ingest at a time per station: so its readings enter the outbox in commit order."""
    await connection.execute(
        "select from station_contact where station_id = any(%s) order by station_id for update",
        (list(station_ids),),
    )


async def accept(
    connection: Connection, digests: Mapping[ReadingKey, bytes]
) -> dict[ReadingKey, bytes]:
    """Record the readings that are new; returns the digests of those that were there before."""
    keys = sorted(digests)
    ids = [key.station_id for key in keys]
    times = [key.measured_at for key in keys]
    inserted = await connection.execute(
        "insert into accepted_reading (station_id, measured_at, digest)"
        " select * from unnest(%b::text[], %b::timestamptz[], %b::bytea[])"
        " on conflict do nothing returning station_id, measured_at",
        (ids, times, [digests[key] for key in keys]),
    )
    new = {ReadingKey(row["station_id"], row["measured_at"]) async for row in inserted}
    known = [key for key in keys if key not in new]
    if not known:
        return {}
    rows = await connection.execute(
        "select station_id, measured_at, digest from accepted_reading"
        " join unnest(%b::text[], %b::timestamptz[]) as asked(station_id, measured_at)"
        " using (station_id, measured_at)",
        ([key.station_id for key in known], [key.measured_at for key in known]),
    )
    return {
        ReadingKey(row["station_id"], row["measured_at"]): bytes(row["digest"])
        async for row in rows
    }


async def latest_values(
    connection: Connection, station_ids: Iterable[str]
) -> dict[tuple[str, Pollutant], Unmoved]:
    rows = await connection.execute(
        "select station_id, pollutant, value, run_length, measured_at from latest_value"
        " where station_id = any(%s)",
        (list(station_ids),),
    )
    return {
        (row["station_id"], Pollutant(row["pollutant"])): Unmoved(
            row["value"], row["run_length"], row["measured_at"]
        )
        async for row in rows
    }


async def save_latest_values(
    connection: Connection, values: Mapping[tuple[str, Pollutant], Unmoved]
) -> None:
    await connection.execute(
        "insert into latest_value (station_id, pollutant, value, run_length, measured_at)"
        " select * from unnest(%b::text[], %b::text[], %b::float8[], %b::int[], %b::timestamptz[])"
        " on conflict (station_id, pollutant) do update set value = excluded.value,"
        " run_length = excluded.run_length, measured_at = excluded.measured_at",
        (
            [station_id for station_id, _ in values],
            [pollutant.value for _, pollutant in values],
            [run.value for run in values.values()],
            [run.run_length for run in values.values()],
            [run.measured_at for run in values.values()],
        ),
    )


async def heard(connection: Connection, station_ids: Iterable[str], now: datetime) -> None:
    """They sent a new reading: whoever was silent is not any more."""
    await connection.execute(
        "update station_contact set last_received_at = %s, silent_since = null"
        " where station_id = any(%s)",
        (now, list(station_ids)),
    )


class Silent(NamedTuple):
    """A station that has just been found silent. heard_at: its last reading or registration."""

    station: Station
    last_received_at: datetime | None
    heard_at: datetime


async def mark_silent(
    connection: Connection, intervals: int, now: datetime, limit: int
) -> Sequence[Silent]:
    """Mark stations not heard of for `intervals` of their intervals, each once per silence."""
    rows = await connection.execute(
        "with quiet as (select c.station_id from station_contact c join station s"
        " using (station_id) where c.silent_since is null and not s.retired"
        " and coalesce(c.last_received_at, c.registered_at)"
        " < %(now)s - make_interval(mins => s.interval_minutes * %(intervals)s)"
        " order by c.station_id limit %(limit)s for update of c skip locked)"
        " update station_contact c set silent_since = %(now)s from quiet, station s"
        " where c.station_id = quiet.station_id and s.station_id = c.station_id"
        f" returning {stations.COLUMNS}, c.last_received_at,"
        " coalesce(c.last_received_at, c.registered_at) as heard_at",
        {"now": now, "intervals": intervals, "limit": limit},
    )
    return [
        Silent(stations.from_row(row), row["last_received_at"], row["heard_at"])
        async for row in rows
    ]


class Stations(NamedTuple):
    """How many stations in service are heard of, and how many are silent."""

    heard: int
    silent: int


async def count(connection: Connection) -> Stations:
    """Of all stations that are not retired."""
    rows = await connection.execute(
        "select count(*) filter (where c.silent_since is null) as heard,"
        " count(c.silent_since) as silent"
        " from station_contact c join station s using (station_id) where not s.retired"
    )
    row = await rows.fetchone()
    return Stations(row["heard"], row["silent"]) if row else Stations(0, 0)
