"""What is known of each topic: what makes two of its events the same, and what their order is.

The same id again with the same content is a repetition: topics are at least once, and consumers
drop it by its id. It is counted, and is no finding. `volatile` fields are of the sending, not of
what is told: cameras take a detection that a caller sends again as the same one received later.

A doubled effect is the same id with another content, or two ids for one cause. `causes` are what
an event may be the only one of.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

Data = Mapping[str, Any]

_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


@dataclass(frozen=True, slots=True)
class Seen:
    """An event on a topic. `names` are what a call may have acknowledged it by; a name is `exact`
    when no other event has it too. `needs` are ids that must be found at one of their places, too,
    when they are of `since` (microseconds since 1970) or later; `due` are places where `entity`
    must be found then. `about` and `at` are what a call with an event of this topic was about, and
    when it was intended."""

    topic: str
    partition: int
    offset: int
    key: str
    id: str
    digest: bytes
    names: tuple[tuple[str, bool], ...] = ()
    causes: tuple[str, ...] = ()
    entity: str = ""
    revision: int | None = None
    needs: tuple[tuple[tuple[str, ...], str], ...] = ()
    due: tuple[str, ...] = ()
    since: int | None = None
    about: str = ""
    at: int | None = None


def _nothing(_: Data) -> Iterable[Any]:
    return ()


@dataclass(frozen=True, slots=True)
class Facts:
    """`entity` and `revision` are fields; revisions grow per entity, and have no gap when `whole`,
    from `first` on. `natural` joins to a name that tells one event from all others. `single`: each
    event is of one call, so that an event without a call is somebody else's; `about` and `at` are
    fields that tell of which."""

    entity: tuple[str, ...] = ()
    revision: str = ""
    whole: bool = False
    first: int = 1
    natural: tuple[str, ...] = ()
    volatile: frozenset[str] = frozenset()
    causes: Callable[[Data], Iterable[str]] = _nothing
    needs: Callable[[Data], Iterable[tuple[tuple[str, ...], str]]] = _nothing
    due: tuple[str, ...] = ()
    since: str = ""
    single: bool = False
    about: str = ""
    at: str = ""


def _fields(*names: str) -> Callable[[Data], Iterable[str]]:
    return lambda data: [joined(data, names)]


def _raised(data: Data) -> Iterable[str]:
    return [
        f"alarm {data['alarm_id']}",
        *(f"detection {identity}" for identity in data["detection_ids"]),
    ]


_DETECTIONS = "cameras.object-detected.v1"
_RAISED = "cameras.alarm-raised.v1"
_ESCALATED = "cameras.alarm-escalated.v1"
_ALERTS = "sensors.air-alert-changed.v1"
_ACUTE = "health.acute-reading-detected.v1"


def _alarms_need(data: Data) -> Iterable[tuple[tuple[str, ...], str]]:
    return [((_DETECTIONS,), identity) for identity in data["detection_ids"]]


def _incidents_need(data: Data) -> Iterable[tuple[tuple[str, ...], str]]:
    causes = {
        "cameras": (_ESCALATED, "cameras.alarm"),
        "sensors": (_ALERTS, "sensors.alert"),
        "health": (_ACUTE, "health.acute_case"),
    }
    if data["source"] not in causes or data["revision"] != 1:
        return []
    return [(causes[data["source"]], data["source_reference"])]


def _incident_causes(data: Data) -> Iterable[str]:
    causes = [f"{data['incident_id']}#{data['revision']}"]
    if data["source"] in ("cameras", "sensors", "health") and data["revision"] == 1:
        causes.append(f"{data['source']} {data['source_reference']}")
    return causes


FACTS: Mapping[str, Facts] = {
    _DETECTIONS: Facts(
        entity=("detection_id",),
        natural=("camera_id", "kind", "track_id", "detected_at"),
        volatile=frozenset({"received_at"}),
        causes=_fields("camera_id", "kind", "track_id", "detected_at"),
        single=True,
        about="camera_id",
        at="detected_at",
    ),
    _RAISED: Facts(entity=("alarm_id",), causes=_raised, needs=_alarms_need, since="occurred_at"),
    "cameras.alarm-changed.v1": Facts(
        entity=("alarm_id",),
        revision="revision",
        whole=True,
        first=2,
        causes=_fields("alarm_id", "revision"),
        needs=lambda data: [((_RAISED, "cameras.alarm"), data["alarm_id"])],
    ),
    _ESCALATED: Facts(
        entity=("alarm_id",),
        causes=_fields("alarm_id"),
        needs=lambda data: [((_RAISED, "cameras.alarm"), data["alarm_id"])],
        due=("emergency.incident_alarm",),
    ),
    "cameras.camera-offline.v1": Facts(
        entity=("camera_id",), revision="changed_at", causes=_fields("camera_id", "last_heard_at")
    ),
    "cameras.camera-online.v1": Facts(
        entity=("camera_id",), revision="changed_at", causes=_fields("camera_id", "heard_since")
    ),
    "cameras.register-sealed.v1": Facts(causes=_fields("register", "day")),
    "sensors.reading-taken.v1": Facts(
        natural=("station_id", "measured_at"),
        causes=_fields("station_id", "measured_at"),
        single=True,
        about="station_id",
        at="measured_at",
    ),
    "sensors.hourly-mean-computed.v1": Facts(
        entity=("mean_id",),
        revision="revision",
        whole=True,
        natural=("station_id", "hour_end", "revision"),
        causes=_fields("mean_id", "revision"),
    ),
    "sensors.air-quality-assessed.v1": Facts(
        entity=("assessment_id",),
        revision="revision",
        causes=_fields("assessment_id", "revision"),
    ),
    _ALERTS: Facts(
        entity=("alert_id",),
        revision="sequence",
        whole=True,
        causes=_fields("alert_id", "sequence"),
    ),
    "sensors.station-silent.v1": Facts(
        entity=("station_id",),
        revision="silent_since",
        causes=_fields("station_id", "silent_since"),
    ),
    "parking.bay-status-changed.v1": Facts(
        entity=("bay_id",),
        revision="revision",
        whole=True,
        causes=_fields("bay_id", "revision"),
    ),
    "parking.booking-changed.v1": Facts(
        entity=("booking_id",),
        revision="revision",
        whole=True,
        causes=_fields("booking_id", "revision"),
        needs=lambda data: [(("parking.booking",), data["booking_id"])],
    ),
    "parking.lot-occupancy-changed.v1": Facts(
        entity=("lot_id",),
        revision="revision",
        whole=True,
        causes=_fields("lot_id", "revision"),
    ),
    "parking.dispute-opened.v1": Facts(
        entity=("dispute_id",), causes=_fields("kind", "bay_id", "since", "booking_id")
    ),
    "parking.settlement-posted.v1": Facts(
        entity=("posting_id",),
        causes=_fields("booking_id"),
        needs=lambda data: [
            (("parking.ledger_posting",), data["posting_id"]),
            (("parking.booking",), data["booking_id"]),
        ],
    ),
    "parking.ledger-sealed.v1": Facts(causes=_fields("ledger", "day")),
    "parking.register-sealed.v1": Facts(causes=_fields("register", "day")),
    "health.measurement-taken.v1": Facts(
        entity=("measurement_id",), causes=_fields("measurement_id")
    ),
    _ACUTE: Facts(
        entity=("case_id",),
        causes=_fields("case_id"),
        needs=lambda data: [(("health.acute_case",), data["case_id"])],
        due=("emergency.case",),
    ),
    "health.follow-up-due.v1": Facts(
        entity=("follow_up_id",), causes=_fields("follow_up_id", "due_at")
    ),
    "health.register-sealed.v1": Facts(causes=_fields("register", "day")),
    "emergency.incident-changed.v1": Facts(
        entity=("incident_id",),
        revision="revision",
        whole=True,
        causes=_incident_causes,
        needs=_incidents_need,
    ),
}
_GENERIC = Facts()


def of(topic: str) -> Facts:
    """Of a topic not known here: ids only."""
    return FACTS.get(topic, _GENERIC)


def micros(time: datetime) -> int:
    return (time - _EPOCH) // timedelta(microseconds=1)


def moment(micros_since_1970: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros_since_1970)


def joined(data: Data, fields: Iterable[str]) -> str:
    """A natural name: values with @ between them, times as microseconds since 1970."""
    return "@".join(str(_plain(data[field])) for field in fields)


def seen(
    topic: str,
    partition: int,
    offset: int,
    key: str,
    identity: str,
    value: bytes,
    data: Data | None,
    intended: int | None = None,
) -> Seen:
    """`data` is None for a value that is no event: it is there, and tells nothing. `intended` is
    what the driver wrote in a header."""
    facts = of(topic) if data is not None else _GENERIC
    data = data or {}
    entity = joined(data, facts.entity) if facts.entity else ""
    revision = int(_plain(data[facts.revision])) if facts.revision else None
    about = str(data[facts.about]) if facts.about else key
    at = micros(data[facts.at]) if facts.at and intended is None else intended
    # A tombstone has no id: what was acknowledged by its key was there before.
    names = {identity: True} if identity else {key: False}
    if facts.natural:
        names[joined(data, facts.natural)] = True
    if entity:
        names.setdefault(entity, revision is None)
    if entity and revision is not None:
        names[f"{entity}#{revision}"] = True
    if at is not None:
        names.setdefault(f"{about}@{at}", False)
    return Seen(
        topic,
        partition,
        offset,
        key,
        identity,
        _digest(value, data, facts.volatile),
        tuple(names.items()),
        tuple(facts.causes(data)),
        entity,
        revision,
        tuple(facts.needs(data)),
        facts.due,
        micros(data[facts.since]) if facts.since else None,
        about,
        at,
    )


def _digest(value: bytes, data: Data, volatile: frozenset[str]) -> bytes:
    told = {name: one for name, one in data.items() if name not in volatile}
    text = json.dumps(told, sort_keys=True, ensure_ascii=False, default=_plain).encode()
    return hashlib.blake2b(text if told else value, digest_size=16).digest()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return micros(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    return value if isinstance(value, str | int | float) or value is None else str(value)
