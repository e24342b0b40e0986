"""People in PostgreSQL."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from city_backbone.database import Connection

from health.people.person import Person, Purpose

ENROLLED = "ENROLLED"
WITHDRAWING = "WITHDRAWING"
FORGOTTEN = "FORGOTTEN"

_COLUMNS = "person_id, zone, priority, profile, purposes"


async def hold(connection: Connection, person_id: UUID) -> dict[str, Any] | None:
    """None unless enrolled. Nothing of theirs is destroyed until the end of the transaction.

    `for key share` and not `for share`, which would let sessions in a row keep a withdrawal
    waiting: who reads joins a share lock that is held, before a writer who has long waited.
    """
    rows = await connection.execute(
        f"select {_COLUMNS} from person where person_id = %s and status = 'ENROLLED' for key share",
        (person_id,),
    )
    return await rows.fetchone()


async def hold_by_token(connection: Connection, token_mac: bytes) -> dict[str, Any] | None:
    """As `hold`."""
    rows = await connection.execute(
        f"select {_COLUMNS} from person where token_mac = %s and status = 'ENROLLED' for key share",
        (token_mac,),
    )
    return await rows.fetchone()


async def is_known(connection: Connection, token_mac: bytes) -> bool:
    """Whether the token was ever somebody's, enrolled or not."""
    rows = await connection.execute("select from person where token_mac = %s", (token_mac,))
    return await rows.fetchone() is not None


def person(row: Mapping[str, Any]) -> Person:
    return Person(
        row["person_id"],
        row["zone"],
        row["priority"],
        frozenset(Purpose(purpose) for purpose in row["purposes"]),
    )


async def add(
    connection: Connection,
    person: Person,
    token_mac: bytes,
    profile: bytes,
    consent_version: str,
    consented_at: datetime,
) -> None:
    await connection.execute(
        "insert into person (person_id, token_mac, status, zone, priority, profile, purposes,"
        " consent_version, consented_at) values (%s, %s, 'ENROLLED', %s, %s, %s, %s, %s, %s)",
        (
            person.person_id,
            token_mac,
            person.zone,
            person.priority,
            profile,
            sorted(person.purposes),
            consent_version,
            consented_at,
        ),
    )


async def has_session(connection: Connection, person_id: UUID) -> bool:
    rows = await connection.execute(
        "select from kiosk_session where person_id = %s limit 1", (person_id,)
    )
    return await rows.fetchone() is not None
