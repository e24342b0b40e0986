"""A run that was, as the checker sees it: calls, what came of them, and faults to plant in it."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from city_backbone.events import event_id

from loadtests.checker import facts
from loadtests.checker.core import Checking, Evidence
from loadtests.checker.expected import PLACES
from loadtests.checker.facts import Seen
from loadtests.checker.history import Call
from loadtests.checker.rows import Head, Stored, Tally, World
from loadtests.driver.result import Check

READINGS = "sensors.reading-taken.v1"
BOOKINGS = "parking.booking-changed.v1"
PUBLISH, TRIP = "sensors.PublishReadings", "parking.Trip"
BEGAN = datetime(2026, 5, 1, tzinfo=UTC)
STATUSES = ("HELD", "CONFIRMED", "OCCUPIED", "SETTLED")

Found = tuple[str, str, str]
Fault = Literal["lost", "other content", "other id", "swapped", "unseen"]


@dataclass
class Event:
    """On its key's partition; a copy has the same id."""

    topic: str
    key: str
    id: str
    data: dict[str, Any]


@dataclass
class Told:
    """An event with the instant at which it came about."""

    at: int
    event: Event


def reading(station: str, micros: int, value: float = 1.0) -> Event:
    measured = BEGAN + timedelta(microseconds=micros)
    identity = event_id(READINGS, station, measured.isoformat())
    data = {
        "station_id": station,
        "measured_at": measured,
        "received_at": measured,
        "measurements": [{"pollutant": "PM10", "value": value}],
    }
    return Event(READINGS, station, str(identity), data)


def booking(identity: str, revision: int) -> Event:
    data = {"booking_id": identity, "revision": revision, "status": STATUSES[revision - 1]}
    return Event(BOOKINGS, identity, str(event_id("booking-changed", identity, revision)), data)


@dataclass
class Past:
    """What happened. `partitions` are logs by key; all that share a fault's key are of its own."""

    calls: list[Call] = field(default_factory=list)
    logs: dict[str, list[Event]] = field(default_factory=dict)
    rows: list[Stored | Head | Tally] = field(default_factory=list)
    happened: int = 0
    unhappened: int = 0
    acknowledged: int = 0
    repeated: int = 0

    def station(self, name: str, draw: random.Random, calls: int, *, sure: bool = False) -> None:
        """Calls of one station, some at the same time, some of unknown end. No two stations have
        one at the same microsecond: what is of an unknown call could not be told from the other."""
        told: list[Told] = []
        sent = len(self.logs)
        for _ in range(calls):
            done = sent + 1000 * draw.randint(10, 100)
            event = reading(name, sent)
            status = "ok" if sure else draw.choice(("ok", "ok", "ok", "unknown", "failed"))
            there = status == "ok" or (status == "unknown" and draw.random() < 0.5)
            self._call(PUBLISH, name, sent, done, status, [event] if status == "ok" else [])
            if there:
                told.append(Told(draw.randint(sent, done), event))
            if status == "unknown":
                self.happened += there
                self.unhappened += not there
            # The next one may begin before this one is over, unless the order is to be sure.
            sent = done + 1000 if sure else sent + 1000 * draw.randint(1, 150)
        self.logs[name] = [one.event for one in sorted(told, key=lambda one: one.at)]

    def trip(self, name: str, draw: random.Random, *, sure: bool = False) -> None:
        """A booking and its four steps, of which the last ones may be unknown."""
        sent = draw.randint(0, 1000)
        answered = 4 if sure else draw.randint(1, 4)
        more = 0 if answered == 4 else draw.randint(0, 1)
        events = [booking(name, revision) for revision in range(1, answered + more + 1)]
        status = "ok" if answered == 4 else "unknown"
        self._call(TRIP, "", sent, sent + 50, status, events[:answered])
        self.logs[name] = events
        self.rows += [Stored("parking.booking", name), Head(BOOKINGS, name, len(events), True)]

    def repeat(self, draw: random.Random) -> None:
        """As after a crash: the newest events of a key again, in their order."""
        for log in self.logs.values():
            again = draw.randint(0, len(log))
            log += log[len(log) - again :]
            self.repeated += again

    def _call(
        self, op: str, key: str, sent: int, done: int, status: Any, events: Iterable[Event]
    ) -> None:
        ids = tuple(event.id for event in events)
        self.acknowledged += len(ids)
        began = facts.micros(BEGAN)
        self.calls.append(Call(op, key, began + sent, began + sent, began + done, status, ids))

    def plant(self, fault: Fault, key: str, draw: random.Random) -> set[Found]:
        """Into a key's log that is sure; what must be found then."""
        log = self.logs[key]
        of_booking = log[0].topic == BOOKINGS
        if fault == "swapped":
            first = draw.randrange(len(log) - 1)
            log[first], log[first + 1] = log[first + 1], log[first]
            late = log[first + 1]
            name = f"{key}#{late.data['revision']}" if of_booking else late.id
            return {("reordered", late.topic, name)}
        if fault == "unseen":
            stranger = reading(key, 77_000_000)
            log.insert(draw.randint(0, len(log)), stranger)
            return {("unseen", READINGS, stranger.id)}
        one = draw.choice(log)
        if fault == "lost":
            log.remove(one)
            if of_booking:
                revision = f"{key}#{one.data['revision']}"
                return {("lost", TRIP, one.id), ("lost", BOOKINGS, revision)}
            return {("lost", PUBLISH, one.id)}
        at = log.index(one) + 1
        if fault == "other content":
            log.insert(at, Event(one.topic, key, one.id, {**one.data, "more": "content"}))
            return {("doubled", one.topic, one.id)}
        other = Event(one.topic, key, str(event_id("other", one.id)), one.data)
        log.insert(at, other)
        if of_booking:
            return {("doubled", BOOKINGS, f"{key}@{one.data['revision']}")}
        cause = facts.joined(one.data, ("station_id", "measured_at"))
        return {("doubled", READINGS, cause), ("unseen", READINGS, other.id)}

    def events(self, draw: random.Random, partitions: int = 3) -> list[Seen]:
        """As they are read: partition by partition. Keys of a partition come mixed."""
        found = []
        places = {key: draw.randrange(partitions) for key in self.logs}
        for topic in (READINGS, BOOKINGS):
            for partition in range(partitions):
                logs = {
                    key: iter(log)
                    for key, log in self.logs.items()
                    if places[key] == partition and log and log[0].topic == topic
                }
                offset = 0
                while logs:
                    key = draw.choice(sorted(logs))
                    event = next(logs[key], None)
                    if event is None:
                        del logs[key]
                        continue
                    value = b"%d" % offset
                    place = (topic, partition, offset)
                    found.append(facts.seen(*place, event.key, event.id, value, event.data))
                    offset += draw.randint(1, 3)
        return found


ALONE = World(began=facts.micros(BEGAN), alone=True)


def check(
    calls: Iterable[Call],
    rows: Iterable[Evidence],
    folder: Path,
    world: World | None = None,
    parts: int = 64,
    read: Iterable[str] = PLACES,
) -> Check:
    with Checking(world or World(began=facts.micros(BEGAN)), folder, parts) as checking:
        for call in calls:
            checking.call(call)
        for row in rows:
            checking.row(row)
        checking.was_read(*read)
        return checking.result()


def found(result: Check) -> set[Found]:
    return {(one.kind, one.subject, one.id) for one in result.findings}
