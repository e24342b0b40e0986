"""Stations: where they stand and what they measure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sensors.domain.pollutant import Pollutant
from sensors.errors import InvalidStation

MINUTES_PER_HOUR = 60
MAX_NAME = 100
MAX_DONG = 40
_ID = re.compile(r"[a-z0-9-]{1,64}")


class StationKind(StrEnum):
    """OFFICIAL is of the national network, IOT of the city's own."""

    OFFICIAL = "OFFICIAL"
    IOT = "IOT"


@dataclass(frozen=True, slots=True)
class Station:
    """Position in degrees, WGS 84; interval in minutes between readings. Build with `station`."""

    station_id: str
    name: str
    dong: str
    latitude: float
    longitude: float
    kind: StationKind
    pollutants: tuple[Pollutant, ...]
    interval_minutes: int
    retired: bool = False

    @property
    def readings_per_hour(self) -> int:
        return MINUTES_PER_HOUR // self.interval_minutes


def is_station_id(text: str) -> bool:
    """1 to 64 of a-z, 0-9 and hyphen."""
    return _ID.fullmatch(text) is not None


def station(
    *,
    station_id: str,
    name: str,
    dong: str,
    latitude: float,
    longitude: float,
    kind: StationKind | None,
    pollutants: Sequence[Pollutant | None],
    interval_minutes: int,
) -> Station:
    """A checked station. None stands for what the caller could not name.

    Raises InvalidStation naming the first wrong field.
    """
    if not is_station_id(station_id):
        raise InvalidStation(
            "station_id", f"expected 1 to 64 of a-z, 0-9 and hyphen, got {station_id!r}"
        )
    _check_text("name", name, MAX_NAME)
    _check_text("dong", dong, MAX_DONG)
    _check_degrees("position.latitude", latitude, 90)
    _check_degrees("position.longitude", longitude, 180)
    if kind is None:
        raise InvalidStation("kind", "expected official or IoT")
    if not pollutants:
        raise InvalidStation("pollutants", "expected at least one")
    known: list[Pollutant] = []
    for index, pollutant in enumerate(pollutants):
        if pollutant is None:
            raise InvalidStation(f"pollutants[{index}]", "expected a known pollutant")
        if pollutant in known:
            raise InvalidStation(f"pollutants[{index}]", f"{pollutant} is listed twice")
        known.append(pollutant)
    if not 1 <= interval_minutes <= MINUTES_PER_HOUR or MINUTES_PER_HOUR % interval_minutes:
        raise InvalidStation(
            "interval_minutes", f"expected a divisor of 60, got {interval_minutes}"
        )
    return Station(
        station_id=station_id,
        name=name,
        dong=dong,
        latitude=latitude,
        longitude=longitude,
        kind=kind,
        pollutants=tuple(pollutant for pollutant in Pollutant if pollutant in known),
        interval_minutes=interval_minutes,
    )


def _check_text(field: str, value: str, longest: int) -> None:
    if not value or value != value.strip() or len(value) > longest or not value.isprintable():
        raise InvalidStation(
            field, f"expected 1 to {longest} printable characters, none blank at the ends"
        )


def _check_degrees(field: str, value: float, limit: int) -> None:
    if not -limit <= value <= limit:
        raise InvalidStation(field, f"expected -{limit} to {limit} degrees, got {value}")
