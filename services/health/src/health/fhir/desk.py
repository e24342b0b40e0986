"""Taking what was sent: all of it or nothing, each Observation once.

What is refused for what the resources say was refused before; here it is for whose they are, for
a kiosk that is not known, and for an identifier that was sent with another content.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from uuid import UUID

import structlog
from city_backbone.database import Connection, Database
from city_backbone.errors import PermissionDenied, Unreadable

from health.assessment.acute import acute
from health.assessment.advice import Advice, advise, assess
from health.assessment.rules import Rules
from health.fhir import store
from health.fhir.observation import Sent
from health.fhir.refused import Refused, wrong
from health.kiosks.store import find as find_kiosk
from health.measuring.intake import Intake, Taken
from health.measuring.sealing import open_sealed
from health.people.directory import People
from health.people.person import Person, Purpose
from health.people.sealing import PersonalBox

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Stored:
    """`advice` is of it alone, `of_all` of all that was sent with it of the same person: None
    unless that is acute or 119 is told."""

    sent: Sent
    advice: Advice
    of_all: Advice | None


class Desk:
    """Raises Refused, Transient."""

    def __init__(self, database: Database, people: People, intake: Intake, rules: Rules) -> None:
        self._database = database
        self._people = people
        self._intake = intake
        self._rules = rules

    async def take(self, sent: Sequence[Sent]) -> list[Stored]:
        """One for each, in the same order. What was sent before is answered as it was."""
        stored: dict[str, Stored] = {}
        async with self._database.transaction() as connection:
            await self._kiosks(connection, sent)
            # In one order of people in all transactions; each one's readings as they were taken.
            ordered = sorted(sent, key=lambda one: (one.token, one.measurement.taken_at))
            for _, readings in groupby(ordered, key=lambda one: one.token):
                for one in await self._of_person(connection, list(readings)):
                    stored[one.sent.path] = one
        return [stored[one.path] for one in sent]

    async def _kiosks(self, connection: Connection, sent: Sequence[Sent]) -> None:
        by_kiosk = {one.kiosk_id: one for one in reversed(sent) if one.kiosk_id is not None}
        for kiosk_id, one in by_kiosk.items():
            if await find_kiosk(connection, kiosk_id) is None:
                path = f"{one.path}.device.identifier.value"
                raise wrong(path, "expected a registered kiosk", "not-found")

    async def _of_person(self, connection: Connection, sent: Sequence[Sent]) -> list[Stored]:
        person = await self._person(connection, sent[0])
        box = await self._box(person)
        ids = [one.measurement_id for one in sent]
        known = await store.known(connection, ids)
        _must_agree(sent, known, person, box)
        taken = [
            Taken(one.measurement_id, one.measurement, one.kiosk_id, None, None) for one in sent
        ]
        assessments = await self._intake.take(connection, person, box, taken, ())
        repeated = {one for one, found in zip(ids, assessments, strict=True) if found.repeated}
        if repeated - set(known):
            # Somebody else has just sent one of them too.
            _must_agree(sent, await store.known(connection, ids), person, box)
        told = any(one.acute for one in assessments)
        return self._assessed(sent, told)

    async def _person(self, connection: Connection, first: Sent) -> Person:
        expected = "expected the token of somebody enrolled, whose consent is in force"
        try:
            person = await self._people.by_token(connection, first.token)
        except PermissionDenied:
            raise Refused(403, "forbidden", expected, first.token_path) from None
        if Purpose.MEASUREMENT not in person.purposes:
            raise Refused(403, "forbidden", expected, first.token_path)
        return person

    async def _box(self, person: Person) -> PersonalBox:
        try:
            box = await self._people.box(person.person_id)
        except Unreadable:
            box = None
        if box is None:
            raise key_missing(person)
        return box

    def _assessed(self, sent: Sequence[Sent], told: bool) -> list[Stored]:
        """The same for what is sent again, as the rules are the same: what 119 is told of stays
        told."""
        readings = [one.measurement for one in sent]
        of_all: Advice | None = None
        if told or acute(readings, self._rules).acute:
            of_all = assess(readings, self._rules, told=told).advice
        return [Stored(one, advise(one.measurement, self._rules), of_all) for one in sent]


def key_missing(person: Person) -> Refused:
    """The keyring's fault, not the caller's."""
    log.error("person has no key in the keyring", person_id=str(person.person_id))
    return Refused(503, "no-store", "the department's keyring cannot be read")


def _must_agree(
    sent: Sequence[Sent], known: Mapping[UUID, store.Known], person: Person, box: PersonalBox
) -> None:
    for one in sent:
        before = known.get(one.measurement_id)
        if before is not None and not _is_same(one, before, person, box):
            expected = "expected what this identifier was sent with before"
            raise Refused(409, "conflict", expected, f"{one.path}.identifier[0]")


def _is_same(one: Sent, before: store.Known, person: Person, box: PersonalBox) -> bool:
    if (before.person_id, before.kiosk_id) != (person.person_id, one.kiosk_id):
        return False
    try:
        return open_sealed(box, before.sealed) == one.measurement
    except Unreadable:
        log.error("measurement cannot be read", measurement_id=str(one.measurement_id))
        raise Refused(503, "no-store", "what is kept cannot be read") from None
