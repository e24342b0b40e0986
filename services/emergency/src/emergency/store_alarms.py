"""Which alarms joined which incident, in PostgreSQL."""

from collections.abc import Sequence
from uuid import UUID

from city_backbone.database import Connection

from emergency.domain.alarm import Alarm
from emergency.domain.merging import Bounds
from emergency.domain.place import reach

# Next to the order of changes in the two-number space of advisory locks.
_MERGING = (112, 120)


async def lock(connection: Connection) -> None:
    """Until the commit nobody else merges alarms.

    One lock for the whole city: what a neighbouring partition opens a moment earlier is seen, and
    no border of a grid has to be thought of. It is taken before any incident's lock. Incidents'
    changes are in one order anyway, so this costs no parallelism that was there.
    """
    await connection.execute("select pg_advisory_xact_lock(%s, %s)", _MERGING)


async def joined(
    connection: Connection, alarms: Sequence[Alarm], bounds: Bounds
) -> tuple[set[UUID], list[UUID]]:
    """Ids of those that joined an incident before, and the open incidents of alarms that one of
    `alarms` may be near to; some are a little too far."""
    # Both are on their way before an answer is waited for: the whole city's alarms wait meanwhile.
    before = await connection.execute(
        "select alarm_id from incident_alarm where alarm_id = any(%s)",
        ([alarm.id for alarm in alarms],),
    )
    reaches = [reach(alarm.position, bounds.metres) for alarm in alarms]
    near = await connection.execute(
        "select distinct i.incident_id"
        " from unnest(%(at)s::timestamptz[], %(latitude)s::float8[], %(longitude)s::float8[],"
        "  %(north)s::float8[], %(east)s::float8[]) as alarm(at, latitude, longitude, north, east)"
        " join incident i on i.alarm_at between alarm.at - %(moment)s and alarm.at + %(moment)s"
        " and i.latitude between alarm.latitude - north and alarm.latitude + north"
        " and i.longitude between alarm.longitude - east and alarm.longitude + east"
        " where i.alarm_at is not null and i.status in ('OCCURRED', 'CHANGED')",
        {
            "at": [alarm.occurred_at for alarm in alarms],
            "latitude": [alarm.position.latitude for alarm in alarms],
            "longitude": [alarm.position.longitude for alarm in alarms],
            "north": [north for north, _ in reaches],
            "east": [east for _, east in reaches],
            "moment": bounds.moment,
        },
    )
    return (
        {row["alarm_id"] for row in await before.fetchall()},
        [row["incident_id"] for row in await near.fetchall()],
    )


async def join(connection: Connection, pairs: Sequence[tuple[Alarm, UUID]]) -> None:
    """Each alarm has joined this incident."""
    await connection.execute(
        "insert into incident_alarm (alarm_id, incident_id, occurred_at)"
        " select * from unnest(%s::uuid[], %s::uuid[], %s::timestamptz[])",
        (
            [alarm.id for alarm, _ in pairs],
            [incident_id for _, incident_id in pairs],
            [alarm.occurred_at for alarm, _ in pairs],
        ),
    )
