"""What cameras see when nothing happens: its rate, its order, and that nothing comes of it."""

from collections import Counter, defaultdict
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.city.cameras import background
from loadtests.city.cameras.background import Load, burst_in, detections, expected_rate
from loadtests.city.cameras.estate import estate
from loadtests.city.cameras.kinds import Detection, Fault, Kind
from loadtests.city.cameras.operators import decide
from loadtests.city.cameras.presence import heartbeats, silent
from loadtests.city.cameras.rates import (
    BURST_FACTOR,
    DETECTIONS_PER_SECOND,
    FALSE_ALARM_SHARES,
)
from loadtests.city.cameras.stages import STAGES
from loadtests.tests.control_centre import alarms_of, late

EVENING = int(datetime(2026, 3, 3, 9, tzinfo=UTC).timestamp())
STAGE_IDS = {stage.site_id for stage in STAGES}


def _between(load: Load, start: int, end: int) -> list[Detection]:
    return [one for second in range(start, end) for one in detections(load, second)]


@pytest.fixture(scope="module")
def ten_minutes() -> list[Detection]:
    return _between(Load(1, 1.0, 0.0), EVENING, EVENING + 600)


@given(seed=st.integers(-(2**31), 2**31), start=st.integers(1_500_000_000, 2_000_000_000))
@settings(max_examples=5, deadline=None)
def test_any_second_is_made_alone(seed: int, start: int) -> None:
    load = Load(seed, 0.1, 3600.0)
    forwards = [detections(load, second) for second in range(start, start + 130)]
    for second in (start + 129, start + 17, start):
        background._block.cache_clear()
        assert detections(load, second) == forwards[second - start]
    # Nothing that began earlier is missing: whole tracks have no holes.
    last: dict[tuple[str, str], int] = {}
    for one in (one for found in forwards for one in found):
        if one.fault is None and not silent(seed, one.camera_id, one.micros // 1_000_000):
            key = one.camera_id, one.track_id
            assert one.micros - last.get(key, one.micros) <= 2_000_000
            last[key] = one.micros


def test_what_is_seen_in_a_second_is_of_that_second(ten_minutes: list[Detection]) -> None:
    for second in range(EVENING, EVENING + 60):
        for one in detections(Load(1, 1.0, 0.0), second):
            assert one.fault is Fault.FUTURE or one.micros // 1_000_000 == second


def test_rates_by_the_hour_are_within_60_and_600_with_bursts() -> None:
    assert len(DETECTIONS_PER_SECOND) == 24
    assert min(DETECTIONS_PER_SECOND) >= 60
    assert max(DETECTIONS_PER_SECOND) * max(BURST_FACTOR) <= 600
    assert expected_rate(EVENING) == 400
    assert expected_rate(EVENING + 9 * 3600) == 70


@pytest.mark.parametrize(("hours", "seconds"), [(0, 600), (9, 900)])
def test_the_city_sees_as_much_as_expected(hours: int, seconds: int) -> None:
    start = EVENING + hours * 3600
    load = Load(1, 1.0, 0.0)
    usual = [
        len(detections(load, second))
        for second in range(start, start + seconds)
        if not _in_burst(second)
    ]
    assert len(usual) > seconds / 3
    assert 0.9 < sum(usual) / len(usual) / expected_rate(start) < 1.1


def _in_burst(second: int) -> bool:
    bursts = [burst_in(1, second // 300), burst_in(1, second // 300 - 1)]
    return any(b is not None and b.start <= second < b.end + 100 for b in bursts)


def test_a_share_of_the_rate_is_that_share() -> None:
    tenth = _between(Load(1, 0.1, 0.0), EVENING, EVENING + 600)
    assert 0.8 < len(tenth) / 600 / 40 < 1.4


def test_bursts_are_inside_their_window_and_make_more_in_one_place() -> None:
    found = [burst_in(1, window) for window in range(1000)]
    bursts = [burst for burst in found if burst is not None]
    assert 0.25 < len(bursts) / 1000 < 0.35
    for window, burst in enumerate(found):
        assert burst is None or window * 300 <= burst.start < burst.end <= window * 300 + 300
    window = next(w for w in range(EVENING // 300, EVENING // 300 + 99) if burst_in(1, w))
    burst = burst_in(1, window)
    assert burst is not None
    dong_of = {c.camera_id: s.dong for s in estate(1).sites for c in s.cameras}
    middle = int((burst.start + burst.end) / 2)
    then, before = (
        Counter(dong_of.get(one.camera_id) for one in _between(Load(1, 1.0, 0.0), at, at + 8))
        for at in (middle, int(burst.start) - 60)
    )
    assert then[burst.dong] > 1.5 * before[burst.dong]


def test_nothing_of_it_is_an_alarm(ten_minutes: list[Detection]) -> None:
    assert len(ten_minutes) > 200_000
    assert alarms_of(ten_minutes) == []


def test_some_persist_until_just_before_the_dwell_time(ten_minutes: list[Detection]) -> None:
    lasting: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for one in ten_minutes:
        if one.kind is Kind.FALL and one.fault is None and one.confidence >= 0.6:
            lasting[one.camera_id, one.track_id].append(one.micros)
    longest = max(max(times) - min(times) for times in lasting.values())
    assert 9_000_000 < longest < 10_000_000


def test_false_alarms_come_at_their_rate_and_nothing_else_does() -> None:
    found = _between(Load(1, 0.02, 120.0), EVENING, EVENING + 3600)
    alarms = alarms_of(found)
    assert 80 < len(alarms) < 160
    assert {alarm.kind for alarm in alarms} <= set(FALSE_ALARM_SHARES)
    assert any(len(alarm.cameras) == 2 for alarm in alarms)


def test_one_in_a_thousand_is_malformed_and_says_how(ten_minutes: list[Detection]) -> None:
    faults = Counter(one.fault for one in ten_minutes)
    assert 0.0008 < 1 - faults[None] / len(ten_minutes) < 0.0012
    cameras = {camera.camera_id for camera in estate(1).cameras}
    for one in ten_minutes:
        broken = {
            Fault.UNKNOWN_CAMERA: one.camera_id not in cameras,
            Fault.OUT_OF_RANGE: not 0 <= one.confidence <= 1,
            Fault.NO_TRACK: one.track_id == "",
            Fault.FUTURE: one.micros // 1_000_000 >= EVENING + 595,
        }
        right = dict.fromkeys(Fault, False)
        if one.fault is None:
            assert broken | {Fault.FUTURE: False} == right
        else:
            assert broken[one.fault]


def test_it_keeps_the_order_and_off_the_stages(ten_minutes: list[Detection]) -> None:
    assert late(ten_minutes) == []
    assert not {one.camera_id.rpartition("-")[0] for one in ten_minutes} & STAGE_IDS
    for one, other in pairwise(ten_minutes):
        assert Fault.FUTURE in (one.fault, other.fault) or one.micros <= other.micros


def test_every_camera_sends_a_heartbeat_in_ten_seconds_but_the_dead() -> None:
    sent = Counter(
        camera.camera_id
        for second in range(EVENING, EVENING + 10)
        for camera in heartbeats(1, 1.0, second)
    )
    dead = {c.camera_id for c in estate(1).cameras if silent(1, c.camera_id, EVENING + 5)}
    assert set(sent.values()) == {1}
    assert 0 < len(dead) < 40
    assert len(sent) + len(dead) >= 3038 - 5
    per_second = [len(heartbeats(1, 1.0, second)) for second in range(EVENING, EVENING + 10)]
    assert min(per_second) > 290
    assert max(per_second) <= 304
    gentle = [c for s in range(EVENING, EVENING + 20) for c in heartbeats(1, 0.1, s)]
    assert 2990 < len(gentle) <= 3038
    assert heartbeats(1, 0.0, EVENING) == ()


def test_a_dead_camera_sees_nothing_and_comes_back(ten_minutes: list[Detection]) -> None:
    for one in ten_minutes:
        if one.fault is None:
            assert not silent(1, one.camera_id, one.micros // 1_000_000)
    dead = [c.camera_id for c in estate(1).cameras if silent(1, c.camera_id, EVENING)]
    assert not {camera_id.rpartition("-")[0] for camera_id in dead} & STAGE_IDS
    assert not any(silent(1, camera_id, EVENING + 3600) for camera_id in dead)


def test_operators_miss_some_and_dismiss_most() -> None:
    decisions = [decide(1, f"alarm-{number}") for number in range(1000)]
    assert decisions == [decide(1, f"alarm-{number}") for number in range(1000)]
    made = [decision for decision in decisions if decision is not None]
    assert 0.07 < 1 - len(made) / 1000 < 0.13
    assert 0.25 < sum(decision.escalate for decision in made) / len(made) < 0.35
