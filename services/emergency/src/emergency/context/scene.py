"""What the neighbours said of a place, for the room that asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from emergency.domain.cases import CASES, Answer, case_items
from emergency.domain.context import AIR, CAMERAS, Air, LeasedCamera, Missing, air_text, video_items
from emergency.domain.vehicles import VEHICLES, ParkedCar, vehicle_items


@dataclass(frozen=True, slots=True)
class Scene:
    """`cars` is None for a room that is told of none, and gets no `cases`. It holds secrets."""

    cameras: Sequence[LeasedCamera] | Missing
    air: Air | Missing | None
    cars: Sequence[ParkedCar] | Missing | None
    cases: Sequence[Answer] = ()

    @property
    def again(self) -> bool:
        """Whether something is missing that may be had later; the air is worth no second try."""
        return any(isinstance(part, Missing) and part.again for part in self._parts.values())

    @property
    def found(self) -> set[str]:
        """Names of what is not missing, of that which is worth trying again."""
        return {
            name
            for name, part in self._parts.items()
            if part is not None and not isinstance(part, Missing)
        }

    def items(
        self, camera_metres: float, air_metres: float, car_metres: float, car_limit: int
    ) -> dict[str, str]:
        """Of the answer, in this order: cases, cameras, air, cars."""
        cameras = (
            {CAMERAS: str(self.cameras)}
            if isinstance(self.cameras, Missing)
            else video_items(self.cameras, camera_metres)
        )
        cars = {} if self.cars is None else vehicle_items(self.cars, car_metres, car_limit)
        return {
            **case_items(self.cases),
            **cameras,
            AIR: air_text(self.air, air_metres),
            **cars,
        }

    @property
    def _parts(self) -> Mapping[str, object]:
        return {
            CAMERAS: self.cameras,
            VEHICLES: self.cars,
            **{f"{CASES} {one.incident_id}": one.case for one in self.cases},
        }
