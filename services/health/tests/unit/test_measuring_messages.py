"""Measurements and assessments as messages."""

from datetime import UTC, datetime

import pytest
from city.health.v1 import kiosk_pb2 as pb
from city_backbone.errors import InvalidArgument
from google.protobuf.timestamp_pb2 import Timestamp
from health.assessment.advice import assess
from health.assessment.rulebook import load
from health.assessment.rules import Level
from health.measuring.measurement import Code, Measurement
from health.measuring.messages import (
    assessment_message,
    code_number,
    measurement,
    measurement_message,
)

AT = datetime(2026, 11, 25, 1, 2, 3, 456789, tzinfo=UTC)


@pytest.mark.parametrize(
    "given",
    [
        Measurement(Code.BLOOD_PRESSURE, 121.5, 79, None, AT, "cuff"),
        Measurement(Code.GLUCOSE, 99, None, False, AT, "strip"),
        Measurement(Code.GLUCOSE, 99, None, None, AT, ""),
        Measurement(Code.BODY_TEMPERATURE, 36.6, None, None, AT, "ear"),
    ],
)
def test_there_and_back(given: Measurement) -> None:
    assert measurement("m", measurement_message(given)) == given


def test_every_code_has_its_number() -> None:
    assert {code_number(code) for code in Code} == set(pb.MeasurementCode.values()) - {0}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"code": pb.MEASUREMENT_CODE_UNSPECIFIED}, "m.code"),
        ({"code": 99}, "m.code"),
        ({"value": 317.25}, "m.value"),
        ({"diastolic": 60}, "m.diastolic"),
        ({"fasting": True}, "m.fasting"),
        ({"taken_at": None}, "m.taken_at"),
        ({"taken_at": Timestamp(seconds=10**12)}, "m.taken_at"),
        ({"device_id": "a b"}, "m.device_id"),
    ],
)
def test_what_is_wrong_is_named_and_not_told(changes: dict[str, object], field: str) -> None:
    fields = {
        "code": pb.MEASUREMENT_CODE_HEART_RATE,
        "value": 70.0,
        "taken_at": Timestamp(seconds=1),
        "device_id": "d",
        **changes,
    }
    with pytest.raises(InvalidArgument) as refused:
        measurement("m", pb.Measurement(**fields))  # type: ignore[arg-type]
    assert refused.value.field == field
    assert "317" not in str(refused.value)


def test_levels_are_numbered_as_in_the_protocol() -> None:
    known = {name: number for name, number in pb.AdviceLevel.items() if number}
    assert {f"ADVICE_LEVEL_{level.name}": level.value for level in Level} == known


def test_assessment() -> None:
    rules = load()
    reading = Measurement(Code.OXYGEN_SATURATION, 92, None, None, AT, "clip")
    message = assessment_message(assess([reading], rules, told=False))
    assert message == pb.Assessment(
        advice=pb.ADVICE_LEVEL_CONSULT,
        text=message.text,
        acute_score=2,
        acute=False,
        rule_id="oxygen-saturation-2",
        rule_version=1,
    )
    assert message.text
