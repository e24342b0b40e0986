"""Hops are cut from the spans of one trace, and add up to the whole way."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.latency import hops
from loadtests.latency.hops import ACUTE, DETECTION
from loadtests.latency.probing import Sent
from loadtests.latency.receiver import Span

MS = 1_000_000
STAGE = Span("t", "cameras", "process cameras.object-detected.v1", 10 * MS, 30 * MS, {})
INCIDENT = Span("t", "emergency", "process cameras.alarm-escalated.v1", 60 * MS, 100 * MS, {})
CALL = Span("t", "emergency", "tell room 112", 150 * MS, 400 * MS, {"incident_id": "i"})
OTHER_ROOM = replace(CALL, name="tell room 119", start=101 * MS)
RECEIVED = {"i": 210 * MS}


SENT = Sent(0)
READING = replace(INCIDENT, name="process health.acute-reading-detected.v1")
CALL_119 = replace(CALL, name="tell room 119")


def test_each_hop_ends_where_the_next_begins() -> None:
    found = hops.hops(DETECTION, SENT, [CALL, OTHER_ROOM, INCIDENT, STAGE], RECEIVED)
    assert found is not None
    assert found.each == (10, 20, 30, 40, 50, 60)
    assert found.total == 210
    assert len(found.each) == len(DETECTION.steps)


@pytest.mark.parametrize(("answered", "first", "second"), [(25, 25, 35), (60, 60, 0), (99, 60, 0)])
def test_the_answer_at_the_kiosk_ends_the_first_hop(answered: int, first: int, second: int) -> None:
    """However late it comes: the event does not wait for it."""
    sent = Sent(0, answered * MS)
    found = hops.hops(ACUTE, sent, [CALL, READING, CALL_119], RECEIVED)
    assert found is not None
    assert found.each == (first, second, 40, 50, 60)
    assert found.total == 210
    assert len(found.each) == len(ACUTE.steps)


def test_the_first_attempt_counts_not_a_later_one() -> None:
    again = replace(CALL, start=900 * MS)
    assert hops.hops(DETECTION, SENT, [again, STAGE, INCIDENT, CALL], RECEIVED) == hops.hops(
        DETECTION, SENT, [STAGE, INCIDENT, CALL], RECEIVED
    )


@pytest.mark.parametrize("missing", [STAGE, INCIDENT, CALL])
def test_a_trace_that_is_not_whole_is_none(missing: Span) -> None:
    spans = [span for span in (STAGE, INCIDENT, CALL) if span is not missing]
    assert hops.hops(DETECTION, SENT, spans, RECEIVED) is None


def test_another_rooms_call_is_none() -> None:
    assert hops.hops(ACUTE, Sent(0, MS), [READING, CALL], RECEIVED) is None


def test_an_incident_that_the_room_never_had_is_none() -> None:
    assert hops.hops(DETECTION, SENT, [STAGE, INCIDENT, CALL], {}) is None


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.001, 1))
def test_a_percentile_has_its_share_at_or_below_it(values: list[float], share: float) -> None:
    found = hops.percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)
    assert sum(value < found for value in values) < share * len(values)


def test_times_are_read_with_their_zone() -> None:
    assert hops.nanoseconds("1970-01-01T00:00:00.000210+00:00") == 210_000
    assert hops.nanoseconds("1970-01-01T09:00:00+09:00") == 0
