"""The acute score after NEWS2: each band, totals, severity, and which reading counts."""

from datetime import UTC, datetime, timedelta

import pytest
from health.assessment.acute import Severity, acute
from health.assessment.rulebook import load
from health.measuring.measurement import Code, Measurement

RULES = load()
AT = datetime(2026, 11, 25, 1, tzinfo=UTC)
BP, SPO2, TEMPERATURE, PULSE, BMI, GLUCOSE = Code


def reading(code: Code, value: float, minutes: float = 0) -> Measurement:
    diastolic = 30.0 if code is BP else None
    return Measurement(code, value, diastolic, None, AT + timedelta(minutes=minutes), "device-1")


@pytest.mark.parametrize(
    ("code", "scores"),
    [
        (SPO2, {50: 3, 91: 3, 91.5: 3, 92: 2, 93: 2, 93.5: 2, 94: 1, 95: 1, 95.5: 1, 96: 0}),
        (SPO2, {100: 0}),
        (BP, {40: 3, 90: 3, 90.5: 3, 91: 2, 100: 2, 101: 1, 110: 1, 111: 0}),
        (BP, {219: 0, 219.5: 3, 220: 3, 300: 3}),
        (PULSE, {20: 3, 40: 3, 41: 1, 50: 1, 50.5: 1, 51: 0, 90: 0, 90.5: 1, 91: 1}),
        (PULSE, {110: 1, 111: 2, 130: 2, 130.5: 3, 131: 3}),
        (TEMPERATURE, {30: 3, 35.0: 3, 35.05: 3, 35.1: 1, 36.0: 1, 36.1: 0, 38.0: 0}),
        (TEMPERATURE, {38.05: 1, 38.1: 1, 39.0: 1, 39.05: 2, 39.1: 2, 45: 2}),
        (BMI, {10: 0, 60: 0}),
        (GLUCOSE, {20: 0, 1000: 0}),
    ],
)
def test_each_band(code: Code, scores: dict[float, int]) -> None:
    """A value between two bands gets the worse of both."""
    assert {value: RULES.score(reading(code, value)) for value in scores} == scores


@pytest.mark.parametrize(
    ("values", "score", "threes", "severity"),
    [
        ({}, 0, 0, None),
        ({SPO2: 98, PULSE: 70}, 0, 0, None),
        ({SPO2: 92, PULSE: 120}, 4, 0, None),
        ({SPO2: 92, PULSE: 120, TEMPERATURE: 38.5}, 5, 0, Severity.URGENT),
        ({SPO2: 92, PULSE: 120, TEMPERATURE: 39.5}, 6, 0, Severity.URGENT),
        ({SPO2: 92, PULSE: 120, TEMPERATURE: 39.5, BP: 110}, 7, 0, Severity.CRITICAL),
        ({SPO2: 91}, 3, 1, Severity.URGENT),
        ({SPO2: 91, PULSE: 120}, 5, 1, Severity.URGENT),
        ({SPO2: 91, BP: 90}, 6, 2, Severity.CRITICAL),
        ({SPO2: 91, PULSE: 120, TEMPERATURE: 39.1}, 7, 1, Severity.CRITICAL),
        ({TEMPERATURE: 35.0}, 3, 1, Severity.URGENT),
        ({TEMPERATURE: 45.0}, 2, 0, None),
        ({BP: 220}, 3, 1, Severity.URGENT),
        ({PULSE: 40}, 3, 1, Severity.URGENT),
    ],
)
def test_totals(
    values: dict[Code, float], score: int, threes: int, severity: Severity | None
) -> None:
    found = acute([reading(code, value) for code, value in values.items()], RULES)
    assert (found.score, found.parameters_of_three, found.severity) == (score, threes, severity)
    assert found.acute == (severity is not None)


def test_of_each_parameter_the_newest_counts_however_they_come() -> None:
    first, again = reading(SPO2, 90, minutes=0), reading(SPO2, 97, minutes=2)
    assert acute([first, again], RULES).score == acute([again, first], RULES).score == 0
    worse = reading(SPO2, 90, minutes=2)
    assert acute([again, worse], RULES).score == 3  # of one time the later counts
    assert acute([worse, again], RULES).score == 0
