"""Cases and known incidents in PostgreSQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from city_backbone.database import Connection

from health.cases.incident import Incident
from health.measuring.store import Row, of_session


@dataclass(frozen=True, slots=True)
class Case:
    """An acute reading that 119 was told of; `session_id` is None when it came as FHIR."""

    case_id: UUID
    person_id: UUID
    session_id: UUID | None
    kiosk_id: str
    place: str
    score: int
    detected_at: datetime


async def find(connection: Connection, case_id: UUID) -> Case | None:
    """None also once its person is forgotten."""
    rows = await connection.execute(
        "select case_id, person_id, session_id, kiosk_id, place, score, detected_at"
        " from acute_case join kiosk using (kiosk_id) where case_id = %s",
        (case_id,),
    )
    row = await rows.fetchone()
    return None if row is None else Case(**row)


async def measurements(connection: Connection, case: Case) -> list[Row]:
    """Of its session, or of the bundle that it came with."""
    if case.session_id is not None:
        return await of_session(connection, case.session_id)
    # All of a bundle, and its case, are stored at one time of one clock.
    rows = await connection.execute(
        "select measurement_id, sealed, session_id, kiosk_id, stored_at from measurement"
        " where person_id = %s and stored_at = %s and session_id is null",
        (case.person_id, case.detected_at),
    )
    return [Row(**row) async for row in rows]


async def hold_incident(connection: Connection, incident_id: UUID) -> Incident | None:
    """It stays as it is until the end of the transaction, so it cannot end unnoticed."""
    rows = await connection.execute(
        "select incident_id, revision, live, source, source_reference as reference"
        " from known_incident where incident_id = %s for share",
        (incident_id,),
    )
    row = await rows.fetchone()
    return None if row is None else Incident(**row)


async def renew_incidents(connection: Connection, incidents: Sequence[Incident]) -> None:
    """Store those newer than what is known; each incident at most once."""
    await connection.execute(
        "insert into known_incident as known"
        " (incident_id, revision, live, source, source_reference)"
        " select * from unnest(%s::uuid[], %s::integer[], %s::boolean[], %s::text[], %s::text[])"
        " as news(incident_id, revision, live, source, reference) order by incident_id"
        " on conflict (incident_id) do update set revision = excluded.revision,"
        " live = excluded.live, source = excluded.source,"
        " source_reference = excluded.source_reference"
        " where known.revision < excluded.revision",
        (
            [incident.incident_id for incident in incidents],
            [incident.revision for incident in incidents],
            [incident.live for incident in incidents],
            [incident.source for incident in incidents],
            [incident.reference for incident in incidents],
        ),
    )
