"""What a scenario's load is like: preferred keys, sizes and bursts follow from the seed, and the
day's course is the model's."""

from collections import Counter
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.city.cameras import rates as cameras_rates
from loadtests.city.cameras.estate import estate
from loadtests.city.health import rates as health_rates
from loadtests.city.parking import rates as parking_rates
from loadtests.driver.operation import World
from loadtests.driver.operations import cameras, parking
from loadtests.driver.operations.calling import SettingError, Skew, skew, text
from loadtests.driver.plan import Rate
from loadtests.driver.schedule import instants
from loadtests.scenarios import scenario as scenarios

_AT = datetime(2026, 3, 1, 12, 0, 0, 250_000, UTC)
_MICROS = 1_000_000


class _Silent:
    """A channel whose methods nobody calls."""

    def __getattr__(self, shape: str) -> Any:
        return lambda *_, **__: None


def world(seed: int = 1, **settings: object) -> World:
    return World({}, seed, settings=settings)


@given(
    population=st.integers(1, 50),
    exponent=st.floats(0, 3),
    hot=st.floats(0, 1),
    seed=st.integers(0, 99),
    count=st.integers(1, 60),
)
def test_keys_are_of_the_population_and_follow_from_the_seed(
    population: int, exponent: float, hot: float, seed: int, count: int
) -> None:
    made = [skew(world(seed, zipf=exponent, hot_share=hot), "things", population) for _ in range(2)]
    one, other = ([each(draw) for _ in range(50)] for each in made for draw in [Random(seed)])
    assert one == other
    assert set(one) <= set(range(population))
    some = made[0].some(Random(seed), count)
    assert len(some) == len(set(some)) == min(count, population)
    assert set(some) <= set(range(population))


def test_one_key_has_its_share_and_another_seed_prefers_another() -> None:
    draw = Random(1)
    found = Counter(skew(world(hot_share=0.8), "bays", 100)(draw) for _ in range(5_000))
    (hottest, times), (_, next_times) = found.most_common(2)
    assert times == pytest.approx(4_000, rel=0.05)
    assert next_times < 50
    preferred = {skew(world(seed, hot_share=1.0), "bays", 100)(draw) for seed in range(10)}
    assert len(preferred) > 5
    assert skew(world(hot_share=1.0), "bays", 100)(draw) == hottest
    with pytest.raises(SettingError, match="hot_share"):
        Skew(10, 0, 1.5)


def test_some_sites_see_far_more_than_others_and_the_hot_one_most() -> None:
    def sites(**settings: float) -> Counter[str]:
        channel: Any = _Silent()
        made = cameras.Detections(
            channel, World({}, 1, settings={"malformed_share": 0, **settings})
        )
        site_of = {camera.camera_id: camera.site_id for camera in estate(1).cameras}
        return Counter(
            site_of[next(iter(made.seen(0, number))).camera_id] for number in range(3_000)
        )

    even, skewed, hot = sites(), sites(zipf=1.0), sites(hot_share=0.7)
    assert max(even.values()) < 30
    assert 250 < max(skewed.values()) < 700
    assert max(hot.values()) == pytest.approx(2_100, rel=0.1)
    assert sites(zipf=1.0) == skewed


def test_searches_and_trips_prefer_the_same_bays() -> None:
    bays = [skew(world(zipf=1.0), "bays", 200)(Random(number)) for number in range(200)]
    again = [skew(world(zipf=1.0), "bays", 200)(Random(number)) for number in range(200)]
    assert bays == again
    assert Counter(bays).most_common(1)[0][1] > 20
    assert parking.bays(world(bays=7)) == 7


def test_tracks_and_calls_are_short_mostly_and_never_longer_than_allowed() -> None:
    channel: Any = _Silent()
    made = cameras.Detections(channel, world(malformed_share=0, track_chars=30))
    tracks = [one.track_id for number in range(500) for one in made.seen(1, number)]
    assert len(set(tracks)) == len(tracks)
    lengths = sorted(map(len, tracks))
    assert lengths[-1] == 64
    assert lengths[len(lengths) // 2] < 35
    told = [text(Random(number), ("불이 났어요", "네"), 120, 400) for number in range(500)]
    assert all(1 <= len(one) <= 400 for one in told)
    assert sum(map(len, told)) / 500 == pytest.approx(115, rel=0.15)
    assert text(Random(1), ("가", "나"), 50, 99) == text(Random(1), ("가", "나"), 50, 99)


@given(
    factor=st.floats(1.5, 5),
    every=st.floats(1, 5),
    share=st.floats(0.1, 0.9),
    hours=st.lists(st.floats(0.5, 2), min_size=1, max_size=6),
)
def test_a_day_with_bursts_has_so_many_times_more_in_them(
    factor: float, every: float, share: float, hours: list[float]
) -> None:
    day = {"rate": 200, "profile": "diurnal", "hours": hours, "day_seconds": 12}
    burst = {"factor": factor, "every_seconds": every, "for_seconds": every * share}
    calm = list(instants(Rate.model_validate(day), 12, 1, "x"))
    found = list(instants(Rate.model_validate(day | burst), 12, 1, "x"))

    def within(micros: list[int]) -> int:
        quiet = every * (1 - share)
        return sum(1 for one in micros if one / _MICROS % every >= quiet)

    edges = 2 * (12 / every + len(hours) + 1)
    assert within(found) == pytest.approx(factor * within(calm), abs=(factor + 1) * edges)
    outside, outside_calm = len(found) - within(found), len(calm) - within(calm)
    assert outside == pytest.approx(outside_calm, abs=2 * edges)


def test_the_days_course_is_the_models() -> None:
    (day,) = scenarios.load("baseline-day").phases
    seen = day.rates["cameras.PublishDetections"]
    assert seen.hours == cameras_rates.DETECTIONS_PER_SECOND
    assert seen.rate * 5 == pytest.approx(sum(seen.hours) / 24 / 2, rel=0.01)
    assert cameras_rates.BURST_FACTOR[0] < seen.factor < cameras_rates.BURST_FACTOR[1]
    assert seen.for_seconds / seen.every_seconds <= cameras_rates.BURST_CHANCE
    for name in ("parking.SearchBays", "parking.Trip"):
        assert day.rates[name].hours == parking_rates.ARRIVALS
    kiosks = day.rates["health.Session"].hours
    assert kiosks[9:18] == health_rates.ARRIVALS[9:18]
    assert not any((*kiosks[:9], *kiosks[18:]))
    assert day.rates["sensors.PublishReadings"].arrivals == "minute"


def test_all_devices_are_back_within_the_second() -> None:
    storm = scenarios.load("reconnect-storm")
    (phase,) = (one for one in storm.phases if one.name == "storm")
    assert phase.seconds == 1
    for name, setting in (
        ("cameras", "sites"),
        ("sensors", "stations"),
        ("parking", "gateways"),
        ("emergency", "screens"),
    ):
        rate = phase.rates[f"{name}.Reconnect"]
        found = list(instants(rate, phase.seconds, 1, phase.name, f"{name}.Reconnect"))
        assert len(found) == storm.settings[setting]
