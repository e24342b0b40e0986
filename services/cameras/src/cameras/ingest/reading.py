"""What a camera's message means: a detection, a state that begins or ends, or nothing; no I/O."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from city_backbone.events import event_id

from cameras.ingest.detection import MAX_AHEAD_MICROS, MAX_BEHIND_MICROS, Detection, is_track
from cameras.ingest.facts import micros
from cameras.ingest.held import HeldState, StateKey
from cameras.ingest.mapping import Rule, Topics
from cameras.ingest.notification import Notification, Operation, Unusable, Why
from cameras.ingest.topic import short

OTHER = "other"  # the label of every topic without a rule

_AHEAD = timedelta(microseconds=MAX_AHEAD_MICROS)


class Outcome(StrEnum):
    """Of one message, for the metric."""

    DETECTION = "detection"
    OVER = "over"  # IsX=false, or the property was deleted
    INITIAL = "initial"  # the state at the time of subscribing: no news
    IGNORED = "ignored"  # a topic, or an object class, that is no detection
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class Reading:
    """topic: the rule's name, or OTHER. A state that `begins` has its first detection with it."""

    topic: str
    outcome: Outcome
    detection: Detection | None = None
    begins: HeldState | None = None
    confirms: StateKey | None = None
    ends: StateKey | None = None
    parked: Unusable | None = None


def interpret(
    message: Notification | Unusable, camera_id: str, topics: Topics, now: datetime
) -> Reading:
    """By the first rule that fits the topic."""
    if isinstance(message, Unusable):
        return Reading(OTHER, Outcome.PARKED, parked=message)
    rule = topics.find(message.topic)
    if rule is None:
        return _parked(OTHER, message, Why.UNKNOWN_TOPIC)
    if rule.kind is None:
        return Reading(rule.name, Outcome.IGNORED)
    key = StateKey(camera_id, rule.name, _instance(message))
    persists = key if rule.persists else None
    if message.operation is Operation.DELETED:
        return Reading(rule.name, Outcome.OVER, ends=persists)
    active = rule.active(message)
    if active is None:
        return _parked(rule.name, message, Why.NO_STATE)
    if not active:
        return Reading(rule.name, Outcome.OVER, ends=persists)
    if not rule.wants(message):
        return Reading(rule.name, Outcome.IGNORED)
    if message.operation is Operation.INITIALIZED:
        return Reading(rule.name, Outcome.INITIAL, confirms=persists)
    return _seen(rule, rule.kind, message, key, now)


def _seen(rule: Rule, kind: str, message: Notification, key: StateKey, now: datetime) -> Reading:
    if message.time > now + _AHEAD:
        return _parked(rule.name, message, Why.FUTURE_TIME)
    seen_at = micros(message.time)
    if seen_at < micros(now) - MAX_BEHIND_MICROS:
        return _parked(rule.name, message, Why.BAD_TIME)
    try:
        confidence = rule.sureness(message)
    except ValueError:
        return _parked(rule.name, message, Why.BAD_CONFIDENCE)
    track_id = _track(rule, message, key)
    detection = Detection(key.camera_id, kind, track_id, confidence, None, seen_at)
    begins = HeldState(key, kind, track_id, confidence) if rule.persists else None
    return Reading(rule.name, Outcome.DETECTION, detection=detection, begins=begins)


def _parked(topic: str, message: Notification, why: Why) -> Reading:
    unusable = Unusable(short(message.topic), why, message.sample())
    return Reading(topic, Outcome.PARKED, parked=unusable)


def _instance(message: Notification) -> str:
    """Which of the topic's properties it is: ONVIF names them by their source and key."""
    items = sorted([*message.source.items(), *message.key.items()])
    return event_id("onvif-instance", *(part for item in items for part in item)).hex[:12]


def _track(rule: Rule, message: Notification, key: StateKey) -> str:
    for name in rule.track:
        value = message.item(name)
        if value is not None and is_track(value):
            return value
    return f"{rule.name}-{key.instance}"
