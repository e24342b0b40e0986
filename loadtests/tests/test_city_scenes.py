"""The scenes as written: what they send, and that the rule makes of it what they expect."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from loadtests.city.cameras.estate import estate
from loadtests.city.cameras.kinds import Detection, Kind
from loadtests.city.cameras.places import bearing_to, metres_between
from loadtests.city.cameras.rates import SHORTEST_DWELL
from loadtests.city.cameras.stages import SHOPS_BACK, SHOPS_FRONT, STAGES
from loadtests.city.errors import SceneError
from loadtests.city.scenes import smoke, times
from loadtests.city.scenes.catalogue import SCENES
from loadtests.city.scenes.outcome import Played
from loadtests.city.scenes.script import Script, Takes
from loadtests.tests.control_centre import Alarm, alarms_of, late

SEOUL = timezone(timedelta(hours=9))
NOW = round(datetime(2026, 11, 22, 3, tzinfo=UTC).timestamp() * 1_000_000)
MICROS = 1_000_000
names = pytest.mark.parametrize("name", SCENES)


def _script(name: str, seed: int = 1, start: int = NOW) -> Script:
    return SCENES[name].write(Takes(seed, f"r-{name}", start))


def _sent(script: Script) -> list[Detection]:
    return [one for call in script.calls for one in call.detections]


@names
@pytest.mark.parametrize("seed", range(5))
def test_the_rule_makes_exactly_the_alarms_it_expects(name: str, seed: int) -> None:
    script = _script(name, seed)
    made = {(a.site_id, a.kind, a.occurred, tuple(sorted(a.cameras))) for a in _alarms(script)}
    expected = script.expected.alarms
    assert made == {(a.site_id, a.kind, a.occurred_micros, a.camera_ids) for a in expected}
    assert all(alarm.witnesses == len(alarm.camera_ids) for alarm in expected)


def _alarms(script: Script) -> list[Alarm]:
    return alarms_of(_sent(script))


@names
@pytest.mark.parametrize("seed", range(5))
def test_nothing_comes_later_than_the_bound_or_before_it_is_seen(name: str, seed: int) -> None:
    script = _script(name, seed)
    assert late(_sent(script)) == []
    at = [call.at for call in script.calls]
    assert at == sorted(at)
    lead = SCENES[name].lead
    for call in script.calls:
        seconds = [(one.micros - NOW) / MICROS for one in call.detections if one.fault is None]
        assert SCENES[name].school_hours or max(seconds, default=0) <= call.at + lead
        # So that a call sent twice because its answer was lost is not late the second time.
        assert max(seconds, default=0) - min(seconds, default=0) <= 2.0


@names
def test_it_takes_seconds_to_send_at_a_cameras_pace(name: str) -> None:
    script = _script(name)
    assert script.calls[-1].at <= 15
    tracks: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for one in _sent(script):
        if one.fault is None:
            tracks[one.camera_id, one.track_id].add(one.micros)
    for seen in tracks.values():
        assert len(seen) <= (max(seen) - min(seen)) / MICROS * 5 + 1


@names
def test_it_stays_on_its_stages_and_stages_are_its_own(name: str) -> None:
    cameras = {camera.camera_id for camera in estate(1).cameras}
    used = {stage.site_id for stage in SCENES[name].stages}
    for one in _sent(_script(name)):
        if one.fault is None:
            assert one.camera_id in cameras
            assert one.camera_id.rpartition("-")[0] in used
    others = {s.site_id for n, scene in SCENES.items() if n != name for s in scene.stages}
    assert not used & others
    assert used <= {stage.site_id for stage in STAGES}


@names
def test_it_is_the_same_for_the_same_seed_and_tracks_are_of_one_playing(name: str) -> None:
    assert _script(name) == _script(name)
    again = SCENES[name].write(Takes(1, "other", NOW))
    tracks = {one.track_id for one in _sent(_script(name)) if one.track_id}
    assert not tracks & {one.track_id for one in _sent(again)}
    assert all(len(track) <= 64 and track.isascii() for track in tracks)


def test_what_each_scene_must_lead_to() -> None:
    outcomes = {}
    for name in SCENES:
        expected = _script(name).expected
        outcomes[name] = (
            sorted((alarm.kind, alarm.status) for alarm in expected.alarms),
            [(i.kinds, i.alarms, i.desks, i.police_code) for i in expected.incidents],
            {one.desk: one.incidents for one in expected.dispatches},
        )
    escalated = "ESCALATED"
    assert outcomes == {
        "fall": ([(Kind.FALL, escalated)], [(("fall",), 1, ("119",), None)], {"119": 1}),
        "fight": ([(Kind.FIGHT, escalated)], [(("fight",), 1, ("112",), 1)], {"112": 1}),
        "loitering": ([(Kind.LOITERING, "DISMISSED")], [], {}),
        "bag": (
            [(Kind.ABANDONMENT, escalated)],
            [(("abandonment",), 1, ("112",), 2)],
            {"112": 1},
        ),
        "fire": ([(Kind.FIRE, escalated)] * 2, [(("fire",), 2, ("119",), None)], {"119": 1}),
        "arson": (
            [(Kind.ARSON, escalated)],
            [(("arson",), 1, ("112", "119"), 0)],
            {"112": 1, "119": 1},
        ),
        "drowning": (
            [(Kind.DROWNING, escalated)],
            [(("drowning",), 1, ("112", "119"), 1)],
            {"112": 1, "119": 1},
        ),
        "noise": ([], [], {}),
    }


def test_the_fight_is_out_of_order_and_repeated() -> None:
    script = _script("fight")
    arrived = [one.micros for one in _sent(script)]
    assert arrived != sorted(arrived)
    assert script.sent.repeats > 5
    assert script.sent.detections == len(set(script.sent.keys)) == 82


def test_the_noise_has_every_kind_weak_torn_and_malformed_ones() -> None:
    script = _script("noise")
    assert {one.kind for one in _sent(script)} == set(Kind)
    assert script.sent.refused == 3
    intrusion = [one.micros for one in _sent(script) if one.kind is Kind.INTRUSION]
    assert max(intrusion) - min(intrusion) > SHORTEST_DWELL[Kind.INTRUSION] * MICROS


def test_the_fires_cameras_see_both_sites() -> None:
    for camera in estate(1).cameras:
        for point in (SHOPS_FRONT.point, SHOPS_BACK.point):
            if camera.camera_id in ("living-0003-1", "living-0004-1"):
                off = abs(
                    (bearing_to(camera.point, point) - (camera.heading or 0) + 180) % 360 - 180
                )
                assert off < camera.view / 2
                assert metres_between(camera.point, point) < camera.reach


def test_smoke_is_the_same_whenever_it_is_told_and_below_an_alert() -> None:
    now = NOW / MICROS
    first, later = smoke.readings(1, now), smoke.readings(1, now + 3600)
    told = {(r.station_id, r.measured_at.seconds): r for r in first.readings}
    assert len(told) == 3 * smoke.HOURS
    for reading in later.readings:
        known = told.get((reading.station_id, reading.measured_at.seconds))
        assert known is None or known == reading
        assert reading.measured_at.seconds % 3600 == 0
        assert reading.measured_at.seconds <= now + 3600
        pm10, pm25 = (one.value for one in reading.measurements)
        assert 108 < pm10 < 150
        assert 48 < pm25 < 75


@given(
    at=st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
    hours=st.floats(0.05, 100),
)
def test_school_hours_are_of_a_school_day_that_is_over_and_only_go_on(
    at: datetime, hours: float
) -> None:
    scene = SCENES["loitering"]
    now = round(at.timestamp() * MICROS)
    start = times.start(scene, now, None)
    for micros in (start, start + 70 * MICROS):
        local = datetime.fromtimestamp(micros / MICROS, SEOUL)
        assert local.weekday() < 5
        assert 7 <= local.hour < 19
        assert local.date() < at.astimezone(SEOUL).date()
    assert times.start(scene, now + round(hours * 3600 * MICROS), None) > start


def test_a_stage_is_left_alone_for_a_while() -> None:
    fall, bag, school = (SCENES[name] for name in ("fall", "bag", "loitering"))
    assert times.start(fall, NOW, None) == NOW
    assert times.start(fall, NOW, NOW - 10 * MICROS) == NOW + 190 * MICROS
    start = times.start(bag, NOW, NOW - 10 * MICROS)
    assert (start, times.begin(bag, start)) == (NOW + 190 * MICROS, NOW + 256 * MICROS)
    first = times.start(school, NOW, None)
    assert times.start(school, NOW, first) == first + 200 * MICROS
    with pytest.raises(SceneError, match="school hours are used up"):
        times.start(school, NOW, first + 13 * 3600 * MICROS)


@given(micros=st.integers(NOW, NOW + 10**12))
@settings(max_examples=20)
def test_times_are_whole_milliseconds_from_the_start(micros: int) -> None:
    for one in _sent(_script("fight", start=micros)):
        assert (one.micros - micros) % 1000 == 0


def test_the_file_of_what_was_played_can_be_read_back() -> None:
    script = _script("fire")
    scene = {
        "name": "fire",
        "title": "화재",
        "site_ids": ["living-0003"],
        "window": script.window,
        "sent": script.sent,
        "acts": [],
        "expected": script.expected,
    }
    now = datetime.now(UTC)
    played = Played.model_validate(
        {"run": "r", "seed": 1, "began": now, "ended": now, "background": 0, "scenes": [scene]}
    )
    assert TypeAdapter(Played).validate_json(played.model_dump_json()) == played
