"""What a responder is told of an acute case: by emergency alone, while its incident is live."""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

import structlog
from city.health.v1 import person_pb2 as pb
from city_backbone.audit.act import Attempt, Origin
from city_backbone.audit.attempts import Attempts
from city_backbone.database import Connection
from city_backbone.errors import FailedPrecondition, NotFound, PermissionDenied, Unreadable
from city_backbone.register import Register

from health.cases import messages, store
from health.cases.incident import unknown
from health.cases.store import Case
from health.clock import seoul_day
from health.measuring.measurement import Measurement
from health.measuring.sealing import open_sealed
from health.measuring.store import Row
from health.messages import identity
from health.people.directory import People
from health.people.person import Person, Profile, Purpose
from health.people.reads import read_entry
from health.people.sealing import PersonalBox

log = structlog.get_logger()

CASE_SHOWN = "case-shown"
CASE_DENIED = "case-denied"

_MAY_ASK = "emergency"


class Cases:
    """Every call is an entry in the register, in the transaction that reads: refused or not."""

    def __init__(
        self,
        attempts: Attempts,
        register: Register,
        people: People,
        clock: Callable[[], datetime],
    ) -> None:
        self._attempts = attempts
        self._register = register
        self._people = people
        self._clock = clock

    async def get(self, request: pb.GetCaseRequest, at: Origin) -> pb.GetCaseResponse:
        """Raises PermissionDenied for another caller, InvalidArgument, NotFound, and
        FailedPrecondition: INCIDENT_UNKNOWN, INCIDENT_OF_ANOTHER, INCIDENT_NOT_LIVE, FORGOTTEN,
        KEY_MISSING."""
        attempt = Attempt(
            CASE_DENIED, at, messages.asker(request), subject="", asked=messages.asked(request)
        )

        async def effect(connection: Connection) -> pb.GetCaseResponse:
            return await self._tell(connection, request, attempt)

        return await self._attempts.make(attempt, pb.GetCaseResponse, effect)

    async def _tell(
        self, connection: Connection, request: pb.GetCaseRequest, attempt: Attempt
    ) -> pb.GetCaseResponse:
        # Policies may be written with a wildcard; people are told of to nobody else.
        if attempt.at.department != _MAY_ASK:
            raise PermissionDenied("NOT_EMERGENCY", f"expected {_MAY_ASK} to call")
        case_id = identity("case_id", request.case_id)
        incident_id = identity("incident_id", request.incident_id)
        requester = messages.requester(request)
        case = await store.find(connection, case_id)
        if case is not None:
            attempt.subject = str(case.person_id)
        await self._must_be_live(connection, incident_id, case_id, case)
        person = None if case is None else await self._people.by_id(connection, case.person_id)
        if case is None or person is None:
            # What emergency made an incident of was a case: its person withdrew since.
            raise FailedPrecondition("FORGOTTEN", "case_id: the person withdrew the consent")
        box, profile = await self._opened(connection, person)
        measurements = _measurements(box, await store.measurements(connection, case))
        named = Purpose.EMERGENCY in person.purposes
        entry = read_entry(
            requester,
            CASE_SHOWN,
            person.person_id,
            attempt.at,
            "acute case",
            case_id=str(case_id),
            incident_id=str(incident_id),
            measurements=len(measurements),
            named=named,
        )
        await self._register.append(connection, [entry])
        today = seoul_day(self._clock())
        return messages.case_message(case, measurements, profile, today, named=named)

    async def _must_be_live(
        self, connection: Connection, incident_id: UUID, case_id: UUID, case: Case | None
    ) -> None:
        incident = await store.hold_incident(connection, incident_id)
        if case is None and (incident is None or not incident.is_of(case_id)):
            raise NotFound("case", str(case_id))
        if incident is None:
            raise unknown()
        incident.must_be_of(case_id)
        incident.must_be_live()

    async def _opened(self, connection: Connection, person: Person) -> tuple[PersonalBox, Profile]:
        try:
            box = await self._people.box(person.person_id)
            profile = await self._people.profile(connection, person.person_id)
        except Unreadable:
            box = profile = None
        if box is None or profile is None:
            log.error("person cannot be read", person_id=str(person.person_id))
            raise FailedPrecondition("KEY_MISSING", "case_id: what is kept cannot be read")
        return box, profile


def _measurements(box: PersonalBox, rows: Sequence[Row]) -> list[Measurement]:
    found = []
    for row in rows:
        try:
            found.append(open_sealed(box, row.sealed))
        except Unreadable:  # the others are told all the same
            log.error("measurement cannot be read", measurement_id=str(row.measurement_id))
    return found
