"""Which bays of the alley have a car in them, and what their sensors have to tell."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from loadtests.city.parking.alley import Bay
from loadtests.city.parking.rates import REPEAT_SECONDS

MOST_CHANGES = 10_000
"""ASSUMPTION: what the alley's gateway keeps while nobody takes it; the oldest go first."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a sensor says, microseconds since 1970 UTC."""

    sensor_id: str
    occupied: bool
    micros: int


class Street:
    """Cars by bay; a bay has room for one. Bays without a sensor tell nothing."""

    def __init__(self, bays: Sequence[Bay]) -> None:
        self._bays = bays
        self._sensors = {bay.bay_id: bay.sensor_id for bay in bays}
        self._parked: set[str] = set()
        self._changes: deque[Reading] = deque(maxlen=MOST_CHANGES)

    def arrive(self, bay_id: str, micros: int) -> bool:
        """Drive in; False when a car stands there."""
        if bay_id in self._parked:
            return False
        self._parked.add(bay_id)
        self._tell(bay_id, True, micros)
        return True

    def leave(self, bay_id: str, micros: int) -> None:
        """Drive off."""
        self._parked.discard(bay_id)
        self._tell(bay_id, False, micros)

    def changes(self) -> tuple[Reading, ...]:
        """What changed since it was asked last, in order."""
        found = tuple(self._changes)
        self._changes.clear()
        return found

    def repeats(self, second: int, micros: int) -> tuple[Reading, ...]:
        """What the sensors say at `micros` whose turn it is, once each in REPEAT_SECONDS."""
        due = self._bays[second % REPEAT_SECONDS :: REPEAT_SECONDS]
        return tuple(Reading(bay.sensor_id, bay.bay_id in self._parked, micros) for bay in due)

    def _tell(self, bay_id: str, occupied: bool, micros: int) -> None:
        if sensor_id := self._sensors.get(bay_id):
            self._changes.append(Reading(sensor_id, occupied, micros))
