"""SQL of sensors and their readings, in the caller's transaction, in bulk.

A sensor's row is locked before the row of its bay.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from city_backbone.database import Connection

from parking.occupancy.sensor import Reading, Seen

_ONE_AT_A_TIME = 0x73656E73  # "sens"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sensor is; what it observed up to moved_at was another bay."""

    bay_id: str
    moved_at: datetime | None


async def hold(connection: Connection, sensor_ids: Iterable[str]) -> dict[str, Place]:
    """Those that watch a bay; they stay there until the end of the transaction."""
    rows = await connection.execute(
        "select sensor_id, bay_id, moved_at from bay_sensor"
        " where sensor_id = any(%b) and bay_id is not null order by sensor_id for share",
        (list(sensor_ids),),
    )
    return {row["sensor_id"]: Place(row["bay_id"], row["moved_at"]) async for row in rows}


async def lock_for_registering(
    connection: Connection, sensor_ids: Sequence[str], bay_ids: Sequence[str]
) -> tuple[set[str], dict[str, str | None]]:
    """Which sensors are new, and where the others are, with those on the bays; all are locked.

    Who registers sensors waits for others who do.
    """
    await connection.execute("select pg_advisory_xact_lock(%s)", (_ONE_AT_A_TIME,))
    new = await connection.execute(
        "insert into bay_sensor (sensor_id) select unnest(%b::text[]) order by 1"
        " on conflict do nothing returning sensor_id",
        (list(sensor_ids),),
    )
    added = {row["sensor_id"] async for row in new}
    rows = await connection.execute(
        "select sensor_id, bay_id from bay_sensor where sensor_id = any(%b) or bay_id = any(%b)"
        " order by sensor_id for update",
        (list(sensor_ids), list(bay_ids)),
    )
    known = {row["sensor_id"]: row["bay_id"] async for row in rows}
    return added, {one: bay_id for one, bay_id in known.items() if one not in added}


async def take_away(connection: Connection, sensor_ids: Iterable[str]) -> None:
    """They watch no bay."""
    await connection.execute(
        "update bay_sensor set bay_id = null where sensor_id = any(%b)", (list(sensor_ids),)
    )


async def put(connection: Connection, places: Mapping[str, Place]) -> None:
    """Each sensor on its bay, which has none."""
    await connection.execute(
        "update bay_sensor s set bay_id = now.bay_id, moved_at = now.moved_at"
        " from unnest(%b::text[], %b::text[], %b::timestamptz[])"
        " as now (sensor_id, bay_id, moved_at) where s.sensor_id = now.sensor_id",
        (
            list(places),
            [place.bay_id for place in places.values()],
            [place.moved_at for place in places.values()],
        ),
    )


async def forget_seen(connection: Connection, bay_ids: Iterable[str]) -> None:
    """What their sensors said no longer counts; the bays are locked."""
    await connection.execute(
        "update bay_state set sensor_id = null, sensor_occupied = null, sensor_since = null,"
        " sensor_heard_at = null where bay_id = any(%b) and sensor_id is not null",
        (list(bay_ids),),
    )


async def save_seen(connection: Connection, seen: Mapping[str, Seen], now: datetime) -> None:
    """What the sensors of these bays say; the bays are locked."""
    if not seen:
        return
    await connection.execute(
        "insert into bay_state (bay_id, status, revision, changed_at, sensor_id, sensor_occupied,"
        " sensor_since, sensor_heard_at)"
        " select bay_id, 'FREE', 0, %s, sensor_id, occupied, since, heard_at"
        " from unnest(%b::text[], %b::text[], %b::bool[], %b::timestamptz[], %b::timestamptz[])"
        " as now (bay_id, sensor_id, occupied, since, heard_at)"
        " on conflict (bay_id) do update set sensor_id = excluded.sensor_id,"
        " sensor_occupied = excluded.sensor_occupied, sensor_since = excluded.sensor_since,"
        " sensor_heard_at = excluded.sensor_heard_at",
        (
            now,
            list(seen),
            [one.sensor_id for one in seen.values()],
            [one.occupied for one in seen.values()],
            [one.since for one in seen.values()],
            [one.heard_at for one in seen.values()],
        ),
    )


async def keep(connection: Connection, readings: Sequence[tuple[str, Reading]]) -> None:
    """Readings of bays, as evidence; what is kept already stays as it is."""
    if not readings:
        return
    await connection.execute(
        "insert into occupancy_reading (bay_id, observed_at, sensor_id, occupied)"
        " select * from unnest(%b::text[], %b::timestamptz[], %b::text[], %b::bool[])"
        " on conflict do nothing",
        (
            [bay_id for bay_id, _ in readings],
            [reading.observed_at for _, reading in readings],
            [reading.sensor_id for _, reading in readings],
            [reading.occupied for _, reading in readings],
        ),
    )


async def newest_of(
    connection: Connection, bay_id: str, turned_at: datetime | None, most: int
) -> list[Reading]:
    """The bay's newest readings, at most `most`, in order of time.

    Among them, however old, is the one of `turned_at`, and the one before it.
    """
    rows = await connection.execute(
        "(select * from occupancy_reading where bay_id = %(bay)s"
        " order by observed_at desc, sensor_id limit %(newest)s)"
        " union (select * from occupancy_reading where bay_id = %(bay)s"
        " and observed_at <= %(turned)s order by observed_at desc, sensor_id limit 2)"
        " order by observed_at, sensor_id",
        {"bay": bay_id, "turned": turned_at, "newest": most - 2},
    )
    return [Reading(row["sensor_id"], row["occupied"], row["observed_at"]) async for row in rows]


async def delete_older(connection: Connection, before: datetime, most: int) -> int:
    """How many readings were deleted, at most `most`; replicas do not wait for each other."""
    # Not `in (select … limit …)`: a nested loop would select anew, others, for each row.
    done = await connection.execute(
        "with older as (select bay_id, observed_at, sensor_id from occupancy_reading"
        " where observed_at < %s limit %s for update skip locked)"
        " delete from occupancy_reading as reading using older"
        " where (reading.bay_id, reading.observed_at, reading.sensor_id)"
        " = (older.bay_id, older.observed_at, older.sensor_id)",
        (before, most),
    )
    return done.rowcount
