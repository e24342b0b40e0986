"""From the spans of one trace to the hops of one probe; pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from loadtests.latency.receiver import Span

STEPS = (
    "sent → stage takes it",
    "stage: rule, alarm, escalation committed",
    "escalation → emergency takes it",
    "emergency: incident committed",
    "committed → room is called",
    "called → room has it",
)
TOTAL = "sent → room has it"
_STAGE = "process cameras.object-detected.v1"
_INCIDENT = "process cameras.alarm-escalated.v1"
_CALL = "tell room 112"
_NANOS = 1_000_000


@dataclass(frozen=True, slots=True)
class Probe:
    """Milliseconds of each hop, in the order of STEPS."""

    hops: tuple[float, ...]

    @property
    def total(self) -> float:
        return sum(self.hops)


def probe(sent: int, spans: Sequence[Span], received: Mapping[str, int]) -> Probe | None:
    """None when the trace is not whole.

    `sent` and `received`, by incident, are nanoseconds since 1970 UTC: when the detection was to
    be sent, and when the room had the incident's first message.
    """
    first = {span.name: span for span in sorted(spans, key=lambda one: -one.start)}
    stage, incident, call = (first.get(name) for name in (_STAGE, _INCIDENT, _CALL))
    if stage is None or incident is None or call is None:
        return None
    arrived = received.get(call.attributes.get("incident_id", ""))
    if arrived is None:
        return None
    times = (sent, stage.start, stage.end, incident.start, incident.end, call.start, arrived)
    return Probe(tuple((after - before) / _NANOS for before, after in pairwise(times)))


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest rank; `share` from above 0 to 1."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def nanoseconds(text: str) -> int:
    """Of an ISO 8601 time with a zone."""
    return int(datetime.fromisoformat(text).timestamp() * 1_000_000) * 1000
