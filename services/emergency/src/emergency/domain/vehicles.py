"""Cars that may block the street, in words, for the 119 room alone: they tell of people."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from emergency.domain.context import Missing
from emergency.domain.incident import Position

VEHICLES = "차량"
_UNREADABLE = "확인 불가"


@dataclass(frozen=True, slots=True)
class ParkedCar:
    """A car checked in near the incident.

    Plate or contact is empty where parking cannot read it.
    """

    plate: str = field(repr=False)
    contact: str = field(repr=False)
    bay_id: str
    distance_metres: float
    position: Position


def vehicle_items(cars: Sequence[ParkedCar] | Missing, metres: float, limit: int) -> dict[str, str]:
    """Items of the answer to the 119 room, nearest first, at most `limit` cars: all secrets."""
    if isinstance(cars, Missing):
        return {VEHICLES: str(cars)}
    named = cars[:limit]
    listed = ", ".join(f"{_plate(car)} ({car.distance_metres:.0f} m)" for car in named)
    further = f" 외 {len(cars) - len(named)}대" if len(cars) > len(named) else ""
    items = {VEHICLES: f"{listed}{further}" or f"반경 {metres:g} m 안에 없음"}
    for number, car in enumerate(named, 1):
        key = f"{VEHICLES} {number}"
        place = car.position
        items[key] = f"{_plate(car)} ({car.distance_metres:.0f} m, {car.bay_id})"
        items[f"{key} 연락처"] = car.contact or _UNREADABLE
        items[f"{key} 위치"] = f"{place.latitude:.6f},{place.longitude:.6f}"
    return items


def _plate(car: ParkedCar) -> str:
    return car.plate or f"번호 {_UNREADABLE}"
