"""SQL of measurements and acute cases, in the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from city_backbone.database import Connection
from city_backbone.geo import Point

MOST_OF_PERSON = 10_000

_COLUMNS: LiteralString = "measurement_id, sealed, session_id, kiosk_id, stored_at"


@dataclass(frozen=True, slots=True)
class Row:
    """A stored measurement; `sealed` opens with measuring.sealing.open_sealed."""

    measurement_id: UUID
    sealed: bytes
    session_id: UUID | None
    kiosk_id: str | None
    stored_at: datetime


@dataclass(frozen=True, slots=True)
class Kept:
    """A measurement to store; session and sequence are of a kiosk's session, or both None."""

    measurement_id: UUID
    sealed: bytes
    session_id: UUID | None
    sequence: int | None
    kiosk_id: str | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a kiosk stands; `place` in words."""

    kiosk_id: str
    place: str
    zone: str
    position: Point


@dataclass(frozen=True, slots=True)
class Case:
    """Whose, and of which session; None came as FHIR."""

    case_id: UUID
    person_id: UUID
    session_id: UUID | None


async def insert(
    connection: Connection, person_id: UUID, kept: Sequence[Kept], stored_at: datetime
) -> set[UUID]:
    """Returns the ids of those that were not there; the others stay as they are."""
    found = await connection.execute(
        "insert into measurement"
        " (measurement_id, person_id, session_id, sequence, kiosk_id, sealed, stored_at)"
        " select measurement_id, %b, session_id, sequence, kiosk_id, sealed, %b"
        " from unnest(%b::uuid[], %b::uuid[], %b::int[], %b::text[], %b::bytea[])"
        " as given (measurement_id, session_id, sequence, kiosk_id, sealed)"
        " on conflict (measurement_id) do nothing returning measurement_id",
        (
            person_id,
            stored_at,
            [one.measurement_id for one in kept],
            [one.session_id for one in kept],
            [one.sequence for one in kept],
            [one.kiosk_id for one in kept],
            [one.sealed for one in kept],
        ),
    )
    return {row["measurement_id"] async for row in found}


async def of_person(connection: Connection, person_id: UUID) -> list[Row]:
    """The newest stored, at most MOST_OF_PERSON, in the order they were stored."""
    found = await connection.execute(
        f"select {_COLUMNS} from measurement where person_id = %s"
        " order by stored_at desc, measurement_id desc limit %s",
        (person_id, MOST_OF_PERSON),
    )
    return [Row(**row) async for row in found][::-1]


async def of_session(connection: Connection, session_id: UUID) -> list[Row]:
    """In the order of sequences."""
    found = await connection.execute(
        f"select {_COLUMNS} from measurement where session_id = %s order by sequence",
        (session_id,),
    )
    return [Row(**row) async for row in found]


async def place(connection: Connection, kiosk_id: str) -> Place | None:
    found = await connection.execute(
        "select kiosk_id, place, zone, position[1] as latitude, position[0] as longitude"
        " from kiosk where kiosk_id = %s",
        (kiosk_id,),
    )
    row = await found.fetchone()
    if row is None:
        return None
    position = Point(row["latitude"], row["longitude"])
    return Place(row["kiosk_id"], row["place"], row["zone"], position)


async def has_case(connection: Connection, case_id: UUID) -> bool:
    found = await connection.execute("select from acute_case where case_id = %s", (case_id,))
    return await found.fetchone() is not None


async def insert_case(
    connection: Connection, case: Case, kiosk_id: str, score: int, detected_at: datetime
) -> bool:
    """False: it was there."""
    found = await connection.execute(
        "insert into acute_case (case_id, person_id, session_id, kiosk_id, score, detected_at)"
        " values (%s, %s, %s, %s, %s, %s) on conflict do nothing returning case_id",
        (case.case_id, case.person_id, case.session_id, kiosk_id, score, detected_at),
    )
    return await found.fetchone() is not None
