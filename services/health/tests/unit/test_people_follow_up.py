"""When somebody should come again."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from health.assessment.rules import Level
from health.measuring.measurement import Code
from health.people.follow_up import Kind, Reading, Rule, renewed
from hypothesis import given
from hypothesis import strategies as st

RULE = Rule(timedelta(days=90), timedelta(days=14), timedelta(minutes=30), acute_total=5)
MONDAY = datetime(2026, 11, 23, 9, tzinfo=UTC)
READINGS = st.builds(
    Reading,
    st.integers(0, 10_000).map(lambda minutes: MONDAY + timedelta(minutes=minutes)),
    st.sampled_from(Level),
    st.integers(0, 3),
)
TAKEN = st.lists(st.tuples(st.sampled_from(Code), READINGS), min_size=1, max_size=12)


def days(given: int) -> datetime:
    return MONDAY + timedelta(days=given)


def one(level: Level, at: datetime = MONDAY, score: int = 0) -> Reading:
    return Reading(at, level, score)


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (Level.NORMAL, {Kind.MEASURE_AGAIN: days(90)}),
        (Level.ATTENTION, {Kind.MEASURE_AGAIN: days(45)}),
        (Level.CONSULT, {Kind.MEASURE_AGAIN: days(45), Kind.SEE_DOCTOR: days(14)}),
        (Level.CONSULT_SOON, {Kind.MEASURE_AGAIN: days(45), Kind.SEE_DOCTOR: days(7)}),
    ],
)
def test_by_what_was_advised(level: Level, expected: Mapping[Kind, datetime]) -> None:
    assert RULE.due({Code.GLUCOSE: one(level)}) == expected


def test_what_was_found_of_one_code_is_not_undone_by_another() -> None:
    newest = {
        Code.BLOOD_PRESSURE: one(Level.CONSULT),
        Code.BODY_TEMPERATURE: one(Level.NORMAL, days(10)),
    }
    assert RULE.due(newest) == {Kind.SEE_DOCTOR: days(14), Kind.MEASURE_AGAIN: days(55)}


def test_it_is_undone_by_its_own() -> None:
    newest = {
        Code.BLOOD_PRESSURE: one(Level.NORMAL, days(10)),
        Code.BODY_TEMPERATURE: one(Level.NORMAL),
    }
    assert RULE.due(newest) == {Kind.MEASURE_AGAIN: days(100)}


def test_what_is_acute_only_together_is_for_a_doctor_soon() -> None:
    newest = {
        Code.OXYGEN_SATURATION: one(Level.ATTENTION, score=2),
        Code.BODY_TEMPERATURE: one(Level.ATTENTION, MONDAY + timedelta(minutes=30), score=3),
    }
    assert RULE.due(newest)[Kind.SEE_DOCTOR] == days(7) + timedelta(minutes=30)


def test_readings_of_two_visits_are_not_added_up() -> None:
    newest = {
        Code.OXYGEN_SATURATION: one(Level.ATTENTION, score=2),
        Code.BODY_TEMPERATURE: one(Level.ATTENTION, MONDAY + timedelta(minutes=31), score=3),
    }
    assert Kind.SEE_DOCTOR not in RULE.due(newest)


@given(st.data(), TAKEN)
def test_neither_order_nor_repetition_matters(
    data: st.DataObject, taken: list[tuple[Code, Reading]]
) -> None:
    shuffled = data.draw(st.permutations(taken))
    split = data.draw(st.integers(0, len(taken)))
    later = renewed(renewed({}, shuffled[:split]), shuffled[split:])
    assert later == renewed({}, taken) == renewed(later, taken)


@given(TAKEN)
def test_to_measure_again_is_always_due_after_the_last_visit(
    taken: list[tuple[Code, Reading]],
) -> None:
    due = RULE.due(renewed({}, taken))
    last = max(reading.taken_at for _, reading in taken)
    assert last < due[Kind.MEASURE_AGAIN] <= last + RULE.measure_again
    advised = any(reading.level >= Level.CONSULT for reading in renewed({}, taken).values())
    assert Kind.SEE_DOCTOR in due or not advised


@given(TAKEN, st.sampled_from(Code))
def test_a_worse_level_is_never_due_later(taken: list[tuple[Code, Reading]], code: Code) -> None:
    newest = renewed({}, taken)
    if code not in newest or newest[code].level is Level.CONSULT_SOON:
        return
    reading = newest[code]
    worse = {**newest, code: Reading(reading.taken_at, Level(reading.level + 1), reading.score)}
    before, after = RULE.due(newest), RULE.due(worse)
    assert all(after[kind] <= at for kind, at in before.items())
