"""The health model: its figures, and that each part of it follows from the seed alone."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.city.air.places import DONGS
from loadtests.city.cameras.places import metres_between
from loadtests.city.health import kiosks, visits, wire
from loadtests.city.health.kiosks import KIOSKS, ZONES, offline, online_at
from loadtests.city.health.people import people
from loadtests.city.health.rates import (
    ACUTE,
    ARRIVALS,
    CUT_SHARE,
    OFFLINE_SHARE,
    SPELL_SECONDS,
    USED,
    WITHDRAWS_SHARE,
    Code,
    Group,
    Purpose,
)
from loadtests.city.health.visits import Load, Reading, Visit, beginning

SEEDS = st.integers(-(2**31), 2**31)
# A Tuesday, in Seoul.
TUESDAY = datetime(2026, 11, 24, tzinfo=UTC) - timedelta(hours=9)
NOON = int((TUESDAY + timedelta(hours=12)).timestamp())
# NEWS2 as domain.md has it: above which value, and how many points from there on.
NEWS2 = {
    Code.OXYGEN_SATURATION: ((0, 3), (91, 2), (93, 1), (95, 0)),
    Code.BLOOD_PRESSURE: ((0, 3), (90, 2), (100, 1), (110, 0), (219, 3)),
    Code.BODY_TEMPERATURE: ((0, 3), (35.0, 1), (36.0, 0), (38.0, 1), (39.0, 2)),
    Code.HEART_RATE: ((0, 3), (40, 1), (50, 0), (90, 1), (110, 2), (130, 3)),
}


def points(reading: Reading) -> int:
    found = 0
    for above, score in NEWS2.get(reading.value.code, ()):
        if reading.value.value > above:
            found = score
    return found


def is_acute(readings: Sequence[Reading]) -> bool:
    scores = [points(one) for one in readings]
    return 3 in scores or sum(scores) >= 5


def _visits(load: Load, start: int, seconds: int) -> list[Visit]:
    return [one for at in range(start, start + seconds) for one in beginning(load, at)]


def test_two_zones_have_kiosks_that_the_department_takes() -> None:
    assert {kiosk.zone for kiosk in KIOSKS} == set(ZONES) == {"조치원", "보람"}
    assert len({kiosk.kiosk_id for kiosk in KIOSKS}) == len(KIOSKS) == 8
    devices = [device.device_id for kiosk in KIOSKS for device in kiosk.devices]
    assert len(set(devices)) == len(devices)
    boram = next((dong.latitude, dong.longitude) for dong in DONGS if dong.slug == "boram")
    for kiosk in KIOSKS:
        codes = [code for device in kiosk.devices for code in device.codes]
        assert len(set(codes)) == len(codes)
        assert set(Code) - {Code.GLUCOSE} <= set(codes)
        far = metres_between(kiosk.point, boram)
        assert far < 5_000 if kiosk.zone == kiosks.BORAM else 10_000 < far < 25_000
    registered = wire.kiosk_registration(KIOSKS)
    assert registered == wire.kiosk_registration(KIOSKS)
    assert registered.idempotency_key != wire.kiosk_registration(KIOSKS[1:]).idempotency_key


@given(seed=SEEDS)
@settings(max_examples=5, deadline=None)
def test_people_are_fictional_grown_up_and_of_both_zones(seed: int) -> None:
    found = people(seed)
    assert found == people.__wrapped__(seed)
    assert len({one.name for one in found}) == len({one.contact for one in found}) == 400
    assert Counter(one.zone for one in found) == dict.fromkeys(ZONES, 200)
    for one in found:
        assert one.contact.startswith("010-0")
        assert one.name.startswith(f"{one.zone} 주민 ")
        assert date(1933, 1, 1) < one.birth_date < date(2007, 1, 1)
        assert Group.ELDERLY_ALONE not in one.groups or one.birth_date < date(1961, 1, 3)


def test_some_are_vulnerable_and_some_consent_to_less() -> None:
    found = people(1)
    groups = Counter(group for one in found for group in one.groups)
    assert 0.25 < groups[Group.CHRONIC] / 400 < 0.45
    assert all(groups[group] > 5 for group in Group)
    for purpose in Purpose:
        assert 0.6 < sum(purpose in one.purposes for one in found) / 400 < 0.95
    assert any(not one.purposes for one in found)


@given(seed=SEEDS, start=st.integers(1_500_000_000, 2_000_000_000))
@settings(max_examples=10, deadline=None)
def test_any_second_is_made_alone(seed: int, start: int) -> None:
    load = Load(seed, 60.0, 600.0)
    forwards = [beginning(load, second) for second in range(start, start + 60)]
    visits.beginning.cache_clear()
    for second in (start + 59, start + 17, start):
        assert beginning(load, second) == forwards[second - start]
    assert any(forwards)


def test_people_come_at_the_rates_and_by_the_hour() -> None:
    load = Load(1, 60.0, 360.0)
    for hour in (4, 10, 16):
        at = int((TUESDAY + timedelta(hours=hour)).timestamp())
        found = _visits(load, at, 1_800)
        usual = [one for one in found if not one.acute]
        assert abs(len(usual) / 1_800 - ARRIVALS[hour]) < 0.12 * ARRIVALS[hour] + 0.02
        assert 120 < len(found) - len(usual) < 240  # 180 in half an hour, at any time of day
    assert abs(sum(ARRIVALS) / 24 - 1) < 0.02
    assert not _visits(Load(1, 0.0, 0.0), NOON, 600)


def test_only_who_is_meant_to_be_is_acute() -> None:
    found = _visits(Load(2, 600.0, 3_600.0), NOON, 300)
    assert len({one.visit_id for one in found}) == len(found) > 3_000
    assert [one.visit_id for one in found if is_acute(one.readings) is not one.acute] == []
    bad = [one for one in found if one.acute]
    assert len(bad) > 200
    assert not any(one.withdraws for one in bad)
    # By one parameter and by several together.
    together = sum(max(map(points, one.readings)) < 3 for one in bad) / len(bad)
    assert 0.5 * ACUTE[next(reversed(ACUTE))] < together < 2 * ACUTE[next(reversed(ACUTE))]


def test_sessions_have_several_plausible_measurements_and_about_half_a_finding() -> None:
    found = _visits(Load(3, 600.0, 0.0), NOON, 300)
    used: Counter[Code] = Counter()
    findings = 0
    for one in found:
        kiosk, person = KIOSKS[one.kiosk], people(3)[one.person]
        assert kiosk.zone == person.zone
        codes = [reading.value.code for reading in one.readings]
        assert len(set(codes)) == len(codes) >= 1
        used.update(codes)
        for reading in one.readings:
            device = kiosk.device(reading.value.code)
            assert device is not None
            assert device.device_id == reading.device_id
            assert (reading.value.fasting is not None) is (reading.value.code is Code.GLUCOSE)
            if reading.value.code is Code.BLOOD_PRESSURE:
                assert reading.value.diastolic is not None
                assert 30 < reading.value.diastolic < reading.value.value
        shown = {reading.value.code: reading.value for reading in one.readings}
        pressure = shown[Code.BLOOD_PRESSURE]
        index = shown.get(Code.BODY_MASS_INDEX)
        findings += pressure.value >= 140 or (index is not None and index.value >= 25)
    assert sum(len(one.readings) for one in found) / len(found) > 3
    assert used[Code.BLOOD_PRESSURE] == len(found)
    assert abs(used[Code.HEART_RATE] / len(found) - USED[Code.HEART_RATE]) < 0.05
    assert 0.25 < findings / len(found) < 0.65
    assert abs(sum(one.cut_after is not None for one in found) / len(found) - CUT_SHARE) < 0.03
    assert 0 < sum(one.withdraws for one in found) / len(found) < 3 * WITHDRAWS_SHARE


def test_the_same_person_has_about_the_same_at_each_visit() -> None:
    pressures: defaultdict[int, list[float]] = defaultdict(list)
    for one in _visits(Load(4, 600.0, 0.0), NOON, 600):
        pressures[one.person].append(one.readings[0].value.value)
    means = [sum(values) / len(values) for values in pressures.values()]
    between = max(means) - min(means)
    within = max(max(values) - min(values) for values in pressures.values())
    assert within < between


@given(seed=SEEDS, spell=st.integers(400_000, 500_000))
@settings(max_examples=50, deadline=None)
def test_a_kiosk_is_offline_within_a_spell_and_then_back(seed: int, spell: int) -> None:
    start = spell * SPELL_SECONDS
    gap = offline(seed, "boram", spell)
    if gap is None:
        assert online_at(seed, "boram", start + 1_000.5) == start + 1_000.5
        return
    assert start <= gap[0] < gap[1] <= start + SPELL_SECONDS
    assert online_at(seed, "boram", gap[0]) == online_at(seed, "boram", gap[1] - 0.1) == gap[1]
    assert online_at(seed, "boram", gap[1]) == gap[1]
    assert online_at(seed, "boram", gap[0] - 0.1) == gap[0] - 0.1


def test_kiosks_are_offline_now_and_then_some_for_longer_than_an_alarm_lasts() -> None:
    spells = range(492_000, 493_000)
    gaps = [gap for spell in spells if (gap := offline(1, "boram", spell)) is not None]
    assert abs(len(gaps) / len(spells) - OFFLINE_SHARE) < 0.05
    assert any(end - start > 1_800 for start, end in gaps)
    assert sum(end - start < 1_200 for start, end in gaps) > len(gaps) / 3


def test_an_enrolment_is_the_same_for_the_same_visit_only() -> None:
    one, other = people(1)[:2]
    keys = [
        wire.enrolment(person, micros, purpose).idempotency_key
        for person, micros, purpose in (
            (one, 5, "v"),
            (one, 5, "w"),
            (one, 6, "v"),
            (other, 5, "v"),
        )
    ]
    assert wire.enrolment(one, 5, "v").idempotency_key == keys[0]
    assert len(set(keys)) == 4
