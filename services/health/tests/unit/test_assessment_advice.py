"""Advice at each threshold, and that worse is never milder."""

from datetime import UTC, datetime

import pytest
from health.assessment.advice import advise, assess
from health.assessment.rulebook import load
from health.assessment.rules import Level
from health.measuring.measurement import Code, Measurement
from hypothesis import given
from hypothesis import strategies as st

RULES = load()
AT = datetime(2026, 11, 25, 1, tzinfo=UTC)
BP, SPO2, TEMPERATURE, PULSE, BMI, GLUCOSE = Code


def reading(
    code: Code, value: float, diastolic: float | None = None, fasting: bool | None = None
) -> Measurement:
    return Measurement(code, value, diastolic, fasting, AT, "device-1")


@pytest.mark.parametrize(
    ("systolic", "diastolic", "rule", "level"),
    [
        (90, 60, "acute", Level.CONSULT_SOON),
        (91, 60, "normal", Level.NORMAL),
        (119, 79, "normal", Level.NORMAL),
        (120, 79, "elevated", Level.ATTENTION),
        (129, 79, "elevated", Level.ATTENTION),
        (119, 80, "pre-hypertension", Level.ATTENTION),
        (129, 80, "pre-hypertension", Level.ATTENTION),
        (130, 79, "pre-hypertension", Level.ATTENTION),
        (139, 89, "pre-hypertension", Level.ATTENTION),
        (140, 79, "stage-1", Level.CONSULT),
        (119, 90, "stage-1", Level.CONSULT),
        (159, 99, "stage-1", Level.CONSULT),
        (160, 79, "stage-2", Level.CONSULT_SOON),
        (119, 100, "stage-2", Level.CONSULT_SOON),
        (219, 130, "stage-2", Level.CONSULT_SOON),
        (220, 130, "acute", Level.CONSULT_SOON),
    ],
)
def test_blood_pressure(systolic: float, diastolic: float, rule: str, level: Level) -> None:
    advice = advise(reading(BP, systolic, diastolic), RULES)
    assert (advice.rule_id, advice.level) == (f"blood-pressure-{rule}", level)


@pytest.mark.parametrize(
    ("value", "fasting", "rule", "level"),
    [
        (53, False, "very-low", Level.CONSULT_SOON),
        (54, False, "low", Level.CONSULT),
        (69, True, "low", Level.CONSULT),
        (70, True, "normal", Level.NORMAL),
        (99, True, "normal", Level.NORMAL),
        (100, True, "fasting-100", Level.ATTENTION),
        (125, True, "fasting-100", Level.ATTENTION),
        (126, True, "fasting-126", Level.CONSULT),
        (199, True, "fasting-126", Level.CONSULT),
        (126, False, "normal", Level.NORMAL),
        (199, False, "normal", Level.NORMAL),
        (199, None, "normal", Level.NORMAL),
        (200, False, "200", Level.CONSULT),
        (200, None, "200", Level.CONSULT),
        (200, True, "200", Level.CONSULT),
    ],
)
def test_glucose(value: float, fasting: bool | None, rule: str, level: Level) -> None:
    advice = advise(reading(GLUCOSE, value, fasting=fasting), RULES)
    assert (advice.rule_id, advice.level) == (f"glucose-{rule}", level)


@pytest.mark.parametrize(
    ("code", "value", "rule", "level"),
    [
        (BMI, 18.4, "body-mass-index-low", Level.ATTENTION),
        (BMI, 18.5, "body-mass-index-normal", Level.NORMAL),
        (BMI, 22.9, "body-mass-index-normal", Level.NORMAL),
        (BMI, 23, "body-mass-index-23", Level.ATTENTION),
        (BMI, 24.9, "body-mass-index-23", Level.ATTENTION),
        (BMI, 25, "body-mass-index-25", Level.ATTENTION),
        (BMI, 29.9, "body-mass-index-25", Level.ATTENTION),
        (BMI, 30, "body-mass-index-30", Level.CONSULT),
        (SPO2, 91, "oxygen-saturation-3", Level.CONSULT_SOON),
        (SPO2, 92, "oxygen-saturation-2", Level.CONSULT),
        (SPO2, 93, "oxygen-saturation-2", Level.CONSULT),
        (SPO2, 94, "oxygen-saturation-1", Level.ATTENTION),
        (SPO2, 95, "oxygen-saturation-1", Level.ATTENTION),
        (SPO2, 96, "oxygen-saturation-normal", Level.NORMAL),
        (TEMPERATURE, 35.0, "body-temperature-3", Level.CONSULT_SOON),
        (TEMPERATURE, 35.1, "body-temperature-1", Level.ATTENTION),
        (TEMPERATURE, 36.0, "body-temperature-1", Level.ATTENTION),
        (TEMPERATURE, 36.1, "body-temperature-normal", Level.NORMAL),
        (TEMPERATURE, 38.0, "body-temperature-normal", Level.NORMAL),
        (TEMPERATURE, 38.1, "body-temperature-1", Level.ATTENTION),
        (TEMPERATURE, 39.0, "body-temperature-1", Level.ATTENTION),
        (TEMPERATURE, 39.1, "body-temperature-2", Level.CONSULT),
        (PULSE, 40, "heart-rate-3", Level.CONSULT_SOON),
        (PULSE, 41, "heart-rate-1", Level.ATTENTION),
        (PULSE, 50, "heart-rate-1", Level.ATTENTION),
        (PULSE, 51, "heart-rate-normal", Level.NORMAL),
        (PULSE, 90, "heart-rate-normal", Level.NORMAL),
        (PULSE, 91, "heart-rate-1", Level.ATTENTION),
        (PULSE, 110, "heart-rate-1", Level.ATTENTION),
        (PULSE, 111, "heart-rate-2", Level.CONSULT),
        (PULSE, 130, "heart-rate-2", Level.CONSULT),
        (PULSE, 131, "heart-rate-3", Level.CONSULT_SOON),
    ],
)
def test_other_codes(code: Code, value: float, rule: str, level: Level) -> None:
    advice = advise(reading(code, value), RULES)
    assert (advice.rule_id, advice.level) == (rule, level)


