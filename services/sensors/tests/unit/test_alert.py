"""The alert rule against a reference written from the table, and the rules about gaps."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensors.domain.alert import RULES, HourMean, Level, StationAlert, fold
from sensors.domain.pollutant import Pollutant, millionths

START = datetime(2021, 3, 1, tzinfo=UTC)
PM10, PM25, O3 = Pollutant.PM10, Pollutant.PM25, Pollutant.O3
# Issue, lift, warning issue, back to advisory, in the units of the public notice.
NOTICE = {
    PM10: (150, 100, 300, 150),
    PM25: (75, 35, 150, 75),
    O3: (0.12, 0.12, 0.30, 0.30),
}


def hour(place: int, value: float | None, revision: int = 1) -> HourMean:
    concentration = None if value is None else millionths(str(value))
    return HourMean(START + timedelta(hours=place), concentration, revision)


def levels(pollutant: Pollutant, values: dict[int, float | None]) -> dict[int, str]:
    """The machine's level after each hour."""
    state, found = StationAlert(), {}
    for place in sorted(values):
        state = fold(RULES[pollutant], state, hour(place, values[place])).state
        found[place] = state.level.name
    return found


def reference(pollutant: Pollutant, values: dict[int, float | None]) -> dict[int, str]:
    """The same by looking the whole history over, hour by hour, in plain floats."""
    issue, lift, warning, back = NOTICE[pollutant]
    found: dict[int, str] = {}
    current = "NONE"
    for place in sorted(values):
        value, before = values[place], values.get(place - 1)
        if value is not None:
            lasted = value if pollutant is O3 else min(value, -1 if before is None else before)
            if lasted >= warning:
                current = "WARNING"
            elif (current == "NONE" and lasted >= issue) or (current == "WARNING" and value < back):
                current = "ADVISORY"
            if current != "NONE" and value < lift:
                current = "NONE"
        found[place] = current
    return found


def values_of(pollutant: Pollutant) -> st.SearchStrategy[float | None]:
    edges = [edge + step for edge in NOTICE[pollutant] for step in (-0.001, 0.0, 0.001)]
    if pollutant is not O3:
        edges += [edge + step for edge in NOTICE[pollutant] for step in (-0.1, 0.1, 60)]
    return st.one_of(st.none(), st.sampled_from([round(edge, 3) for edge in edges]))


@given(st.data(), st.sampled_from([PM10, PM25, O3]))
def test_agrees_with_the_reference(data: st.DataObject, pollutant: Pollutant) -> None:
    values = data.draw(st.dictionaries(st.integers(0, 40), values_of(pollutant), max_size=30))
    assert levels(pollutant, values) == reference(pollutant, values)


@given(st.data(), st.sampled_from([PM10, PM25, O3]))
def test_duplicates_and_old_hours_change_nothing(data: st.DataObject, pollutant: Pollutant) -> None:
    values = data.draw(
        st.dictionaries(st.integers(0, 20), values_of(pollutant), min_size=1, max_size=20)
    )
    state = StationAlert()
    for place in sorted(values):
        state = fold(RULES[pollutant], state, hour(place, values[place])).state
        for again in data.draw(st.lists(st.sampled_from(sorted(values)), max_size=3)):
            if again <= place:
                step = fold(RULES[pollutant], state, hour(again, values[again]))
                assert (step.state, step.causes) == (state, ())


@given(st.data(), st.sampled_from([PM10, PM25, O3]))
def test_a_level_ends_only_below_its_own_lift(data: st.DataObject, pollutant: Pollutant) -> None:
    values = data.draw(st.dictionaries(st.integers(0, 40), values_of(pollutant), max_size=30))
    _, lift, _, back = NOTICE[pollutant]
    before = "NONE"
    for place, level in levels(pollutant, values).items():
        value = values[place]
        if before != "NONE" and level == "NONE":
            assert value is not None
            assert value < lift
        if before == "WARNING" and level != "WARNING":
            assert value is not None
            assert value < back
        before = level


@given(st.data(), st.sampled_from([PM10, PM25]))
def test_without_two_consecutive_hours_nothing_is_raised(
    data: st.DataObject, pollutant: Pollutant
) -> None:
    places = data.draw(st.sets(st.integers(0, 20).map(lambda place: 2 * place)))
    assert set(levels(pollutant, dict.fromkeys(places, 900.0)).values()) <= {"NONE"}


@given(st.data(), st.sampled_from([PM10, PM25, O3]))
def test_a_revision_of_the_last_hour_is_as_if_it_had_been_right_at_once(
    data: st.DataObject, pollutant: Pollutant
) -> None:
    values = data.draw(st.lists(values_of(pollutant), min_size=1, max_size=8))
    wrong = data.draw(values_of(pollutant))
    state = StationAlert()
    for place, value in enumerate(values[:-1]):
        state = fold(RULES[pollutant], state, hour(place, value)).state
    last = len(values) - 1
    at_once = fold(RULES[pollutant], state, hour(last, values[-1], 2)).state
    revised = fold(RULES[pollutant], state, hour(last, wrong, 1)).state
    revised = fold(RULES[pollutant], revised, hour(last, values[-1], 2)).state
    assert revised == at_once


@pytest.mark.parametrize(
    ("pollutant", "values", "expected"),
    [
        (PM10, {0: 150, 1: 150, 2: 100, 3: 99.9}, ["NONE", "ADVISORY", "ADVISORY", "NONE"]),
        (PM10, {0: 300, 1: 300, 2: 149.9, 3: 100}, ["NONE", "WARNING", "ADVISORY", "ADVISORY"]),
        (PM10, {0: 300, 1: 300, 2: 99.9}, ["NONE", "WARNING", "NONE"]),
        (PM10, {0: 160, 1: 300, 2: 300}, ["NONE", "ADVISORY", "WARNING"]),
        (PM10, {0: 150, 2: 150, 3: 150}, ["NONE", "NONE", "ADVISORY"]),
        (PM10, {0: 150, 1: None, 2: 150}, ["NONE", "NONE", "NONE"]),
        (PM10, {0: 150, 1: 150, 2: None, 9: 120}, ["NONE"] + 3 * ["ADVISORY"]),
        (PM25, {0: 75, 1: 75, 2: 35, 3: 34.9}, ["NONE", "ADVISORY", "ADVISORY", "NONE"]),
        (PM25, {0: 150, 1: 150, 2: 75, 3: 74.9}, ["NONE", "WARNING", "WARNING", "ADVISORY"]),
        (O3, {0: 0.12, 1: 0.1199}, ["ADVISORY", "NONE"]),
        (O3, {0: 0.3, 1: 0.2999, 2: 0.119}, ["WARNING", "ADVISORY", "NONE"]),
    ],
)
def test_public_notice(
    pollutant: Pollutant, values: dict[int, float | None], expected: list[str]
) -> None:
    assert list(levels(pollutant, values).values()) == expected


def test_causes_are_the_run_when_raised_and_the_hour_when_lowered() -> None:
    rule, state = RULES[PM10], StationAlert()
    named = []
    for place, value in enumerate([160, 170, 180, 90]):
        step = fold(rule, state, hour(place, value))
        state = step.state
        named.append([cause.concentration for cause in step.causes])
    assert named == [[], [millionths("160"), millionths("170")], [], [millionths("90")]]
    assert state.level is Level.NONE
