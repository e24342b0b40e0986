"""Detection -> alarm: the modelled city's detections at its evening rate, as real events."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from typing import Any, NamedTuple

from cameras.alarms import facts
from cameras.alarms.alarm import Site
from cameras.directory import CameraPlace
from cameras.ingest.detection import Box, Detection
from cameras.ingest.facts import moment, object_detected
from cameras.settings import CamerasSettings
from city_backbone.database import Connection
from city_backbone.events import OutgoingEvent

from loadtests.city.cameras.background import Load, detections
from loadtests.city.cameras.estate import estate
from loadtests.peers.jobs.city import Outcome, Told

SEED = 1
EVENING = int(datetime(2026, 11, 20, 9, tzinfo=UTC).timestamp())
"""18:00 in Seoul, the busiest hour: about 400 a second."""
ALARMS_PER_HOUR = 600.0
EVENTFUL_SHARE, EVENTFUL_ALARMS_PER_HOUR = 0.1, 7_200.0
"""Assumption: one detection in a hundred does something, enough for a percentile of latency."""


class Ended(NamedTuple):
    """An alarm as it is in the end."""

    site_id: str
    kind: str
    rule_id: str
    occurred_at: datetime
    witnesses: tuple[tuple[str, str], ...]
    """Camera and track, sorted."""


class AlarmsCity:
    """A City."""

    job = "alarms"
    service = "cameras"
    settings = CamerasSettings
    topic = facts.OBJECT_DETECTED
    outputs = (facts.ALARM_RAISED, facts.ALARM_CHANGED, facts.ALARM_ESCALATED)
    tables = "truncate alarm, alarm_change, site_watch, outbox, inbox"

    def places(self) -> Mapping[str, Site]:
        return {one.site_id: Site(one.site_id, one.name, *one.point) for one in estate(SEED).sites}

    def events(self, number: int) -> Sequence[OutgoingEvent]:
        return list(islice(seen(Load(SEED, 1.0, ALARMS_PER_HOUR)), number))

    def eventful(self, number: int) -> Sequence[OutgoingEvent]:
        return list(islice(seen(Load(SEED, EVENTFUL_SHARE, EVENTFUL_ALARMS_PER_HOUR)), number))

    async def register(self, connection: Connection, now: datetime) -> None:
        await connection.cursor().executemany(
            "insert into site (site_id, name, purpose, position)"
            " values (%s, %s, 'PARK', point(%s, %s)) on conflict do nothing",
            [(s.site_id, s.place, s.longitude, s.latitude) for s in self.places().values()],
        )

    def outcome(self, told: Iterable[Told]) -> Outcome:
        alarms: dict[Hashable, Ended] = {}
        # Per alarm in order; but a change may be read before the raising, from another topic.
        ordered = sorted(told, key=lambda one: (one[0] != facts.ALARM_RAISED, _revision(one)))
        for topic, data in ordered:
            if topic == facts.ALARM_ESCALATED:
                continue
            if topic == facts.ALARM_RAISED:
                kind, rule_id = data["kind"], data["rule_id"]
            else:
                _, kind, rule_id, _, _ = alarms[data["alarm_id"]]
            alarms[data["alarm_id"]] = Ended(
                data["site_id"], kind, rule_id, data["occurred_at"], tuple(sorted(_witnesses(data)))
            )
        return alarms

    def effects(self, told: Told) -> Iterable[Hashable]:
        """An alarm's witnesses."""
        topic, data = told
        if topic == facts.ALARM_ESCALATED:
            return []
        return [(data["alarm_id"], *witness) for witness in _witnesses(data)]


def seen(load: Load) -> Iterator[OutgoingEvent]:
    """What ingest lets in, in the order of time."""
    places = {
        one.camera_id: CameraPlace(one.camera_id, one.site_id, str(one.purpose), False)
        for one in estate(SEED).cameras
    }
    for second in count(EVENING):
        for one in detections(load, second):
            if one.fault is None:
                it = one.box
                box = None if it is None else Box(it.x, it.y, it.width, it.height)
                detection = Detection(
                    one.camera_id, str(one.kind), one.track_id, one.confidence, box, one.micros
                )
                received_at = moment(one.micros) + timedelta(milliseconds=40)
                yield object_detected(detection, places[one.camera_id], received_at)


def _witnesses(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(one["camera_id"], one["track_id"]) for one in data["witnesses"]]


def _revision(told: Told) -> int:
    return int(told[1].get("revision", 0))


CITY = AlarmsCity()
