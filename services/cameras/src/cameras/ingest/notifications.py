"""What is done with a camera's messages: published, held, ended or parked; and counted."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from city_backbone.database import Database
from opentelemetry.metrics import Meter

from cameras.ingest import store
from cameras.ingest.held import HeldState, StateKey
from cameras.ingest.intake import Intake
from cameras.ingest.mapping import Topics
from cameras.ingest.notification import Notification, Unusable, Why
from cameras.ingest.reading import OTHER, Outcome, Reading, interpret

NOTIFICATIONS_METRIC = "city.cameras.onvif_notifications"  # messages, by topic (rule) and outcome
HELD_METRIC = "city.cameras.held_states"  # by what became of them: ended, expired, forgotten

MAX_HELD_PER_CAMERA = 100
MAX_TOPIC = 512

SOURCE = "onvif"


class Notifications:
    """Every message is counted under its rule's name or `other`, so the metric stays small."""

    def __init__(
        self,
        topics: Topics,
        intake: Intake,
        database: Database,
        meter: Meter,
        clock: Callable[[], datetime],
        max_parked: int,
    ) -> None:
        self._topics = topics
        self._intake = intake
        self._database = database
        self._clock = clock
        self._max_parked = max_parked
        self._counter = meter.create_counter(NOTIFICATIONS_METRIC)
        self._held = meter.create_counter(HELD_METRIC)

    @property
    def namespaces(self) -> dict[str, str]:
        """Of the topics' usual prefixes."""
        return dict(self._topics.namespaces)

    async def take(self, camera_id: str, messages: Sequence[Notification | Unusable]) -> None:
        """When it returns, detections are on the topic and states are in the database.

        Raises Transient when broker or database are away; then all of it may be sent again.
        """
        place = await self._intake.place(camera_id)
        now = self._clock()
        readings: Sequence[Reading]
        if place is None or place.retired:
            why = Why.UNKNOWN_CAMERA if place is None else Why.RETIRED_CAMERA
            parked = Unusable("", why, "")
            readings = [Reading(OTHER, Outcome.PARKED, parked=parked) for _ in messages]
        else:
            readings = [interpret(message, camera_id, self._topics, now) for message in messages]
        changes = _Changes.of(readings)
        if changes:
            readings = await self._store(camera_id, readings, changes, now)
        await self._intake.take(
            [reading.detection for reading in readings if reading.detection], SOURCE
        )
        for (topic, outcome), number in Counter(
            (reading.topic, reading.outcome) for reading in readings
        ).items():
            self._counter.add(number, {"topic": topic, "outcome": outcome})

    async def _store(
        self, camera_id: str, readings: Sequence[Reading], changes: "_Changes", now: datetime
    ) -> Sequence[Reading]:
        ended = 0
        async with self._database.transaction() as connection:
            if changes.holds:
                held = await store.lock(connection, camera_id)
                room = MAX_HELD_PER_CAMERA - len(held)
                new = [key for key in changes.holds if key not in held]
                readings = _without(readings, set(new[max(room, 0) :]))
                changes = _Changes.of(readings)
            await store.hold(connection, list(changes.holds.values()), now)
            await store.confirm(connection, changes.confirms, now)
            ended = await store.release(connection, changes.ends)
            await store.park(connection, camera_id, _parked(readings), now, self._max_parked)
        if ended:
            self._held.add(ended, {"outcome": "ended"})
        return readings


@dataclass(slots=True)
class _Changes:
    """Of one Notify; of several messages about one state the last one counts."""

    holds: dict[StateKey, HeldState] = field(default_factory=dict)
    confirms: list[StateKey] = field(default_factory=list)
    ends: list[StateKey] = field(default_factory=list)
    parks: bool = False

    def __bool__(self) -> bool:
        return bool(self.holds or self.confirms or self.ends or self.parks)

    @classmethod
    def of(cls, readings: Iterable[Reading]) -> "_Changes":
        last: dict[StateKey, HeldState | bool] = {}
        changes = cls()
        for reading in readings:
            if reading.begins:
                last[reading.begins.key] = reading.begins
            elif reading.ends:
                last[reading.ends] = False
            elif reading.confirms:
                last.setdefault(reading.confirms, True)
            changes.parks = changes.parks or reading.parked is not None
        for key, change in last.items():
            if isinstance(change, HeldState):
                changes.holds[key] = change
            else:
                (changes.confirms if change else changes.ends).append(key)
        return changes


def _without(readings: Sequence[Reading], refused: set[StateKey]) -> Sequence[Reading]:
    """The detections of states there is no room for stand, the states are parked."""
    return [
        reading
        if reading.begins is None or reading.begins.key not in refused
        else Reading(
            reading.topic,
            Outcome.DETECTION,
            detection=reading.detection,
            parked=Unusable(reading.topic, Why.TOO_MANY_STATES, ""),
        )
        for reading in readings
    ]


def _parked(readings: Iterable[Reading]) -> dict[tuple[str, Why], tuple[int, Unusable]]:
    found: dict[tuple[str, Why], tuple[int, Unusable]] = {}
    for reading in readings:
        if reading.parked:
            key = (reading.parked.topic[:MAX_TOPIC], reading.parked.why)
            number, first = found.get(key, (0, reading.parked))
            found[key] = (number + 1, first)
    return found
