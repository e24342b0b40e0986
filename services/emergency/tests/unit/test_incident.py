"""The life cycle of an incident."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from emergency.domain.incident import Facts, Grade, Incident, Source, Status, allowed
from emergency.errors import TransitionRefused
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
FACTS = Facts(Grade.NORMAL, "화재", "연기", "조치원읍")
# Written down a second time, as words, so that a slip in the code's table is seen.
LEGAL = {
    "OCCURRED": "CHANGED CLEARED CANCELLED",
    "CHANGED": "CHANGED CLEARED CANCELLED",
    "CLEARED": "COMPLETED",
    "CANCELLED": "",
    "COMPLETED": "",
}


def opened() -> Incident:
    return Incident(
        UUID(int=1), "fire", Status.OCCURRED, FACTS, NOW, NOW, "operator", Source("operator", "1")
    )


@given(
    st.lists(st.tuples(st.sampled_from(Status), st.integers(-3600, 3600)), max_size=12),
)
def test_every_requested_sequence_is_legal_or_refused(steps: list[tuple[Status, int]]) -> None:
    incident = opened()
    for requested, seconds in steps:
        before = incident
        if requested.name in LEGAL[incident.status.name].split():
            incident = incident.advance(requested, NOW + timedelta(seconds=seconds), "operator")
            assert incident.status is requested
            assert incident.revision == before.revision + 1
            assert incident.changed_at >= before.changed_at
        else:
            with pytest.raises(TransitionRefused) as refused:
                incident.advance(requested, NOW, "operator")
            assert (refused.value.current, refused.value.requested) == (before.status, requested)
            assert incident is before
        ended = incident.status not in (Status.OCCURRED, Status.CHANGED)
        assert (incident.ended_at is not None) == ended


@pytest.mark.parametrize("end", [Status.CANCELLED, Status.COMPLETED])
def test_nothing_follows_the_end(end: Status) -> None:
    assert allowed(end) == frozenset()


def test_end_time_is_that_of_the_clearing() -> None:
    cleared = opened().advance(Status.CLEARED, NOW + timedelta(hours=1), "operator")
    completed = cleared.advance(Status.COMPLETED, NOW + timedelta(hours=3), "operator")
    assert completed.ended_at == NOW + timedelta(hours=1)
    assert completed.changed_at == NOW + timedelta(hours=3)


def test_completing_an_open_incident_clears_it_first() -> None:
    revisions = opened().end(Status.COMPLETED, NOW + timedelta(hours=1), "112")
    assert [(one.status, one.revision) for one in revisions] == [
        (Status.CLEARED, 2),
        (Status.COMPLETED, 3),
    ]


def test_end_refuses_what_the_life_cycle_refuses() -> None:
    cleared = opened().advance(Status.CLEARED, NOW, "112")
    with pytest.raises(TransitionRefused, match="CLEARED cannot become CANCELLED"):
        cleared.end(Status.CANCELLED, NOW, "112")


def test_facts_are_revised_only_where_something_is_given() -> None:
    assert FACTS.revised(None, "") == FACTS
    assert FACTS.revised(Grade.URGENT, "불길") == Facts(Grade.URGENT, "화재", "불길", "조치원읍")


def test_two_changes_of_one_moment_are_a_second_apart_for_the_rooms() -> None:
    moment = datetime(2026, 11, 21, 10, tzinfo=UTC)
    first = opened().advance(Status.CHANGED, moment, "a")
    second = first.advance(Status.CHANGED, moment, "b")
    assert second.changed_at - first.changed_at == timedelta(seconds=1)
    assert second.advance(Status.CLEARED, moment, "c").changed_at == second.changed_at
