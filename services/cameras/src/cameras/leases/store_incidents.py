"""Incidents as emergency told of them, in PostgreSQL."""

from collections.abc import Sequence
from uuid import UUID

from city_backbone.database import Connection

from cameras.leases.incident import Incident


async def hold(connection: Connection, incident_id: UUID) -> Incident | None:
    """It stays as it is until the end of the transaction, so it cannot end unnoticed."""
    rows = await connection.execute(
        "select incident_id, revision, live, police_code from lease_incident"
        " where incident_id = %s for share",
        (incident_id,),
    )
    row = await rows.fetchone()
    return None if row is None else Incident(**row)


async def add(connection: Connection, incident: Incident) -> None:
    """Unless it is known already."""
    await connection.execute(
        "insert into lease_incident (incident_id, revision, live, police_code)"
        " values (%s, %s, %s, %s) on conflict do nothing",
        (incident.incident_id, incident.revision, incident.live, incident.police_code),
    )


async def renew(connection: Connection, incidents: Sequence[Incident]) -> list[Incident]:
    """Store those newer than what is known, and return them; each incident at most once."""
    rows = await connection.execute(
        "insert into lease_incident as known (incident_id, revision, live, police_code)"
        " select * from unnest(%s::uuid[], %s::integer[], %s::boolean[], %s::smallint[])"
        " as news(incident_id, revision, live, police_code) order by incident_id"
        " on conflict (incident_id) do update set revision = excluded.revision,"
        " live = excluded.live, police_code = excluded.police_code"
        " where known.revision < excluded.revision"
        " returning incident_id, revision, live, police_code",
        (
            [incident.incident_id for incident in incidents],
            [incident.revision for incident in incidents],
            [incident.live for incident in incidents],
            [incident.police_code for incident in incidents],
        ),
    )
    return [Incident(**row) for row in await rows.fetchall()]
