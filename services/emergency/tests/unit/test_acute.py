"""Reading acute readings, and the incident of one."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from city.health.v1 import kiosk_pb2, person_pb2
from emergency.context import case
from emergency.domain.acute import AcuteReading, opened
from emergency.domain.incident import Grade, Position, Source, Status
from emergency.errors import ReadingUnusable
from emergency.rules import load_rules
from google.protobuf.timestamp_pb2 import Timestamp

AT = datetime(2026, 11, 22, tzinfo=UTC)
DATA: dict[str, Any] = {
    "case_id": "6F0C8E4E-51f3-5c83-9f2a-9d6b1f7a7c11",
    "kiosk_id": "jochiwon-1",
    "place": "조치원읍\x00 행정복지센터 1층",
    "latitude": 36.6011,
    "longitude": 127.2986,
    "severity": "CRITICAL",
    "taken_at": AT - timedelta(seconds=2),
    "detected_at": AT,
}
ID = UUID(int=5)


def incident(**changes: Any) -> Any:
    now = AT + timedelta(seconds=1)
    return opened(AcuteReading.read(DATA | changes), ID, load_rules(), now)


def test_the_incident_of_an_acute_reading() -> None:
    one = incident()
    assert (one.id, one.kind, one.status) == (ID, "health.acute", Status.OCCURRED)
    assert one.source == Source("health", DATA["case_id"].lower())
    assert (one.occurred_at, one.changed_at) == (AT - timedelta(seconds=2), AT)
    facts = one.facts
    assert (facts.title, facts.grade) == ("건강 이상 감지(키오스크)", Grade.URGENT)
    assert facts.place == "조치원읍 행정복지센터 1층"
    assert facts.description == "조치원읍 행정복지센터 1층 키오스크 jochiwon-1, 위급."
    assert (facts.position, facts.desks) == (Position(36.6011, 127.2986), ("119",))
    assert facts.items == {"desks": "119", "ruleVersion": "2", "위급도": "위급"}
    assert one.alarm_at is None, "no alarm of a camera joins it"


@pytest.mark.parametrize(
    ("severity", "grade", "word"),
    [
        ("CRITICAL", Grade.URGENT, "위급"),
        ("URGENT", Grade.URGENT, "긴급"),
        ("UNKNOWN", Grade.URGENT, "미상"),
    ],
)
def test_graded_by_severity(severity: str, grade: Grade, word: str) -> None:
    facts = incident(severity=severity).facts
    assert (facts.grade, facts.items["위급도"]) == (grade, word)


def test_a_clock_that_is_ahead_does_not_count() -> None:
    ahead = AT + timedelta(hours=1)
    one = incident(taken_at=ahead, detected_at=ahead)
    assert one.occurred_at == one.changed_at == AT + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("case_id", "7"),
        ("latitude", 91.0),
        ("longitude", float("nan")),
        ("taken_at", datetime(1969, 12, 31, tzinfo=UTC)),
        ("detected_at", datetime(2200, 1, 1, tzinfo=UTC)),
    ],
)
def test_an_unusable_reading_names_its_field(field: str, value: object) -> None:
    with pytest.raises(ReadingUnusable, match=field):
        AcuteReading.read(DATA | {field: value})


@pytest.mark.parametrize(
    ("code", "values", "text"),
    [
        ("BLOOD_PRESSURE", {"value": 85, "diastolic": 50.5}, "혈압 85/50.5 mmHg"),
        ("OXYGEN_SATURATION", {"value": 88}, "산소포화도 88 %"),
        ("BODY_TEMPERATURE", {"value": 39.25}, "체온 39.25 °C"),
        ("HEART_RATE", {"value": 135}, "심박수 135 /분"),
        ("BODY_MASS_INDEX", {"value": 31.2}, "체질량지수 31.2 kg/m²"),
        ("GLUCOSE", {"value": 300, "fasting": True}, "혈당 300 mg/dL 공복"),
        ("GLUCOSE", {"value": 300, "fasting": False}, "혈당 300 mg/dL"),
        ("UNSPECIFIED", {"value": 3}, "측정값 3"),
    ],
)
def test_measurements_in_words(code: str, values: dict[str, Any], text: str) -> None:
    taken = kiosk_pb2.Measurement(
        code=kiosk_pb2.MeasurementCode.Value(f"MEASUREMENT_CODE_{code}"),
        taken_at=Timestamp(seconds=60),
        **values,
    )
    (measured,) = case.read(person_pb2.GetCaseResponse(measurements=[taken])).measurements
    assert measured.text == text
    assert measured.taken_at == datetime(1970, 1, 1, 0, 1, tzinfo=UTC)
