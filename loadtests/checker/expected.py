"""Which operation's ids are to be found where.

An id is one of an event's names: its `ce_id`, which all operations of the driver tell, its entity's
id (`<booking_id>`), one revision of it (`<booking_id>#<revision>`), or its natural name
(`<station_id>@<measured_at in microseconds>`). It must be at one of the operation's places.
`<place>/<id>` names the one place itself.

A call whose end is unknown says no ids. Whether it happened is asked by what it was about, and for
the instant that was intended where that travels with it.
"""

from collections.abc import Mapping

from loadtests.checker.facts import FACTS

TABLES = (
    "cameras.alarm",
    "cameras.idempotency",
    "emergency.case",
    "emergency.idempotency",
    "emergency.incident",
    "emergency.incident_alarm",
    "emergency.room_message",
    "health.acute_case",
    "health.idempotency",
    "health.kiosk_session",
    "health.measurement",
    "parking.booking",
    "parking.idempotency",
    "parking.ledger_posting",
    "parking.occupancy_reading",
    "sensors.accepted_reading",
    "sensors.alert",
    "sensors.idempotency",
)
PLACES = (*FACTS, *TABLES)

DIRECT = "kafka:"
_ANY_RPC = "grpc:city."

_DETECTIONS = ("cameras.object-detected.v1",)
_READINGS = ("sensors.reading-taken.v1",)
_HEALTH = ("health.measurement-taken.v1", "health.acute-reading-detected.v1")
_OPERATIONS: Mapping[str, tuple[str, ...]] = {
    "cameras.PublishDetections": _DETECTIONS,
    "cameras.Arson": _DETECTIONS,
    "sensors.PublishReadings": _READINGS,
    "parking.Trip": ("parking.booking-changed.v1",),
    "parking.ReportOccupancy": ("parking.occupancy_reading",),
    "health.Session": _HEALTH,
    "health.Acute": _HEALTH,
}
# Of these the instant is not kept.
_SESSIONS = {"health.Session": "health.kiosk_session", "health.Acute": "health.kiosk_session"}
_MOMENTS = ("parking.occupancy_reading", *_DETECTIONS, *_READINGS)


def places(op: str, identity: str) -> tuple[tuple[str, ...], str]:
    """Where to look, and for what. Nowhere for an operation that is not named here."""
    place, slash, rest = identity.partition("/")
    if slash and place in PLACES:
        return (place,), rest
    return of(op), identity


def of(op: str) -> tuple[str, ...]:
    """The places of an operation."""
    if op.startswith(DIRECT):
        return (op.removeprefix(DIRECT),)
    if op.startswith(_ANY_RPC):
        # It acknowledges its idempotency key.
        return (f"{op.removeprefix(_ANY_RPC).partition('.')[0]}.idempotency",)
    return _OPERATIONS.get(op, ())


def guessed(op: str, key: str, intended: int) -> tuple[tuple[str, ...], str] | None:
    """Where to look whether a call happened that says no ids, and for what; None: no way to."""
    if not key:
        return None
    if op in _SESSIONS:
        return (_SESSIONS[op],), key
    if op.startswith(DIRECT) or (of(op) and set(of(op)) <= set(_MOMENTS)):
        return of(op), f"{key}@{intended}"
    return None
