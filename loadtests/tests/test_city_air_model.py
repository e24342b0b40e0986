"""The model: any slice alone, its shape, its episodes, its faults."""

import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from itertools import groupby, pairwise
from statistics import correlation, mean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.city.air import episodes
from loadtests.city.air.model import Fault, Reading, readings, stations
from loadtests.city.air.places import DONGS
from loadtests.city.air.rates import PARTICULATES, PATTERNS, Pollutant
from loadtests.city.errors import SliceError

START = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
moments = st.datetimes(
    datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC), allow_imaginary=False
)
seeds = st.integers(-(2**31), 2**31)


@given(seed=seeds, start=moments, cuts=st.lists(st.integers(0, 4 * 3600), max_size=4))
@settings(max_examples=25, deadline=None)
def test_slices_put_together_are_the_whole(seed: int, start: datetime, cuts: list[int]) -> None:
    end = start + timedelta(hours=4)
    edges = [start, *(start + timedelta(seconds=cut) for cut in sorted(cuts)), end]
    pieces: list[Reading] = []
    for left, right in reversed(list(pairwise(edges))):
        pieces = [*readings(seed, left, right), *pieces]
    assert pieces == list(readings(seed, start, end))
    assert len(pieces) == 4 * 6 * 90


@given(seed=seeds, start=moments)
@settings(max_examples=10, deadline=None)
def test_readings_are_every_ten_minutes_in_order_and_inside(seed: int, start: datetime) -> None:
    found = list(readings(seed, start, start + HOUR))
    assert found == sorted(found, key=lambda one: (one.measured_at, one.station_id))
    assert all(start <= one.measured_at < start + HOUR for one in found)
    assert all(one.measured_at.timestamp() % 600 == 0 for one in found)
    assert len({(one.measured_at, one.station_id) for one in found}) == len(found)
    assert all(set(one.values) == set(Pollutant) for one in found)


def test_the_zone_of_the_slice_does_not_matter() -> None:
    seoul = START.astimezone(timezone(timedelta(hours=9)))
    assert list(readings(1, seoul, seoul + HOUR)) == list(readings(1, START, START + HOUR))


def test_another_process_makes_the_same_values() -> None:
    code = (
        "from datetime import *; from loadtests.city.air.model import readings;"
        "t = datetime(2026, 3, 2, tzinfo=UTC);"
        "print(repr(list(readings(5, t, t + timedelta(minutes=20)))))"
    )
    made = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert made.stdout.strip() == repr(list(readings(5, START, START + timedelta(minutes=20))))


def test_seeds_differ() -> None:
    assert list(readings(1, START, START + HOUR)) != list(readings(2, START, START + HOUR))


@pytest.mark.parametrize(
    ("start", "end", "named"),
    [
        (datetime(2026, 3, 2), START, "times with a zone"),
        (START, START - HOUR, "no earlier than"),
    ],
)
def test_a_wrong_slice_is_refused_at_once(start: datetime, end: datetime, named: str) -> None:
    with pytest.raises(SliceError, match=named):
        readings(1, start, end)


def test_nine_dong_with_ten_stations_in_sejong() -> None:
    found = stations(1)
    assert set(Counter(station.dong.name for station in found).values()) == {10}
    assert len({station.dong.name for station in found}) == 9
    assert len({station.station_id for station in found}) == 90
    assert all(36.40 < one.latitude < 36.60 and 127.15 < one.longitude < 127.35 for one in found)


@pytest.fixture(scope="module")
def ten_days() -> list[Reading]:
    return list(readings(1, START, START + timedelta(days=10)))


def _hourly(found: Iterable[Reading]) -> dict[Pollutant, dict[str, dict[int, float]]]:
    """Hourly means of right readings by pollutant, station and epoch hour."""
    values: defaultdict[tuple[Pollutant, str, int], list[float]] = defaultdict(list)
    for one in found:
        if one.fault is None:
            for pollutant, value in one.values.items():
                hour = int(one.measured_at.timestamp()) // 3600
                values[pollutant, one.station_id, hour].append(value)
    means: dict[Pollutant, dict[str, dict[int, float]]] = {p: defaultdict(dict) for p in Pollutant}
    for (pollutant, station_id, hour), members in values.items():
        means[pollutant][station_id][hour] = mean(members)
    return means


