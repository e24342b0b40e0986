"""An alarm's life, and what each step tells."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cameras.alarms import alarm, facts
from cameras.alarms.alarm import Alarm, Site, Status
from cameras.alarms.errors import TransitionRefused
from cameras.alarms.rulebook import Rulebook, micros
from cameras.alarms.store_rules import shipped
from cameras.alarms.watch import Confirmed

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
SEEN = NOW - timedelta(seconds=6)
SITE = Site("park-0001", "직동근린공원", 37.7381, 127.0338)
RULES = Rulebook([shipped()])


def confirmed(camera_id: str = "c1", since: datetime = SEEN, **more: Any) -> Confirmed:
    fields: dict[str, Any] = {
        "number": 1,
        "raised": True,
        "anchors": True,
        "camera_id": camera_id,
        "track_id": "a",
        "since": micros(since),
        "persisted_at": micros(since + timedelta(seconds=5)),
        "version": 1,
        "rule_id": "fight",
        "purpose": "PARK",
        "detection_ids": ("d1",),
    }
    return Confirmed(**{**fields, **more})


def raised(rule_id: str = "fight") -> Alarm:
    return alarm.raised(SITE, "FIGHT", [confirmed(rule_id=rule_id)], RULES, NOW)


def test_it_waits_for_an_operator_as_long_as_the_rule_says() -> None:
    one = raised()
    assert one.escalates_at == NOW + timedelta(seconds=15)
    assert not one.due(NOW + timedelta(seconds=14))
    assert one.due(NOW + timedelta(seconds=15))
    assert raised("arson").due(NOW)
    assert raised("loitering").escalates_at is None


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("dismissed", "acknowledged"),
        ("dismissed", "escalated"),
        ("escalated", "acknowledged"),
        ("escalated", "dismissed"),
    ],
)
def test_dismissed_and_escalated_are_final(first: str, second: str) -> None:
    def act(one: Alarm, what: str) -> Alarm:
        words = ["kim"] if what == "acknowledged" else ["kim", "이유"]
        after: Alarm = getattr(one, what)(*words, NOW)
        return after

    ended = act(act(raised(), "acknowledged"), first)
    assert ended.escalates_at is None
    assert act(ended, first) is ended
    with pytest.raises(TransitionRefused, match=f"{first} cannot become {second}"):
        act(ended, second)


def test_each_step_tells_its_events() -> None:
    one = raised()
    seen = one.acknowledged("kim", NOW)
    gone = seen.escalated("kim", "칼", NOW)
    joined = gone.joined([confirmed("c2", raised=False, anchors=False)], RULES, NOW)
    steps = [(None, one), (one, seen), (seen, gone), (gone, joined)]
    events = [event for before, after in steps for event in facts.told(before, after)]
    assert [event.topic for event in events] == [
        facts.ALARM_RAISED,
        facts.ALARM_CHANGED,
        facts.ALARM_CHANGED,
        facts.ALARM_ESCALATED,
        facts.ALARM_CHANGED,
    ]
    assert {event.key for event in events} == {"park-0001"}
    assert len({event.id for event in events}) == len(events)
    assert [event.data["revision"] for event in events if "revision" in event.data] == [2, 3, 4]
    assert joined.status is Status.ESCALATED
    assert joined.changed_by == alarm.AUTOMATIC


def test_an_earlier_witness_tells_when_it_occurred_but_not_when_it_escalates() -> None:
    one = raised()
    earlier = confirmed("c2", SEEN - timedelta(seconds=2), raised=False, detection_ids=("d2",))
    joined = one.joined([earlier], RULES, NOW + timedelta(seconds=1))
    assert [witness.camera_id for witness in joined.witnesses] == ["c2", "c1"]
    assert joined.occurred_at == SEEN - timedelta(seconds=2)
    assert joined.persisted_at == SEEN + timedelta(seconds=3)
    assert joined.detection_ids == ("d2",)
    assert joined.escalates_at == one.escalates_at
    looked_at = one.acknowledged("kim", NOW).joined([earlier], RULES, NOW)
    assert looked_at.escalates_at is None
    assert looked_at.status is Status.ACKNOWLEDGED
