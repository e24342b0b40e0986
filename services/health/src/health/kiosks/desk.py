"""The steps of sessions, each in a transaction of its own, so that what is answered is stored.

Locks are taken in one order: the person's row, then the session's. A withdrawal waits for the
first, two streams of one session for the second.
"""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import structlog
from city.health.v1 import kiosk_pb2 as pb
from city_backbone.database import Connection, Database
from city_backbone.errors import (
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Transient,
    Unreadable,
)
from city_backbone.events import event_id

from health.assessment.advice import Assessment
from health.errors import Invalid
from health.kiosks import store, store_sessions
from health.kiosks.kiosk import Kiosk
from health.kiosks.session import Session, must_be_timely
from health.measuring import messages
from health.measuring.intake import Intake, Taken
from health.measuring.measurement import Measurement
from health.measuring.sealing import open_sealed
from health.measuring.store import of_session
from health.people.directory import People
from health.people.person import Person, Purpose
from health.people.sealing import PersonalBox

log = structlog.get_logger()

_WITHDRAWN = "CONSENT_WITHDRAWN"


class Desk:
    """Raises InvalidArgument, NotFound, FailedPrecondition, PermissionDenied, Transient."""

    def __init__(
        self, database: Database, people: People, intake: Intake, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._people = people
        self._intake = intake
        self._clock = clock

    async def begin(
        self, session_id: UUID, kiosk_id: str, person_token: str, began_at: datetime
    ) -> Session:
        """A new session, or the one of that id as it stands."""
        async with self._database.transaction() as connection:
            person = await self._enrolled(connection, person_token)
            known = await store_sessions.find(connection, session_id)
            if known is None:
                must_be_timely("begin.began_at", began_at, self._clock())
                await self._kiosk(connection, kiosk_id)
                known = Session(session_id, kiosk_id, person.person_id, began_at)
                if not await store_sessions.insert(connection, known):
                    known = await store_sessions.find(connection, session_id) or known
            known.must_be_of(kiosk_id, person.person_id)
            return known

    async def measure(
        self, session: Session, sequence: int, message: pb.Measurement
    ) -> tuple[Session, Assessment | None]:
        """Stored, told of and assessed; what was stored before is not looked at again."""
        async with self._database.transaction() as connection:
            person, current = await self._held(connection, session)
            if current.has(sequence):
                return current, None
            kiosk = await self._kiosk(connection, current.kiosk_id)
            measurement = self._measurement(message, kiosk)
            box = await self._box(person)
            taken = Taken(
                event_id("measurement", current.session_id, sequence),
                measurement,
                kiosk.kiosk_id,
                current.session_id,
                sequence,
            )
            before = [
                open_sealed(box, bytes(row.sealed))
                for row in await of_session(connection, current.session_id)
            ]
            [assessment] = await self._intake.take(connection, person, box, [taken], before)
            current = current.stored(sequence)
            await store_sessions.update(connection, current)
        return current, assessment

    async def end(self, session: Session, last_sequence: int, ended_at: datetime) -> Session:
        """As it stands then: not ended while measurements are missing."""
        async with self._database.transaction() as connection:
            _, current = await self._held(connection, session)
            ended = current.end(last_sequence, ended_at)
            if ended != current:
                must_be_timely("end.ended_at", ended_at, self._clock())
                await store_sessions.update(connection, ended)
        return ended

    async def _enrolled(self, connection: Connection, person_token: str) -> Person:
        try:
            person = await self._people.by_token(connection, person_token)
        except PermissionDenied as error:
            if error.reason != _WITHDRAWN:
                raise
            raise _no_consent() from None
        if Purpose.MEASUREMENT not in person.purposes:
            raise _no_consent()
        return person

    async def _held(self, connection: Connection, session: Session) -> tuple[Person, Session]:
        person = await self._people.by_id(connection, session.person_id)
        current = await store_sessions.lock(connection, session.session_id)
        if person is None or current is None:
            raise _no_consent()
        return person, current

    async def _box(self, person: Person) -> PersonalBox:
        """Of somebody whose consent is in force, so that the key must be there."""
        try:
            box = await self._people.box(person.person_id)
        except Unreadable:
            box = None
        if box is None:
            log.error("person has no key in the keyring", person_id=str(person.person_id))
            raise Transient("the department's keyring cannot be read")
        return box

    async def _kiosk(self, connection: Connection, kiosk_id: str) -> Kiosk:
        kiosk = await store.find(connection, kiosk_id)
        if kiosk is None:
            raise NotFound("kiosk", kiosk_id)
        return kiosk

    def _measurement(self, message: pb.Measurement, kiosk: Kiosk) -> Measurement:
        field = "measured.measurement"
        measurement = messages.measurement(field, message)
        must_be_timely(f"{field}.taken_at", measurement.taken_at, self._clock())
        try:
            kiosk.must_measure(measurement)
        except Invalid as error:
            raise InvalidArgument(f"{field}.{error.field}", error.expected) from None
        return measurement


def _no_consent() -> FailedPrecondition:
    return FailedPrecondition("NO_CONSENT", "begin.person_token: there is no consent in force")
