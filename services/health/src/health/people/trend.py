"""The person's own view of what was measured, with what it means."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from city_backbone.audit.act import Origin
from city_backbone.database import Connection
from city_backbone.errors import FailedPrecondition, Unreadable
from city_backbone.register import Register

from health.assessment.advice import Assessment, advise
from health.assessment.rules import Rules
from health.measuring import store
from health.measuring.measurement import Code, Measurement
from health.measuring.sealing import open_sealed
from health.people.directory import People
from health.people.reads import TREND_SHOWN, read_entry
from health.people.sealing import PersonalBox

log = structlog.get_logger()

_LOOK_BACK = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Question:
    """Of one code, taken in [from_at, until_at); a bound that is None is open, or the last year.

    `after` is the place of the last point of the page before.
    """

    code: Code
    from_at: datetime | None
    until_at: datetime | None
    after: tuple[datetime, UUID] | None
    size: int


@dataclass(frozen=True, slots=True)
class Point:
    """`kiosk_id` is empty for what came as FHIR."""

    measurement_id: UUID
    measurement: Measurement
    assessment: Assessment
    kiosk_id: str

    @property
    def place(self) -> tuple[datetime, UUID]:
        return self.measurement.taken_at, self.measurement_id


class Trend:
    """Values and codes are ciphertext in the database, so they are sorted and chosen here."""

    def __init__(
        self, people: People, register: Register, rules: Rules, clock: Callable[[], datetime]
    ) -> None:
        self._people = people
        self._register = register
        self._rules = rules
        self._clock = clock

    async def show(
        self, connection: Connection, token: str, question: Question, at: Origin
    ) -> tuple[Sequence[Point], bool]:
        """A page, oldest first, and whether there is more; registered with the same transaction.

        Raises PermissionDenied as People.by_token does, FailedPrecondition (KEY_MISSING).
        """
        person = await self._people.by_token(connection, token)
        try:
            box = await self._people.box(person.person_id)
        except Unreadable:
            box = None
        if box is None:
            log.error("person has no key in the keyring", person_id=str(person.person_id))
            raise FailedPrecondition("KEY_MISSING", "person_token: what is kept cannot be read")
        rows = await store.of_person(connection, person.person_id)
        found = await asyncio.to_thread(self._chosen, box, rows, question)
        page = [self._point(*one) for one in found[: question.size]]
        own = str(person.person_id)
        entry = read_entry(own, TREND_SHOWN, person.person_id, at, "own view", points=len(page))
        await self._register.append(connection, [entry])
        return page, len(found) > len(page)

    def _chosen(
        self, box: PersonalBox, rows: Sequence[store.Row], question: Question
    ) -> list[tuple[store.Row, Measurement]]:
        """From the page on, oldest first."""
        from_at = question.from_at or (question.until_at or self._clock()) - _LOOK_BACK
        chosen = []
        for row in rows:
            try:
                measurement = open_sealed(box, row.sealed)
            except Unreadable:  # the others are shown all the same
                log.error("measurement cannot be read", measurement_id=str(row.measurement_id))
                continue
            taken_at = measurement.taken_at
            if (
                measurement.code is question.code
                and from_at <= taken_at
                and (question.until_at is None or taken_at < question.until_at)
                and (question.after is None or (taken_at, row.measurement_id) > question.after)
            ):
                chosen.append((row, measurement))
        return sorted(chosen, key=lambda one: (one[1].taken_at, one[0].measurement_id))

    def _point(self, row: store.Row, measurement: Measurement) -> Point:
        advice, score = advise(measurement, self._rules), self._rules.score(measurement)
        assessment = Assessment(advice, score, acute=False)
        return Point(row.measurement_id, measurement, assessment, row.kiosk_id or "")
