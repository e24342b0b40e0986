"""The hour window: which hour, exact sums in any order, when it closes, what is valid."""

from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensors.domain.hour import HOUR, HourWindow, Reading, hour_end, hour_ends, valid_only
from sensors.domain.pollutant import Pollutant, from_value, to_value

NOON = datetime(2021, 5, 1, 12, tzinfo=UTC)
PM10, O3 = Pollutant.PM10, Pollutant.O3
LATENESS = timedelta(minutes=15)


def window(values: list[dict[Pollutant, float]], expected: int = 6) -> HourWindow:
    filled = HourWindow("s-1", NOON, expected)
    for value in values:
        concentrations = {pollutant: from_value(one) for pollutant, one in value.items()}
        filled = filled.add([Reading(concentrations, expected, NOON)])
    return filled


@pytest.mark.parametrize(
    ("measured_at", "expected"),
    [
        (NOON, NOON),
        (NOON - timedelta(microseconds=1), NOON),
        (NOON + timedelta(microseconds=1), NOON + HOUR),
        (NOON - HOUR, NOON - HOUR),
        (datetime(2021, 5, 2, 0, tzinfo=timezone(9 * HOUR)), datetime(2021, 5, 1, 15, tzinfo=UTC)),
    ],
)
def test_an_instant_on_the_hour_ends_that_hour(measured_at: datetime, expected: datetime) -> None:
    assert hour_end(measured_at) == expected


@given(
    st.lists(
        st.builds(
            lambda hours, micros, zone: (
                NOON + hours * HOUR + timedelta(microseconds=micros)
            ).astimezone(zone),
            st.integers(-2, 2),
            st.integers(-1, 1),
            st.sampled_from([UTC, timezone(9 * HOUR)]),
        )
    )
)
def test_many_instants_end_the_hours_that_each_does(instants: list[datetime]) -> None:
    assert list(hour_ends(instants)) == [hour_end(one) for one in instants]


measurements = st.dictionaries(
    st.sampled_from([PM10, O3]), st.floats(0, 0.6, allow_subnormal=False), min_size=1
)


@given(st.lists(measurements, min_size=1, max_size=12), st.randoms())
def test_means_do_not_depend_on_order(values: list[dict[Pollutant, float]], random: Random) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)
    assert window(values).means() == window(shuffled).means()


@given(st.lists(st.tuples(measurements, st.integers(1, 60), st.integers(0, 60)), max_size=12))
def test_readings_added_at_once_are_as_one_after_the_other(
    taken: list[tuple[dict[Pollutant, float], int, int]],
) -> None:
    readings = [
        Reading(
            {pollutant: from_value(value) for pollutant, value in values.items()},
            expected,
            NOON + timedelta(minutes=minutes),
        )
        for values, expected, minutes in taken
    ]
    empty = HourWindow("s-1", NOON, 6)
    one_by_one = empty
    for reading in readings:
        one_by_one = one_by_one.add([reading])
    assert empty.add(readings) == one_by_one
    assert one_by_one.untold == bool(readings)
    assert one_by_one.readings == len(readings)


@given(st.lists(st.floats(0, 900), min_size=1, max_size=60))
def test_a_mean_is_the_exact_one_rounded_to_a_decimal(values: list[float]) -> None:
    mean = window([{PM10: value} for value in values]).means()[PM10]
    exact = Fraction(sum(from_value(value) for value in values), len(values) * 1_000_000)
    assert abs(Fraction(mean.concentration, 1_000_000) - exact) <= Fraction(1, 20)
    assert mean.concentration % 100_000 == 0


def test_halves_go_up() -> None:
    assert to_value(window([{PM10: 0.1}, {PM10: 0.2}]).means()[PM10].concentration) == 0.2


@pytest.mark.parametrize(("readings", "valid"), [(4, False), (5, True), (6, True)])
def test_three_quarters_make_a_mean_valid(readings: int, valid: bool) -> None:
    assert window([{PM10: 10}] * readings).means()[PM10].valid is valid


def test_each_pollutant_is_valid_by_itself() -> None:
    filled = window([{PM10: 10, O3: 0.03}] * 4 + [{PM10: 10}] * 2)
    assert valid_only(filled.means()) == {PM10: from_value(10)}
    assert filled.completeness == 1.0


def test_due_when_complete() -> None:
    assert window([{PM10: 1}] * 6).due(NOON, NOON, LATENESS)
    assert not window([{PM10: 1}] * 5).due(NOON, NOON, LATENESS)


def test_due_when_the_station_measured_past_its_lateness() -> None:
    incomplete = window([{PM10: 1}])
    assert not incomplete.due(NOON + LATENESS - timedelta(seconds=1), NOON, LATENESS)
    assert incomplete.due(NOON + LATENESS, NOON, LATENESS)


def test_due_by_the_clock_only_when_nothing_came_for_as_long() -> None:
    incomplete = window([{PM10: 1}])
    later = NOON + LATENESS + timedelta(seconds=1)
    assert incomplete.due(NOON, later, LATENESS)
    heard_again = incomplete.add([Reading({PM10: 1}, 6, NOON + timedelta(minutes=5))])
    assert not heard_again.due(NOON, later, LATENESS)


def test_told_again_only_for_what_came_since() -> None:
    told = window([{PM10: 1}] * 6).told()
    assert not told.due(NOON + 9 * HOUR, NOON + 9 * HOUR, LATENESS)
    late = told.add([Reading({PM10: 8}, 6, NOON + HOUR)])
    assert late.due(NOON, NOON, LATENESS)
    assert late.told().revision == 2
