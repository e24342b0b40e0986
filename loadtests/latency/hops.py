"""From the spans of one trace to the hops of one probe; pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from loadtests.latency.probing import Sent
from loadtests.latency.receiver import Span

TOTAL = "sent → room has it"
_NANOS = 1_000_000


@dataclass(frozen=True, slots=True)
class Way:
    """What a probe goes through: batches of these topics, each handled in a span of its own, then
    the call of a room. `steps` names the hops between what is seen of it, in order."""

    topics: tuple[str, ...]
    room: str
    steps: tuple[str, ...]


DETECTION = Way(
    topics=("cameras.object-detected.v1", "cameras.alarm-escalated.v1"),
    room="112",
    steps=(
        "sent → stage takes it",
        "stage: rule, alarm, escalation committed",
        "escalation → emergency takes it",
        "emergency: incident committed",
        "committed → room is called",
        "called → room has it",
    ),
)
ACUTE = Way(
    topics=("health.acute-reading-detected.v1",),
    room="119",
    steps=(
        "sent → answered: stored, case committed",
        "answered → emergency takes it",
        "emergency: incident committed",
        "committed → room is called",
        "called → room has it",
    ),
)


@dataclass(frozen=True, slots=True)
class Hops:
    """Milliseconds of each hop, in the order of the way's steps."""

    each: tuple[float, ...]

    @property
    def total(self) -> float:
        return sum(self.each)


def hops(way: Way, sent: Sent, spans: Sequence[Span], received: Mapping[str, int]) -> Hops | None:
    """None when the trace is not whole.

    `received` is when the room had each incident's first message, nanoseconds since 1970 UTC. An
    answer that reaches the sender later than the event reaches the next counts as it: they travel
    at the same time.
    """
    first = {span.name: span for span in sorted(spans, key=lambda one: -one.start)}
    handled = [first.get(f"process {topic}") for topic in way.topics]
    call = first.get(f"tell room {way.room}")
    if call is None:
        return None
    arrived = received.get(call.attributes.get("incident_id", ""))
    if arrived is None:
        return None
    times = [sent.at]
    for span in handled:
        if span is None:
            return None
        if sent.answered is not None and len(times) == 1:
            times.append(min(sent.answered, span.start))
        times += [span.start, span.end]
    times += [call.start, arrived]
    return Hops(tuple((after - before) / _NANOS for before, after in pairwise(times)))


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest rank; `share` from above 0 to 1."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def nanoseconds(text: str) -> int:
    """Of an ISO 8601 time with a zone."""
    return int(datetime.fromisoformat(text).timestamp() * 1_000_000) * 1000
