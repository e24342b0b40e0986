"""Alarms of one place and moment are one incident, however the topic was cut into batches."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise
from uuid import UUID

import pytest
from emergency.domain.alarm import Alarm, AlarmKind
from emergency.domain.incident import Grade, Incident, Position, Status
from emergency.domain.merging import Bounds, Merging
from emergency.domain.place import distance_metres
from emergency.ledger import incident_id
from emergency.rules import load_rules
from hypothesis import given
from hypothesis import strategies as st

AT = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
NOW = AT + timedelta(hours=1)
PLACE = Position(37.7389, 127.0459)
RULES = load_rules()
BOUNDS = Bounds(metres=100, seconds=120)
METRE_NORTH = 1 / 111_195


def alarm(
    number: int = 1,
    kind: AlarmKind = AlarmKind.FIGHT,
    metres: float = 0,
    seconds: float = 0,
    purpose: str = "LIVING_AREA_SECURITY",
    reason: str = "",
) -> Alarm:
    """`metres` north of the place, `seconds` after the time."""
    at = AT + timedelta(seconds=seconds)
    return Alarm(
        id=UUID(int=number),
        kind=kind,
        site_id="living-0001",
        place="의정부역 동부광장",
        purpose=purpose,
        position=Position(PLACE.latitude + metres * METRE_NORTH, PLACE.longitude),
        occurred_at=at,
        escalated_at=at + timedelta(seconds=10),
        escalated_by="kim.operator",
        automatic=False,
        reason=reason,
        camera_ids=("living-0001-1", "living-0001-2"),
    )


def merge(known: dict[UUID, Incident], alarms: Sequence[Alarm]) -> list[Incident]:
    """One batch: its revisions; `known` is what is stored."""
    merging = Merging(RULES, BOUNDS, known)
    revisions = [merging.take(one, incident_id("cameras", one.id), NOW) for one in alarms]
    known |= {one.id: one for one in revisions}
    return revisions


def merged(*alarms: Alarm) -> list[Incident]:
    return merge({}, alarms)


ALARMS = st.lists(
    st.tuples(
        st.sampled_from(AlarmKind),
        st.floats(0, 600),
        st.floats(0, 600),
        st.sampled_from(["PARK", "CHILD_PROTECTION", "LATER"]),
    ),
    max_size=14,
).map(
    lambda drawn: [
        alarm(number, kind, metres, seconds, purpose)
        for number, (kind, metres, seconds, purpose) in enumerate(drawn, 1)
    ]
)


@given(ALARMS, st.lists(st.integers(0, 14), max_size=6))
def test_it_does_not_matter_how_the_topic_was_cut(alarms: list[Alarm], cuts: list[int]) -> None:
    whole: dict[UUID, Incident] = {}
    revisions = merge(whole, alarms)
    parts: dict[UUID, Incident] = {}
    in_parts = []
    borders = sorted({0, len(alarms), *(cut for cut in cuts if cut <= len(alarms))})
    for start, end in pairwise(borders):
        in_parts += merge(parts, alarms[start:end])
    assert (in_parts, parts) == (revisions, whole)


@given(ALARMS)
def test_each_alarm_joins_one_incident_within_the_bounds(alarms: list[Alarm]) -> None:
    known: dict[UUID, Incident] = {}
    revisions = merge(known, alarms)
    assert len(revisions) == len(alarms)
    assert sum(one.source.sequence for one in known.values()) == len(alarms)
    newest: dict[UUID, datetime] = {}
    for one, joined in zip(alarms, revisions, strict=True):
        position = joined.facts.position
        assert position is not None
        assert distance_metres(position, one.position) <= BOUNDS.metres + 1
        before = newest.get(joined.id, one.occurred_at)
        assert abs(before - one.occurred_at) <= BOUNDS.moment
        newest[joined.id] = max(before, one.occurred_at)
        assert joined.alarm_at == newest[joined.id]


@given(ALARMS)
def test_an_incident_calls_all_its_alarms_desks_with_the_most_urgent_code(
    alarms: list[Alarm],
) -> None:
    known: dict[UUID, Incident] = {}
    revisions = merge(known, alarms)
    for incident in known.values():
        rules = [
            RULES.decide(one.kind, one.purpose)
            for one, joined in zip(alarms, revisions, strict=True)
            if joined.id == incident.id
        ]
        facts = incident.facts
        assert set(facts.desks) == {desk for rule in rules for desk in rule.desks}
        codes = [rule.police_code for rule in rules if rule.police_code is not None]
        assert facts.police_code == min(codes, default=None)
        urgent = "119" in facts.desks or facts.police_code in (0, 1)
        assert facts.grade is (Grade.URGENT if urgent else Grade.NORMAL)


def test_an_alarm_opens_an_incident() -> None:
    (opened,) = merged(alarm(reason="두 명이 다툼"))
    facts = opened.facts
    assert (opened.kind, opened.status, opened.revision) == ("fight", Status.OCCURRED, 1)
    assert (facts.title, facts.place, facts.grade) == ("싸움", "의정부역 동부광장", Grade.URGENT)
    assert (facts.desks, facts.police_code) == (("112",), 1)
    assert facts.description == "의정부역 동부광장 싸움, 관제 확인: 두 명이 다툼."
    assert facts.items == {
        "desks": "112",
        "policeCode": "1",
        "ruleVersion": "2",
        "경보 수": "1",
        "경보 1": "싸움 의정부역 동부광장 2026-11-22 12:00:00 (living-0001-1, living-0001-2)"
        " 00000000-0000-0000-0000-000000000001",
    }
    assert (opened.changed_by, opened.source.reference) == ("kim.operator", str(UUID(int=1)))


def test_a_second_alarm_of_the_place_changes_it() -> None:
    fall = replace(alarm(1, AlarmKind.FALL), automatic=True, escalated_by="cameras")
    _, changed = merged(fall, alarm(2, AlarmKind.FIGHT, metres=60, seconds=-90))
    facts = changed.facts
    assert (changed.kind, changed.status, changed.revision) == ("fall", Status.CHANGED, 2)
    assert (facts.title, facts.desks, facts.police_code) == ("쓰러짐, 싸움", ("119", "112"), 1)
    assert facts.description == (
        "의정부역 동부광장 쓰러짐, 자동 통보. 의정부역 동부광장 싸움, 관제 확인."
    )
    assert facts.items["경보 수"] == "2"
    assert facts.items["경보 2"].startswith("싸움 ")
    assert changed.alarm_at == fall.occurred_at


@pytest.mark.parametrize(
    ("metres", "seconds", "incidents"),
    [(99, 119, 1), (99, -119, 1), (101, 0, 2), (0, 121, 2), (0, -121, 2)],
)
def test_the_bounds_of_place_and_moment(metres: float, seconds: float, incidents: int) -> None:
    revisions = merged(alarm(1), alarm(2, metres=metres, seconds=seconds))
    assert len({one.id for one in revisions}) == incidents


def test_the_moment_moves_on_with_its_alarms_but_the_place_stays() -> None:
    in_time = merged(*(alarm(n, seconds=100 * n) for n in range(1, 5)))
    assert len({one.id for one in in_time}) == 1
    along_a_street = merged(*(alarm(n, metres=90 * n) for n in range(1, 5)))
    assert len({one.id for one in along_a_street}) == 2


def test_the_nearest_incident_is_joined() -> None:
    first, second, third = merged(alarm(1), alarm(2, metres=150), alarm(3, metres=90))
    assert third.id == second.id != first.id


@pytest.mark.parametrize("end", [Status.CLEARED, Status.CANCELLED])
def test_an_incident_that_ended_is_not_joined(end: Status) -> None:
    (opened,) = merged(alarm(1))
    ended = opened.advance(end, NOW, "operator")
    (other,) = merge({ended.id: ended}, [alarm(2)])
    assert other.id != opened.id


def test_an_incident_that_did_not_come_of_alarms_is_not_joined() -> None:
    (opened,) = merged(alarm(1))
    reported = replace(opened, alarm_at=None)
    (other,) = merge({reported.id: reported}, [alarm(2)])
    assert other.id != opened.id


def test_what_was_found_out_stays_when_it_changes() -> None:
    (opened,) = merged(alarm(1))
    items = {**opened.facts.items, "카메라": "living-0001-1 (12 m)"}
    known = replace(opened, facts=replace(opened.facts, items=items))
    (changed,) = merge({known.id: known}, [alarm(2)])
    assert changed.facts.items["카메라"] == "living-0001-1 (12 m)"


def test_a_message_to_a_room_does_not_grow_without_end() -> None:
    known: dict[UUID, Incident] = {}
    merge(known, [alarm(n, reason="가" * 400) for n in range(1, 60)])
    (incident,) = known.values()
    assert incident.facts.items["경보 수"] == "59"
    assert "경보 20" in incident.facts.items
    assert "경보 21" not in incident.facts.items
    assert len(incident.facts.description) <= 4000


def test_a_clock_ahead_moves_no_change_into_the_future() -> None:
    (opened,) = merged(alarm(1, seconds=7200))
    assert (opened.occurred_at, opened.changed_at) == (NOW, NOW)


def test_revisions_follow_each_other() -> None:
    revisions = merged(*(alarm(n) for n in range(1, 6)))
    assert [one.revision for one in revisions] == list(accumulate([1] * 5))
    times = [one.changed_at for one in revisions]
    assert times == sorted(times)
