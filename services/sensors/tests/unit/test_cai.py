"""The index: published values, the edges of its table, and the 24-hour prediction."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensors.domain.cai import TABLES, Grade, assess, predicted_day, sub_index
from sensors.domain.pollutant import Pollutant, millionths

PM10, PM25, O3, CO = Pollutant.PM10, Pollutant.PM25, Pollutant.O3, Pollutant.CO


@pytest.mark.parametrize(
    ("pollutant", "concentration", "index", "grade"),
    [
        (PM10, "0", 0, Grade.GOOD),
        (PM10, "45", 65, Grade.MODERATE),
        (PM25, "22", 67, Grade.MODERATE),
        (PM25, "76", 251, Grade.VERY_BAD),
        (PM25, "15.4", 50, Grade.GOOD),
        (PM25, "15.5", 51, Grade.MODERATE),
        (PM10, "30", 50, Grade.GOOD),
        (PM10, "31", 51, Grade.MODERATE),
        (PM10, "600", 500, Grade.VERY_BAD),
        (PM10, "962", 500, Grade.VERY_BAD),
        (O3, "0.0304", 50, Grade.GOOD),
        (O3, "0.031", 51, Grade.MODERATE),
        (O3, "0.090", 100, Grade.MODERATE),
        (O3, "0.091", 101, Grade.BAD),
        (CO, "2", 50, Grade.GOOD),
        (CO, "2.01", 51, Grade.MODERATE),
        (CO, "9.005", 101, Grade.BAD),
        (Pollutant.NO2, "0.2", 250, Grade.BAD),
        (Pollutant.SO2, "1", 500, Grade.VERY_BAD),
    ],
)
def test_sub_index(pollutant: Pollutant, concentration: str, index: int, grade: Grade) -> None:
    found = sub_index(pollutant, millionths(concentration))
    assert (found.index, found.grade) == (index, grade)


@given(st.sampled_from(list(Pollutant)), st.integers(0, millionths("700")), st.integers(0, 10**9))
def test_more_of_it_is_never_better(pollutant: Pollutant, less: int, extra: int) -> None:
    assert sub_index(pollutant, less).index <= sub_index(pollutant, less + extra).index <= 500


@pytest.mark.parametrize("pollutant", list(Pollutant))
def test_bands_touch_and_reach_their_ends(pollutant: Pollutant) -> None:
    for band in TABLES[pollutant]:
        assert sub_index(pollutant, band.low).index == band.index_low
        assert sub_index(pollutant, band.high).index == band.index_high


def test_prediction_of_clean_steady_air_is_that_air() -> None:
    assert predicted_day(PM10, [millionths("40")] * 12) == millionths("40")


def test_prediction_damps_dusty_steady_air() -> None:
    # C12 = 100, C4 = 75: (100 + 75) / 2
    assert predicted_day(PM10, [millionths("100")] * 12) == millionths("87.5")


def test_prediction_does_not_damp_a_sudden_rise() -> None:
    # C12 = (8·20 + 4·200) / 12 = 80, and 200 / 80 is above 1.7: C4 stays 200
    hours = [millionths("20")] * 8 + [millionths("200")] * 4
    assert predicted_day(PM10, hours) == millionths("140")


def test_prediction_damps_from_m_on() -> None:
    below, at = millionths("29.9"), millionths("30")
    assert predicted_day(PM25, [below] * 12) == below
    assert predicted_day(PM25, [at] * 12) == (at + at * 3 // 4) // 2


@pytest.mark.parametrize(
    ("missing", "known"),
    [((0, 1, 2), True), ((0, 1, 2, 3), False), ((11,), True), ((10, 11), False)],
)
def test_prediction_needs_nine_hours_and_three_of_the_last_four(
    missing: tuple[int, ...], known: bool
) -> None:
    hours = [None if place in missing else millionths("40") for place in range(12)]
    assert (predicted_day(PM10, hours) is not None) is known


def test_prediction_wants_twelve_hours() -> None:
    with pytest.raises(ValueError, match="hours: expected 12, got 2"):
        predicted_day(PM10, [1, 2])


def test_overall_is_the_largest_and_names_its_pollutant() -> None:
    hour = {O3: millionths("0.1"), PM10: millionths("45"), CO: millionths("0.4")}
    assessment = assess([hour] * 12)
    assert (assessment.index, assessment.grade, assessment.dominant) == (124, Grade.BAD, O3)
    assert [assessed.pollutant for assessed in assessment.pollutants] == [PM10, O3, CO]


def test_particulates_alone_with_a_short_history_are_not_assessed() -> None:
    assessment = assess([{}] * 8 + [{PM10: millionths("45")}] * 4)
    assert (assessment.index, assessment.grade, assessment.dominant) == (None, Grade.UNKNOWN, None)
    assert assessment.pollutants[0].hourly_mean == millionths("45")
    assert assessment.pollutants[0].sub_index is None