@given(seed=seeds, day=st.integers(15_000, 25_000))
def test_an_episode_is_inside_its_day(seed: int, day: int) -> None:
    episode = episodes.of_day(seed, day)
    for at in (day * 86_400, (day + 1) * 86_400 - 1):
        assert episodes.added(seed, Pollutant.PM10, DONGS[0], at) < 1
    if episode is not None:
        middle = episode.start + int(episode.rise + episode.hold / 2)
        for pollutant, peak in episode.peak.items():
            assert episodes.added(seed, pollutant, episode.centre, middle) == peak


def test_three_days_in_five_have_an_episode_and_two_in_five_of_them_are_dust() -> None:
    found = [episodes.of_day(1, day) for day in range(2000)]
    kinds = Counter(episode.kind for episode in found if episode is not None)
    assert 0.55 < kinds.total() / len(found) < 0.65
    assert 0.35 < kinds["dust"] / kinds.total() < 0.45


def test_episodes_cross_the_limits_for_two_hours_every_couple_of_days(
    ten_days: list[Reading],
) -> None:
    hourly = _hourly(ten_days)

    def days_over(pollutant: Pollutant, limit: float) -> set[int]:
        return {
            hour // 24
            for means in hourly[pollutant].values()
            for hour, value in means.items()
            if value >= limit and means.get(hour + 1, 0) >= limit
        }

    assert 3 <= len(days_over(Pollutant.PM10, 150) | days_over(Pollutant.PM25, 75)) <= 9
    assert days_over(Pollutant.PM10, 300)
    assert days_over(Pollutant.PM25, 75)
    low = {hour for means in hourly[Pollutant.PM25].values() for hour, v in means.items() if v < 35}
    assert len(low) > 48


def test_right_values_are_physical_and_stations_of_a_dong_agree(ten_days: list[Reading]) -> None:
    for one in ten_days:
        if one.fault is None:
            assert one.values[Pollutant.PM25] <= one.values[Pollutant.PM10] <= 1000
            assert all(value > 0 for value in one.values.values())
            assert all(one.values[p] < 50 * PATTERNS[p].typical for p in Pollutant)
    pm10 = _hourly(ten_days)[Pollutant.PM10]
    near = [pm10["sejong-areum-01"], pm10["sejong-areum-02"]]
    hours = sorted(near[0].keys() & near[1].keys())
    assert correlation(*([means[hour] for hour in hours] for means in near)) > 0.98


def test_ozone_peaks_in_the_afternoon(ten_days: list[Reading]) -> None:
    by_hour: defaultdict[int, list[float]] = defaultdict(list)
    for one in ten_days:
        if one.fault is None:
            by_hour[(one.measured_at.hour + 9) % 24].append(one.values[Pollutant.O3])
    usual = {hour: mean(values) for hour, values in by_hour.items()}
    assert 12 <= max(usual, key=lambda hour: usual[hour]) <= 18
    assert mean(usual[h] for h in (13, 14, 15)) > 2 * mean(usual[h] for h in (5, 6, 7))


def test_one_reading_in_a_thousand_is_malformed_and_says_how(ten_days: list[Reading]) -> None:
    faults = Counter(one.fault for one in ten_days)
    assert 0.0005 < 1 - faults[None] / len(ten_days) < 0.0015
    assert min(faults[Fault.OUT_OF_RANGE], faults[Fault.UNIT_MIX_UP]) > 20
    for one in ten_days:
        if one.fault is Fault.UNIT_MIX_UP:
            assert one.faulty is not None
            assert one.faulty not in PARTICULATES
            assert one.values[one.faulty] > 100 * PATTERNS[one.faulty].typical
        elif one.fault is Fault.OUT_OF_RANGE:
            assert one.faulty is not None
            assert one.values[one.faulty] in {-1.0, 65535.0}


def test_no_station_reports_one_value_for_hours(ten_days: list[Reading]) -> None:
    found = sorted(ten_days, key=lambda one: one.station_id)
    for _, series in groupby(found, key=lambda one: one.station_id):
        values = [one.values for one in sorted(series, key=lambda one: one.measured_at)]
        for pollutant in Pollutant:
            runs = groupby(value[pollutant] for value in values)
            assert max(len(list(run)) for _, run in runs) < 6
