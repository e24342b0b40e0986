"""Incidents as emergency told of them, in PostgreSQL."""

from collections.abc import Sequence
from uuid import UUID

from city_backbone.database import Connection
from city_backbone.geo import Point

from parking.vault.incident import Incident


async def hold(connection: Connection, incident_id: UUID) -> Incident | None:
    """It stays as it is until the end of the transaction, so it cannot end unnoticed."""
    rows = await connection.execute(
        "select revision, live, position[1] as latitude, position[0] as longitude"
        " from known_incident where incident_id = %s for share",
        (incident_id,),
    )
    row = await rows.fetchone()
    if row is None:
        return None
    known = row["latitude"] is not None
    position = Point(row["latitude"], row["longitude"]) if known else None
    return Incident(incident_id, row["revision"], row["live"], position)


async def renew(connection: Connection, incidents: Sequence[Incident]) -> None:
    """Store those newer than what is known; each incident at most once."""
    positions = [incident.position for incident in incidents]
    await connection.execute(
        "insert into known_incident as known (incident_id, revision, live, position)"
        " select incident_id, revision, live, point(longitude, latitude)"
        " from unnest(%s::uuid[], %s::integer[], %s::boolean[], %s::float8[], %s::float8[])"
        " as news(incident_id, revision, live, latitude, longitude) order by incident_id"
        " on conflict (incident_id) do update set revision = excluded.revision,"
        " live = excluded.live, position = excluded.position"
        " where known.revision < excluded.revision",
        (
            [incident.incident_id for incident in incidents],
            [incident.revision for incident in incidents],
            [incident.live for incident in incidents],
            [None if position is None else position.latitude for position in positions],
            [None if position is None else position.longitude for position in positions],
        ),
    )
