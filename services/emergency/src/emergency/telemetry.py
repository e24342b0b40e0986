"""The department's metrics, each named once."""

from collections.abc import Iterable, Mapping

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from emergency.domain import acute
from emergency.domain.alarm import AlarmKind
from emergency.domain.incident import Incident
from emergency.domain.scsns.linked import SERVICES

_KINDS = frozenset({acute.KIND, *(kind.incident_kind for kind in AlarmKind)})
_BREAKER = {"closed": 0, "half-opened": 1, "opened": 2}


class Metrics:
    """Counters, and gauges over values that others refresh: reading them never waits."""

    def __init__(self, meter: Meter) -> None:
        self._incidents = meter.create_counter(
            "city.emergency.incidents", description="Changes of incidents, by kind and new status"
        )
        self._refused = meter.create_counter(
            "city.emergency.refused", description="Changes not made, by source and reason"
        )
        self._messages = meter.create_counter(
            "city.emergency.room.messages",
            description="Attempts to tell a room: acknowledged, refused or unavailable",
        )
        self._asked = meter.create_counter(
            "city.emergency.context",
            description="Questions to neighbours about incidents: answered or missing",
        )
        self._pending: Mapping[str, float] = {}
        self._breakers: dict[str, str] = {}
        meter.create_observable_gauge(
            "city.emergency.room.oldest_pending_seconds",
            [self._observe_pending],
            unit="s",
            description="Age of the oldest message that a room has not acknowledged",
        )
        meter.create_observable_gauge(
            "city.emergency.room.breaker",
            [self._observe_breakers],
            description="0 closed, 1 half-open, 2 open: no calls until the next probe",
        )

    def changed(self, incident: Incident) -> None:
        """An incident has a new revision."""
        kind = incident.kind
        # A caller may name any kind; a label may not have any number of values.
        bounded = kind.startswith("air.") or kind in SERVICES or kind in _KINDS
        label = kind if bounded else "other"
        self._incidents.add(1, {"kind": label, "status": incident.status})

    def refused(self, source: str, reason: str) -> None:
        """A change was not made; both from a bounded set."""
        self._refused.add(1, {"source": source, "reason": reason})

    def asked(self, department: str, outcome: str) -> None:
        """A neighbour was asked for context."""
        self._asked.add(1, {"city.department": department, "outcome": outcome})

    def attempted(self, room: str, outcome: str) -> None:
        """A message was sent, or could not be."""
        self._messages.add(1, {"room": room, "outcome": outcome})

    def pending(self, seconds: Mapping[str, float]) -> None:
        """Ages of the oldest messages by room, every room named."""
        self._pending = seconds

    def breaker(self, room: str, state: str) -> None:
        """The room's breaker is in this state now."""
        self._breakers[room] = state

    def _observe_pending(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(value, {"room": room}) for room, value in self._pending.items()]

    def _observe_breakers(self, _: CallbackOptions) -> Iterable[Observation]:
        return [
            Observation(_BREAKER[state], {"room": room})
            for room, state in list(self._breakers.items())
        ]
