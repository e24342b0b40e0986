"""What the department's own events say of who should come again."""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from city_backbone.database import Connection
from city_backbone.errors import Unreadable
from city_backbone.events import Event
from city_backbone.stream.subscription import Refusal, Subscription
from opentelemetry.metrics import Meter

from health.assessment.advice import advise
from health.assessment.rules import Rules
from health.measuring.facts import MEASUREMENT_TAKEN
from health.measuring.measurement import Code
from health.measuring.sealing import open_sealed
from health.people import basis
from health.people import store_follow_ups as store
from health.people.directory import People
from health.people.follow_up import Reading, Rule, renewed
from health.people.person import Person, Purpose
from health.people.sealing import PersonalBox

EVENTS_METRIC = "city.health.follow_up_events"  # by outcome: decided, forgotten, no consent


class FollowUps:
    """Decides by the newest measurement of each code, so the order of events does not matter, and
    one that was taken in before changes nothing, however long ago that was."""

    def __init__(
        self,
        people: People,
        rules: Rules,
        rule: Rule,
        meter: Meter,
        clock: Callable[[], datetime],
    ) -> None:
        self._people = people
        self._rules = rules
        self._rule = rule
        self._counter = meter.create_counter(EVENTS_METRIC)
        self._clock = clock

    def subscriptions(self) -> Sequence[Subscription]:
        return [Subscription(MEASUREMENT_TAKEN, self.take, once=False, compacted=True)]

    async def take(self, connection: Connection, events: Sequence[Event]) -> Sequence[Refusal]:
        """Refuses what cannot be opened although its person is enrolled."""
        refused: list[Refusal] = []
        theirs: dict[UUID, list[Event]] = {}
        for event in events:
            try:
                theirs.setdefault(UUID(event.data["person_id"]), []).append(event)
            except ValueError:
                refused.append(Refusal(event, "person_id: expected a UUID"))
        for person_id in sorted(theirs):  # in one order, or two batches may wait for each other
            refused += await self._of_one(connection, person_id, theirs[person_id])
        return refused

    async def _of_one(
        self, connection: Connection, person_id: UUID, events: Sequence[Event]
    ) -> Sequence[Refusal]:
        person = await self._people.by_id(connection, person_id)
        if person is None:
            self._counter.add(len(events), {"outcome": "forgotten"})
            return []
        if Purpose.REMINDER not in person.purposes:
            self._counter.add(len(events), {"outcome": "no consent"})
            return []
        try:
            box = await self._people.box(person_id)
        except Unreadable:
            box = None
        if box is None:
            return [
                Refusal(event, "person_id: the keyring has no key of theirs") for event in events
            ]
        refused, read = [], []
        for event in events:
            try:
                read.append(self._read(box, event))
            except Unreadable:
                refused.append(Refusal(event, "sealed: not with this person's key"))
        await self._decide(connection, person, box, read)
        self._counter.add(len(read), {"outcome": "decided"})
        return refused

    def _read(self, box: PersonalBox, event: Event) -> tuple[Code, Reading]:
        measurement = open_sealed(box, event.data["sealed"])
        level = advise(measurement, self._rules).level
        return measurement.code, Reading(
            measurement.taken_at, level, self._rules.score(measurement)
        )

    async def _decide(
        self,
        connection: Connection,
        person: Person,
        box: PersonalBox,
        read: Sequence[tuple[Code, Reading]],
    ) -> None:
        sealed = await store.hold_basis(connection, person.person_id)
        known = basis.unpacked(box.open(basis.FIELD, sealed)) if sealed else {}
        newest = renewed(known, read)
        if newest == known:
            return
        packed = box.seal(basis.FIELD, basis.packed(newest))
        await store.save_basis(connection, person.person_id, packed)
        await store.decide(connection, person, self._rule.due(newest), self._clock())
