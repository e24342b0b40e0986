"""Calling 119 for a reading that is acute: the case and its event, once per session or bundle."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from city_backbone.database import Connection
from city_backbone.events import event_id
from city_backbone.outbox import Outbox

from health.assessment.acute import acute
from health.assessment.rules import Rules
from health.measuring import facts, store
from health.measuring.measurement import Measurement
from health.measuring.store import Case
from health.measuring.telemetry import Metrics


class Alarm:
    """Readings taken longer than `within` ago call nobody, alone or together with newer ones."""

    def __init__(self, outbox: Outbox, rules: Rules, within: timedelta, metrics: Metrics) -> None:
        self._outbox = outbox
        self._rules = rules
        self._within = within
        self._metrics = metrics

    async def call(
        self,
        connection: Connection,
        case: Case,
        kiosk_id: str | None,
        readings: Sequence[Measurement],
        now: datetime,
    ) -> bool:
        """Whether 119 is told now, by the last of `readings` together with those before it."""
        recent = [one for one in readings if now - one.taken_at <= self._within]
        found = acute(recent, self._rules)
        if not found.acute:
            if acute(readings, self._rules).acute:
                self._metrics.acute("late")
            return False
        place = await store.place(connection, kiosk_id) if kiosk_id else None
        if place is None:
            self._metrics.acute("nowhere")
            return False
        if await store.insert_case(connection, case, place.kiosk_id, found.score, now):
            taken_at, version = readings[-1].taken_at, self._rules.version
            event = facts.acute_reading_detected(case.case_id, place, found, version, taken_at, now)
            await self._outbox.add(connection, [event])
            self._metrics.acute("told")
        return True


def case_id(session_id: UUID | None, first_measurement_id: UUID) -> UUID:
    """Of a session, or of the bundle that begins with that measurement."""
    return event_id("case", session_id or first_measurement_id)
