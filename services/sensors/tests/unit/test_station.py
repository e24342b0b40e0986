"""A station's registration: every field is checked, and named when wrong."""

import math

import pytest
from sensors.domain.pollutant import Pollutant
from sensors.domain.station import StationKind, station
from sensors.errors import InvalidStation

GOOD: dict[str, object] = {
    "station_id": "sejong-01",
    "name": "한솔동 1",
    "dong": "한솔동",
    "latitude": 36.48,
    "longitude": 127.25,
    "kind": StationKind.IOT,
    "pollutants": [Pollutant.O3, Pollutant.PM10],
    "interval_minutes": 10,
}


def test_pollutants_are_kept_in_one_order() -> None:
    known = station(**GOOD)  # type: ignore[arg-type]
    assert known.pollutants == (Pollutant.PM10, Pollutant.O3)
    assert known.readings_per_hour == 6


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("station_id", "", "station_id"),
        ("station_id", "Sejong", "station_id"),
        ("station_id", "a" * 65, "station_id"),
        ("name", "", "name"),
        ("name", " x", "name"),
        ("name", "a\nb", "name"),
        ("dong", "", "dong"),
        ("dong", "동" * 41, "dong"),
        ("latitude", 90.1, "position.latitude"),
        ("latitude", math.nan, "position.latitude"),
        ("longitude", -181, "position.longitude"),
        ("kind", None, "kind"),
        ("pollutants", [], "pollutants"),
        ("pollutants", [Pollutant.O3, None], "pollutants[1]"),
        ("pollutants", [Pollutant.O3, Pollutant.O3], "pollutants[1]"),
        ("interval_minutes", 0, "interval_minutes"),
        ("interval_minutes", 7, "interval_minutes"),
        ("interval_minutes", 120, "interval_minutes"),
    ],
)
def test_a_wrong_field_is_named(field: str, value: object, named: str) -> None:
    with pytest.raises(InvalidStation) as raised:
        station(**{**GOOD, field: value})  # type: ignore[arg-type]
    assert raised.value.field == named
