"""What the neighbours said of a place, for the room that asked."""

from collections.abc import Sequence
from dataclasses import dataclass

from emergency.domain.context import AIR, CAMERAS, Air, LeasedCamera, Missing, air_text, video_items
from emergency.domain.vehicles import VEHICLES, ParkedCar, vehicle_items


@dataclass(frozen=True, slots=True)
class Scene:
    """`cars` is None for a room that is told of none. It holds secrets."""

    cameras: Sequence[LeasedCamera] | Missing
    air: Air | Missing | None
    cars: Sequence[ParkedCar] | Missing | None

    @property
    def again(self) -> bool:
        """Whether something is missing that may be had later; the air is worth no second try."""
        return any(isinstance(part, Missing) and part.again for part in (self.cameras, self.cars))

    @property
    def found(self) -> set[str]:
        """Names of what is not missing, of that which is worth trying again."""
        parts = {CAMERAS: self.cameras, VEHICLES: self.cars}
        return {
            name
            for name, part in parts.items()
            if part is not None and not isinstance(part, Missing)
        }

    def items(
        self, camera_metres: float, air_metres: float, car_metres: float, car_limit: int
    ) -> dict[str, str]:
        """Of the answer, in this order: cameras, air, cars."""
        cameras = (
            {CAMERAS: str(self.cameras)}
            if isinstance(self.cameras, Missing)
            else video_items(self.cameras, camera_metres)
        )
        cars = {} if self.cars is None else vehicle_items(self.cars, car_metres, car_limit)
        return {**cameras, AIR: air_text(self.air, air_metres), **cars}
