"""Which seconds a held state says, whoever says them."""

from datetime import UTC, datetime, timedelta

from cameras.ingest.facts import moment
from cameras.ingest.held import CATCH_UP, Due, HeldState, StateKey, first_second
from hypothesis import given
from hypothesis import strategies as st

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
STATE = HeldState(StateKey("cam-1", "fall", "a"), "FALL", "12", 0.9)


def due(emit_at: datetime) -> Due:
    return Due(STATE, NOON, emit_at)


def seconds(emit_at: datetime, now: datetime) -> list[float]:
    return [
        (moment(detection.detected_at or 0) - NOON).total_seconds()
        for detection in due(emit_at).detections(now)
    ]


def test_each_second_once() -> None:
    assert seconds(NOON, NOON) == [0]
    assert seconds(NOON, NOON + timedelta(seconds=0.9)) == [0]
    assert seconds(NOON, NOON + timedelta(seconds=2.5)) == [0, 1, 2]
    first = due(NOON).detections(NOON)[0]
    assert first[:4] == ("cam-1", "FALL", "12", 0.9)


@given(st.lists(st.floats(0.01, 14), min_size=1, max_size=20))
def test_however_late_the_turns_are_no_second_is_left_out_or_said_twice(
    pauses: list[float],
) -> None:
    now, emit_at = NOON, NOON
    said: list[float] = []
    for pause in pauses:
        now += timedelta(seconds=pause)
        if emit_at <= now:
            said += seconds(emit_at, now)
            emit_at = first_second(now)
    assert said == [float(number) for number in range(len(said))]
    assert len(said) in (0, (now - NOON) // timedelta(seconds=1) + 1)


def test_after_a_long_pause_only_the_last_seconds_are_said() -> None:
    late = NOON + timedelta(minutes=5)
    assert len(seconds(NOON, late)) == CATCH_UP
    assert seconds(NOON, late)[-1] == 300


def test_it_is_believed_for_its_time() -> None:
    hold = timedelta(minutes=10)
    assert not due(NOON).expired(NOON + timedelta(minutes=9, seconds=59), hold)
    assert due(NOON).expired(NOON + timedelta(minutes=10), hold)
