"""When a camera counts as there: no flapping, and no offline before we have listened."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from cameras.estate.presence import Presence, PresenceStatus, Rule, Watch
from cameras.settings import PresenceSettings
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

RULE = Rule(timedelta(seconds=60), 3)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
START = datetime(2026, 11, 22, tzinfo=UTC)
UNKNOWN, ONLINE, OFFLINE = PresenceStatus


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def after(*seconds: float, presence: Presence | None = None, rule: Rule = RULE) -> Presence:
    presence = presence or Presence()
    for second in seconds:
        presence = presence.heard(at(second), rule)
    return presence


def lived(
    heartbeats: list[float], until: float, every: float = 5, rule: Rule = RULE
) -> list[tuple[float, PresenceStatus]]:
    """The changes of status, with when they were found, of a camera that sends these."""
    presence, changes, waiting, now = Presence(), [], sorted(heartbeats), 0.0
    while now <= until:
        while waiting and waiting[0] <= now:
            presence = presence.heard(at(waiting.pop(0)), rule)
        judged = presence.judged(at(now), LONG_AGO, rule)
        if judged.status is not presence.status:
            changes.append((now, judged.status))
        presence = judged
        now += every
    return changes


def test_a_camera_never_heard_of_is_neither() -> None:
    assert Presence().judged(at(10_000), LONG_AGO, RULE) == Presence()


def test_online_with_the_third_heartbeat_in_a_window() -> None:
    two, three = after(0, 10), after(0, 10, 20)
    assert two.judged(at(20), LONG_AGO, RULE).status is UNKNOWN
    assert three.judged(at(20), LONG_AGO, RULE).status is ONLINE
    assert three.judged(at(20), LONG_AGO, RULE).heard_since == at(0)


def test_three_heartbeats_that_are_spread_out_are_not_online() -> None:
    assert after(0, 50, 100).judged(at(100), LONG_AGO, RULE).status is UNKNOWN


def test_offline_after_a_whole_window_of_silence() -> None:
    online = after(0, 10, 20).judged(at(20), LONG_AGO, RULE)
    assert online.judged(at(79.9), LONG_AGO, RULE) is online
    assert online.judged(at(80), LONG_AGO, RULE).status is OFFLINE


def test_what_was_heard_before_it_went_offline_does_not_count_for_its_return() -> None:
    offline = after(0, 10, 20).judged(at(20), LONG_AGO, RULE).judged(at(80), LONG_AGO, RULE)
    again = after(81, 82, presence=offline)
    assert again.judged(at(82), LONG_AGO, RULE).status is OFFLINE
    back = after(83, presence=again).judged(at(83), LONG_AGO, RULE)
    assert (back.status, back.heard_since) == (ONLINE, at(81))


def test_a_heartbeat_that_was_under_way_when_it_went_offline_does_not_bring_it_back() -> None:
    offline = after(0, 10, 20).judged(at(20), LONG_AGO, RULE).judged(at(80), LONG_AGO, RULE)
    late = after(21, presence=offline)
    assert late.judged(at(80.5), LONG_AGO, RULE) is late


def test_since_when_it_is_heard_without_a_break() -> None:
    assert after(0, 50, 100, 110, 120).heard_since == at(0)
    assert after(0, 60).heard_since == at(60)


def test_heartbeats_of_a_long_silence_told_late_do_not_make_it_online() -> None:
    assert after(0, 10, 20).judged(at(3600), LONG_AGO, RULE).status is OFFLINE


def test_a_single_heartbeat_in_a_long_silence_is_not_online() -> None:
    online = [0.0, 10, 20]
    changes = lived([*online, 500], 1000)
    assert [status for _, status in changes] == [ONLINE, OFFLINE]


def test_a_camera_that_comes_and_goes_every_50_seconds_does_not_flap() -> None:
    beats = [cycle * 100 + second for cycle in range(30) for second in range(0, 51, 10)]
    assert [status for _, status in lived([float(beat) for beat in beats], 2900)] == [ONLINE]
    assert lived([float(beat) for beat in range(0, 3000, 50)], 3000) == []


def test_nothing_is_offline_before_the_service_has_listened_for_a_window() -> None:
    online = after(0, 10, 20).judged(at(20), LONG_AGO, RULE)
    assert online.judged(at(3659), at(3600), RULE) is online
    assert online.judged(at(3660), at(3600), RULE).status is OFFLINE
    assert after(3601, presence=online).judged(at(3660), at(3600), RULE).status is ONLINE


def test_a_watch_that_was_interrupted_begins_anew() -> None:
    longest = timedelta(seconds=15)
    watch = Watch(at(0), at(100))
    assert watch.listening(at(115), longest) == Watch(at(0), at(115))
    assert watch.listening(at(115.1), longest) == Watch(at(115.1), at(115.1))
    assert watch.listening(at(99), longest) == watch


BEATS = st.lists(st.integers(0, 600), max_size=60)
RULES = st.builds(Rule, st.integers(1, 120).map(lambda s: timedelta(seconds=s)), st.integers(1, 5))


@given(BEATS, RULES)
def test_older_and_repeated_heartbeats_change_nothing(beats: list[int], rule: Rule) -> None:
    presence = Presence()
    newest = -1
    for beat in beats:
        now = presence.heard(at(beat), rule)
        assert (now is presence) == (beat <= newest)
        presence, newest = now, max(newest, beat)
    rising = [beat for place, beat in enumerate(beats) if beat > max([-1, *beats[:place]])]
    assert after(*rising, rule=rule) == presence


@given(BEATS, RULES)
def test_each_change_has_its_reason(beats: list[int], rule: Rule) -> None:
    """Against the rule in words: counted anew over all heartbeats at each change."""
    window = rule.offline_after.total_seconds()
    heartbeats = sorted({float(beat) for beat in beats})
    changes = lived(heartbeats, 800, rule=rule)
    assert all(one != other for (_, one), (_, other) in pairwise(changes))
    lost_at = -1.0
    for when, status in changes:
        known = [beat for beat in heartbeats if beat <= when]
        if status is OFFLINE:
            assert when - known[-1] >= window
            lost_at = when
        else:
            new = [beat for beat in known if beat > lost_at]
            assert new[-1] > when - window
            newest = new[-rule.online_heartbeats :]
            assert len(newest) == rule.online_heartbeats
            assert newest[-1] - newest[0] <= window


@given(BEATS, st.integers(5, 120), st.integers(1, 5))
def test_between_two_changes_lies_a_silence_or_steady_heartbeats(
    beats: list[int], window: int, needed: int
) -> None:
    """So a camera cannot be called offline twice within a window."""
    rule = Rule(timedelta(seconds=window), needed)
    times = [
        when
        for when, status in lived([float(b) for b in beats], 800, rule=rule)
        if status is OFFLINE
    ]
    assert all(later - earlier >= window for earlier, later in pairwise(times))


@pytest.mark.parametrize("status", PresenceStatus)
def test_judging_again_changes_nothing_more(status: PresenceStatus) -> None:
    presence = Presence(status, at(20), at(0), (at(0), at(10), at(20)))
    for now in (at(20), at(80), at(1000)):
        judged = presence.judged(now, LONG_AGO, RULE)
        assert judged.judged(now, LONG_AGO, RULE) == judged


def test_turns_that_could_miss_an_outage_stop_the_start() -> None:
    assert PresenceSettings(check_every_seconds=20).check_every_seconds == 20
    with pytest.raises(ValidationError, match="at most a third of offline_after_seconds"):
        PresenceSettings(check_every_seconds=21)
