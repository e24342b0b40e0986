"""A batch as it was read, before any of it has an effect."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from aiokafka import ConsumerRecord

from city_backbone.events import Event
from city_backbone.stream.deadletter import Failure


@dataclass(slots=True)
class Sorted:
    """What becomes of the records of a batch: read, not readable, or waiting; each in its order."""

    events: list[tuple[ConsumerRecord, Event]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    parked: list[ConsumerRecord] = field(default_factory=list)

    def behind(self, keys: set[bytes | None]) -> "Sorted":
        """With all records of `keys` parked, in their order."""
        if not keys:
            return self
        events = [(record, event) for record, event in self.events if record.key not in keys]
        failures = [failure for failure in self.failures if failure.record.key not in keys]
        late = [record for record, _ in self.events if record.key in keys]
        late += [failure.record for failure in self.failures if failure.record.key in keys]
        parked = sorted([*self.parked, *late], key=lambda record: record.offset)
        return Sorted(events, failures, parked)

    def of(self, events: Sequence[Event]) -> "Sorted":
        """Without all other events."""
        offsets = {event.offset for event in events}
        kept = [(record, event) for record, event in self.events if event.offset in offsets]
        return Sorted(kept, self.failures, self.parked)

    def records(self) -> Iterator[ConsumerRecord]:
        yield from (record for record, _ in self.events)
        yield from (failure.record for failure in self.failures)
        yield from self.parked

    def extend(self, part: "Sorted") -> None:
        self.events += part.events
        self.failures += part.failures
        self.parked += part.parked

    def __bool__(self) -> bool:
        return bool(self.events or self.failures or self.parked)
