"""The life of bookings as stories that hypothesis makes up, in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from hypothesis import HealthCheck, settings
from parking.lots.availability import Availability, WeeklyWindow
from parking.lots.hours import Hours

from .bookings_machine import Story, World, without_gap
from .bookings_model import Model
from .bookings_parts import BAY, LIMITS, NOW, OWNER, RULES, VEHICLE


@dataclass
class Memory(Model):
    """The model as a world of its own."""

    bay_ids: Sequence[str] = ()
    owner_id: UUID = OWNER
    vehicle_id: UUID = VEHICLE

    def end(self) -> None:
        without_gap(self.history)


def begin() -> World:
    mornings = Availability(tuple(WeeklyWindow(day, Hours(0, 690)) for day in range(1, 8)))
    terms = {"alley-1": BAY, "alley-2": replace(BAY, bay_id="alley-2", availability=mornings)}
    return Memory(
        terms=terms,
        rules=RULES,
        limits=LIMITS,
        now=NOW,
        bay_ids=sorted(terms),
    )


class InMemory(Story):
    begin = staticmethod(begin)


TestInMemory = InMemory.TestCase
TestInMemory.settings = settings(
    max_examples=150,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
