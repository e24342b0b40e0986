"""Reading alarms, and distances."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from emergency.domain.alarm import Alarm, AlarmKind
from emergency.domain.incident import Position
from emergency.domain.place import box, distance_metres
from emergency.errors import AlarmUnusable
from hypothesis import given
from hypothesis import strategies as st

AT = datetime(2026, 11, 22, tzinfo=UTC)
DATA: dict[str, Any] = {
    "alarm_id": "6f0c8e4e-51f3-5c83-9f2a-9d6b1f7a7c11",
    "kind": "MISSING_PERSON",
    "site_id": "living-0001",
    "place": "의정부역 동부광장",
    "purpose": "PARK",
    "latitude": 37.7389,
    "longitude": 127.0459,
    "urgency": "URGENT",
    "occurred_at": AT,
    "escalated_at": AT,
    "escalated_by": "",
    "automatic": True,
    "reason": "a\x00b",
    "camera_ids": ["living-0001-1"],
}


def test_an_alarm_is_read_and_its_words_are_made_safe() -> None:
    alarm = Alarm.read(DATA | {"place": "역" * 9000})
    assert (alarm.id, alarm.kind) == (UUID(DATA["alarm_id"]), AlarmKind.MISSING_PERSON)
    assert (alarm.kind.incident_kind, alarm.kind.korean) == ("missing-person", "실종자")
    assert (alarm.reason, alarm.escalated_by, len(alarm.place)) == ("ab", "cameras", 500)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("alarm_id", "7"),
        ("kind", "UNKNOWN"),
        ("latitude", 91.0),
        ("longitude", float("nan")),
        ("occurred_at", datetime(1969, 12, 31, tzinfo=UTC)),
        ("escalated_at", datetime(2200, 1, 1, tzinfo=UTC)),
    ],
)
def test_an_unusable_alarm_names_its_field(field: str, value: object) -> None:
    with pytest.raises(AlarmUnusable, match=field):
        Alarm.read(DATA | {field: value})


def test_every_kind_has_its_korean_name() -> None:
    assert len({kind.korean for kind in AlarmKind}) == len(AlarmKind)


def test_a_known_distance() -> None:
    city_hall, station = Position(37.7381, 127.0337), Position(37.7386, 127.0461)
    assert distance_metres(city_hall, station) == pytest.approx(1092, rel=0.01)
    assert distance_metres(station, station) == 0


@given(
    st.builds(Position, st.floats(-89, 89), st.floats(-179, 179)),
    st.builds(Position, st.floats(-0.05, 0.05), st.floats(-0.05, 0.05)),
    st.floats(1, 3000),
)
def test_a_box_holds_all_that_is_near(place: Position, step: Position, metres: float) -> None:
    other = Position(place.latitude + step.latitude, place.longitude + step.longitude)
    south_west, north_east = box(place, metres)
    if distance_metres(place, other) <= metres:
        assert south_west.latitude <= other.latitude <= north_east.latitude
        assert south_west.longitude <= other.longitude <= north_east.longitude
