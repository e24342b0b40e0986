"""The one way in for what was measured, at a kiosk or by a system that sends FHIR."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from city_backbone.database import Connection
from city_backbone.outbox import Outbox
from opentelemetry.metrics import Meter

from health.assessment.advice import Assessment, assess
from health.assessment.rules import Rules
from health.measuring import facts, store
from health.measuring.alarm import Alarm, case_id
from health.measuring.measurement import Measurement, must_be_plausible
from health.measuring.sealing import seal
from health.measuring.store import Case, Kept
from health.measuring.telemetry import Metrics
from health.people.person import Person
from health.people.sealing import PersonalBox
from health.settings import AssessmentSettings


@dataclass(frozen=True, slots=True)
class Taken:
    """`measurement_id` is made of what caused it, so that what comes again has the same.

    `session_id` and `sequence` are of a kiosk's session, or both None; `kiosk_id` is registered.
    """

    measurement_id: UUID
    measurement: Measurement
    kiosk_id: str | None
    session_id: UUID | None
    sequence: int | None


class Intake:
    """Stores, tells and assesses by the rules that are in force."""

    def __init__(
        self,
        outbox: Outbox,
        rules: Rules,
        settings: AssessmentSettings,
        clock: Callable[[], datetime],
        meter: Meter,
    ) -> None:
        self._outbox = outbox
        self._rules = rules
        self._clock = clock
        self._metrics = Metrics(meter)
        within = timedelta(minutes=settings.acute_within_minutes)
        self._alarm = Alarm(outbox, rules, within, self._metrics)

    async def take(
        self,
        connection: Connection,
        person: Person,
        box: PersonalBox,
        taken: Sequence[Taken],
        context: Sequence[Measurement],
    ) -> list[Assessment]:
        """One assessment for each of `taken`, which are of one session or bundle; `context` is
        what was measured in it before. The caller holds the person's row.

        Each measurement is stored and told of once: what comes again changes nothing, and its
        assessment says that it is repeated. Raises Invalid for one that is not plausible.
        """
        if not taken:
            return []
        for one in taken:
            must_be_plausible(one.measurement)
        now = self._clock()
        new = await self._store(connection, person.person_id, box, taken, now)
        session_id = taken[0].session_id
        case = Case(case_id(session_id, taken[0].measurement_id), person.person_id, session_id)
        told = await store.has_case(connection, case.case_id)
        readings = list(context)
        assessments = []
        for one in taken:
            readings.append(one.measurement)
            repeated = one.measurement_id not in new
            if not told and not repeated:
                told = await self._alarm.call(connection, case, one.kiosk_id, readings, now)
            assessments.append(assess(readings, self._rules, told=told, repeated=repeated))
        return assessments

    async def _store(
        self,
        connection: Connection,
        person_id: UUID,
        box: PersonalBox,
        taken: Sequence[Taken],
        now: datetime,
    ) -> set[UUID]:
        """The ids of those that are new."""
        kept = [
            Kept(
                one.measurement_id,
                seal(box, one.measurement, one.kiosk_id),
                one.session_id,
                one.sequence,
                one.kiosk_id,
            )
            for one in taken
        ]
        new = await store.insert(connection, person_id, kept, now)
        events = [
            facts.measurement_taken(person_id, one, now)
            for one in kept
            if one.measurement_id in new
        ]
        await self._outbox.add(connection, events)
        self._metrics.stored(len(new), kiosk=taken[0].session_id is not None)
        return new
