"""What a camera said in a WS-BaseNotification message, as values; no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from cameras.ingest.topic import Topic

MAX_SAMPLE = 4_096  # bytes of UTF-8


class Operation(StrEnum):
    """tt:PropertyOperation; a message without one is news, as a changed property is."""

    CHANGED = "Changed"
    INITIALIZED = "Initialized"
    DELETED = "Deleted"


@dataclass(frozen=True, slots=True)
class Notification:
    """Items by name, as sent; of a name sent twice the first counts. time: the camera's."""

    topic: Topic
    time: datetime
    operation: Operation = Operation.CHANGED
    source: Mapping[str, str] = field(default_factory=dict)
    key: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)

    def item(self, name: str) -> str | None:
        """Of the data, else the key, else the source; None when absent or blank."""
        for items in (self.data, self.key, self.source):
            if (value := items.get(name, "").strip()) != "":
                return value
        return None

    def sample(self) -> str:
        """For who extends the mapping: all names, but of the values only those that say nothing
        of a person: true and false, numbers of up to four digits, and what the source is called.
        """
        parts = [f"{self.operation} {self.time.isoformat()}"]
        for label, items in (("Source", self.source), ("Key", self.key), ("Data", self.data)):
            parts.extend(
                f"{label} {name}={value if label == 'Source' else _masked(value)}"
                for name, value in items.items()
            )
        return "\n".join(parts).encode()[:MAX_SAMPLE].decode(errors="ignore")


class Why(StrEnum):
    """Why a message was parked; a fixed list, so that the table and the metric stay small."""

    NO_TOPIC = "no topic"
    BAD_TOPIC = "bad topic"
    NO_MESSAGE = "no tt:Message"
    BAD_TIME = "bad UtcTime"
    BAD_OPERATION = "bad PropertyOperation"
    UNKNOWN_TOPIC = "unknown topic"
    NO_STATE = "no state item"
    BAD_CONFIDENCE = "bad confidence"
    TOO_MANY_STATES = "too many states"
    UNKNOWN_CAMERA = "unknown camera"
    RETIRED_CAMERA = "retired camera"
    FUTURE_TIME = "clock ahead"


@dataclass(frozen=True, slots=True)
class Unusable:
    """A message that says nothing we can take; topic "" when it has none."""

    topic: str
    why: Why
    sample: str


def utc(text: str) -> datetime:
    """A tt:Message's UtcTime; without a zone it is UTC. Raises ValueError."""
    time = datetime.fromisoformat(text.strip())
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _masked(value: str) -> str:
    text = value.strip().lower()
    plain = text in ("true", "false", "active", "inactive", "on", "off")
    number = text.lstrip("-").replace(".", "", 1)
    if plain or not text or (number.isascii() and number.isdigit() and len(number) <= 4):
        return value
    return f"({len(value)} characters)"
