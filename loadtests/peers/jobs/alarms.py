"""Detection -> alarm, by the cameras department's own rules."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import resources
from typing import NamedTuple

import msgspec
from cameras.alarms import alarm, facts
from cameras.alarms.alarm import Alarm, Site
from cameras.alarms.rulebook import Rulebook, micros
from cameras.alarms.rules import RuleSet
from cameras.alarms.watch import Detection, Watch
from city_backbone.events import OutgoingEvent

from loadtests.peers import wire
from loadtests.peers.jobs.stage import Taken


class Place(msgspec.Struct, array_like=True):
    """What is kept of one site and kind: what is watched, and the alarms that may get witnesses."""

    watch: Watch = msgspec.field(default_factory=Watch)
    alarms: dict[int, Alarm] = msgspec.field(default_factory=dict)

    def prune(self) -> None:
        """Drop what no detection that may still come can touch."""
        self.watch.prune()
        if self.alarms:
            open_ = {anchor.number for anchor in self.watch.anchors}
            self.alarms = {number: one for number, one in self.alarms.items() if number in open_}


class Seen(NamedTuple):
    """A detection that its rule takes for sure enough."""

    site_id: str
    kind: str
    detection: Detection


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Place)


class Alarms:
    """The shipped rules at the registered sites; a Stage. Late detections are dropped."""

    topic = facts.OBJECT_DETECTED

    def __init__(self, sites: Mapping[str, Site]) -> None:
        text = resources.files("cameras.alarms").joinpath("rules.v1.json").read_bytes()
        self._book = Rulebook([msgspec.json.decode(text, type=RuleSet)])
        self._sites = sites

    def read(self, value: bytes) -> Taken[Seen] | None:
        """None when no rule takes it, or it is not sure enough."""
        data = wire.decoded(self.topic, value)
        kind, purpose, at = data["kind"], data["purpose"], micros(data["detected_at"])
        terms = self._book.pick(kind, purpose, at)
        if terms is None or data["confidence"] < terms.min_confidence:
            return None
        detection = Detection(
            data["detection_id"], data["camera_id"], data["track_id"], purpose, at, terms
        )
        site_id = data["site_id"]
        return Taken(f"{site_id}/{kind}", Seen(site_id, kind, detection))

    def fresh(self) -> Place:
        return Place()

    def take(self, state: Place, inputs: Sequence[Seen]) -> Sequence[OutgoingEvent]:
        told: list[OutgoingEvent] = []
        for seen in inputs:
            told += self._add(state, seen)
        state.prune()
        return told

    def _add(self, place: Place, seen: Seen) -> Sequence[OutgoingEvent]:
        if place.watch.late(seen.detection.at):
            return ()
        news = place.watch.add(seen.detection)
        if news is None:
            return ()
        now = datetime.now(UTC)
        before = place.alarms.get(news.number)
        if before is None:
            after = alarm.raised(self._sites[seen.site_id], seen.kind, [news], self._book, now)
        else:
            after = before.joined([news], self._book, now)
        told = facts.told(before, after)
        if after.due(now):
            before, after = after, after.escalated(alarm.AUTOMATIC, "", now)
            told += facts.told(before, after)
        place.alarms[news.number] = after
        return told

    def pack(self, state: Place) -> bytes:
        return _encoder.encode(state)

    def unpack(self, packed: bytes) -> Place:
        return _decoder.decode(packed)


def create(places: bytes) -> Alarms:
    return Alarms(msgspec.json.decode(places, type=dict[str, Site]))