# Where each code is at its best; worse is farther from it, on either side.
BEST = {BP: 115.0, SPO2: 100.0, TEMPERATURE: 37.0, PULSE: 70.0, BMI: 21.0, GLUCOSE: 85.0}
REACH = {BP: 150.0, SPO2: 49.0, TEMPERATURE: 8.0, PULSE: 200.0, BMI: 70.0, GLUCOSE: 900.0}


@given(
    code=st.sampled_from(Code),
    near=st.floats(0, 1),
    far=st.floats(0, 1),
    up=st.booleans(),
    diastolic=st.floats(20, 200),
    fasting=st.sampled_from([True, False, None]),
)
def test_worse_is_never_milder(
    code: Code, near: float, far: float, up: bool, diastolic: float, fasting: bool | None
) -> None:
    near, far = sorted((near, far))
    sign = 1 if up else -1
    better, worse = (
        reading(
            code,
            BEST[code] + sign * share * REACH[code],
            diastolic if code is BP else None,
            fasting if code is GLUCOSE else None,
        )
        for share in (near, far)
    )
    assert advise(worse, RULES).level >= advise(better, RULES).level
    assert RULES.score(worse) >= RULES.score(better)


@given(st.floats(40, 300), st.floats(20, 200), st.floats(20, 200))
def test_a_higher_diastolic_pressure_is_never_milder(value: float, one: float, two: float) -> None:
    lower, higher = (advise(reading(BP, value, part), RULES) for part in sorted((one, two)))
    assert higher.level >= lower.level


@given(
    st.dictionaries(st.sampled_from([SPO2, TEMPERATURE, PULSE]), st.floats(0, 1), min_size=1),
    st.floats(0, 1),
    st.booleans(),
    st.data(),
)
def test_worse_in_one_parameter_is_never_milder_for_the_session(
    shares: dict[Code, float], more: float, up: bool, data: st.DataObject
) -> None:
    sign = 1 if up else -1
    changed = data.draw(st.sampled_from(sorted(shares)))
    worse = {**shares, changed: max(more, shares[changed])}
    before, after = (
        assess(
            [reading(code, BEST[code] + sign * share * REACH[code]) for code, share in one.items()],
            RULES,
            told=False,
        )
        for one in (shares, worse)
    )
    assert after.acute_score >= before.acute_score
    assert after.advice.level >= before.advice.level


def test_every_text_says_that_it_is_no_diagnosis() -> None:
    for rule in RULES.advice:
        assert rule.text
        assert rule.source
    for told in (True, False):
        text = assess([reading(SPO2, 80)], RULES, told=told).advice.text
        assert text.endswith("이 안내는 진단이 아닙니다.")
    assert advise(reading(BMI, 22), RULES).text.endswith("이 안내는 진단이 아닙니다.")


def test_what_is_acute_is_said_first_and_whether_119_is_told() -> None:
    readings = [reading(SPO2, 93), reading(TEMPERATURE, 39.5), reading(PULSE, 95)]
    told, untold = (assess(readings, RULES, told=told) for told in (True, False))
    assert (told.acute_score, told.acute, untold.acute) == (5, True, False)
    assert told.advice.level is untold.advice.level is Level.CONSULT_SOON
    assert told.advice.rule_id == untold.advice.rule_id == "news2"
    assert "119에 알렸습니다" in told.advice.text
    assert "119에 알렸습니다" not in untold.advice.text


def test_119_once_told_stays_told() -> None:
    calm = assess([reading(SPO2, 99)], RULES, told=True)
    assert (calm.acute, calm.acute_score, calm.advice.rule_id) == (True, 0, "news2")


def test_what_is_not_acute_gets_the_advice_of_the_last_reading() -> None:
    found = assess([reading(PULSE, 131 - 20), reading(BMI, 24)], RULES, told=False)
    assert (found.advice.rule_id, found.acute_score) == ("body-mass-index-23", 2)
    assert found.advice.rule_version == RULES.version == 1
