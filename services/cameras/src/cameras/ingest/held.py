"""A state that a camera said once and has not taken back: it is seen every second; no I/O."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from cameras.ingest.detection import Detection
from cameras.ingest.facts import micros

SECOND = timedelta(seconds=1)
CATCH_UP = 15  # seconds said at once after a pause; what is older is passed over


class StateKey(NamedTuple):
    """topic: the rule's name; instance: which of the camera's properties of that topic."""

    camera_id: str
    topic: str
    instance: str


@dataclass(frozen=True, slots=True)
class HeldState:
    """What is seen while it goes on."""

    key: StateKey
    kind: str
    track_id: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Due:
    """A held state whose next second has come. confirmed_at: when the camera last said so."""

    state: HeldState
    confirmed_at: datetime
    emit_at: datetime

    def expired(self, now: datetime, held: timedelta) -> bool:
        """Whether the camera has been silent for too long to be believed."""
        return now - self.confirmed_at >= held

    def detections(self, now: datetime) -> Sequence[Detection]:
        """One for each whole second since the last, so that every replica says the same."""
        state = self.state
        first = max(self.emit_at, first_second(now) - CATCH_UP * SECOND)
        count = (now - first) // SECOND + 1
        return [
            Detection(
                state.key.camera_id,
                state.kind,
                state.track_id,
                state.confidence,
                None,
                micros(first + number * SECOND),
            )
            for number in range(count)
        ]


def first_second(after: datetime) -> datetime:
    """The first whole second after a time."""
    return after.replace(microsecond=0) + SECOND
