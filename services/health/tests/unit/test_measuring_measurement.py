"""What a device can believably show, and that a refusal never tells what was measured."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from health.errors import Invalid
from health.measuring.measurement import Code, Measurement, must_be_plausible

AT = datetime(2026, 11, 25, 1, tzinfo=UTC)
BP, SPO2, TEMPERATURE, PULSE, BMI, GLUCOSE = Code


def reading(
    code: Code, value: float, diastolic: float | None = None, fasting: bool | None = None
) -> Measurement:
    return Measurement(code, value, diastolic, fasting, AT, "cuff-1")


def refusal(measurement: Measurement) -> Invalid:
    with pytest.raises(Invalid) as refused:
        must_be_plausible(measurement)
    return refused.value


@pytest.mark.parametrize(
    ("code", "least", "most", "unit", "outside"),
    [
        (SPO2, 50, 100, "%", (49.9, 100.1)),
        (TEMPERATURE, 30, 45, "Cel", (29.9, 45.1, 98.6)),
        (PULSE, 20, 300, "/min", (19, 301)),
        (BMI, 8, 100, "kg/m2", (7.9, 100.1)),
        (GLUCOSE, 20, 1000, "mg/dL", (5.5, 19, 1001)),
    ],
)
def test_bounds(
    code: Code, least: float, most: float, unit: str, outside: tuple[float, ...]
) -> None:
    for value in (least, most):
        must_be_plausible(reading(code, value))
    for value in (*outside, float("nan"), float("inf"), -float("inf")):
        refused = refusal(reading(code, value))
        assert (refused.field, refused.expected) == (
            "value",
            f"expected {least} to {most} {unit}",
        )


def test_bounds_of_blood_pressure() -> None:
    for systolic, diastolic in ((40, 20), (300, 200), (120, 119.9)):
        must_be_plausible(reading(BP, systolic, diastolic))
    for systolic, diastolic, field in (
        (39, 20, "value"),
        (301, 80, "value"),
        (120, 19, "diastolic"),
        (300, 201, "diastolic"),
        (120, 120, "diastolic"),
        (80, 120, "diastolic"),
        (120, float("nan"), "diastolic"),
    ):
        assert refusal(reading(BP, systolic, diastolic)).field == field
    assert refusal(reading(BP, 120)).field == "diastolic"


@pytest.mark.parametrize("code", [code for code in Code if code is not BP])
def test_only_a_blood_pressure_has_a_diastolic(code: Code) -> None:
    assert refusal(reading(code, 50 if code is not TEMPERATURE else 37, 30)).field == "diastolic"


@pytest.mark.parametrize("fasting", [True, False, None])
def test_fasting_is_said_of_glucose_only(fasting: bool | None) -> None:
    must_be_plausible(reading(GLUCOSE, 90, fasting=fasting))
    if fasting is not None:
        assert refusal(reading(PULSE, 90, fasting=fasting)).field == "fasting"


@pytest.mark.parametrize(
    ("device_id", "fine"),
    [
        ("", True),
        ("d", True),
        ("Cuff:7.a_b-c", True),
        ("a" * 64, True),
        ("a" * 65, False),
        ("-a", False),
        ("혈압계", False),
        ("a b", False),
        ("a\n", False),
    ],
)
def test_device_ids(device_id: str, fine: bool) -> None:
    measurement = replace(reading(PULSE, 70), device_id=device_id)
    if fine:
        must_be_plausible(measurement)
    else:
        assert refusal(measurement).field == "device_id"


@pytest.mark.parametrize(
    "measurement",
    [
        reading(PULSE, 317.25),
        reading(BP, 317.25, 80),
        reading(BP, 120, 317.25),
        reading(BP, 117.25, 117.25),
        reading(GLUCOSE, 9317.25, fasting=True),
    ],
)
def test_a_refusal_does_not_tell_what_was_measured(measurement: Measurement) -> None:
    assert "17.25" not in str(refusal(measurement))


def test_codes_and_units() -> None:
    assert {code: (code.loinc, code.unit) for code in Code} == {
        BP: ("85354-9", "mm[Hg]"),
        SPO2: ("59408-5", "%"),
        TEMPERATURE: ("8310-5", "Cel"),
        PULSE: ("8867-4", "/min"),
        BMI: ("39156-5", "kg/m2"),
        GLUCOSE: ("2339-0", "mg/dL"),
    }
