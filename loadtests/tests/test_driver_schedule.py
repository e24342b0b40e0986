"""When calls are intended: counts, order, determinism, and shards that share the whole out."""

import itertools
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from loadtests.driver.plan import Plan, PlannedPhase, Rate
from loadtests.driver.schedule import count, due, instants, mean, planned

_MICROS = 1_000_000
_SECONDS = st.floats(0.5, 20)
_RATES = st.floats(0, 60)


@st.composite
def rates(draw: st.DrawFn, arrivals: tuple[str, ...] = ("even", "poisson", "minute")) -> Rate:
    every = draw(st.floats(0.5, 10))
    return Rate.model_validate(
        {
            "rate": draw(_RATES),
            "profile": draw(st.sampled_from(["constant", "ramp", "diurnal", "burst"])),
            "arrivals": draw(st.sampled_from(arrivals)),
            "to": draw(_RATES),
            "hours": [*draw(st.lists(st.floats(0, 5), max_size=23)), 1.0],
            "day_seconds": draw(st.floats(1, 60)),
            "from_hour": draw(st.floats(0, 23.9)),
            "factor": draw(st.floats(0.1, 10)),
            "every_seconds": every,
            "for_seconds": every * draw(st.floats(0.1, 1)),
            "minute_seconds": draw(st.floats(1, 10)),
            "spread_seconds": draw(st.floats(0.01, 1)),
        }
    )


@given(rate=rates(), seconds=_SECONDS, seed=st.integers(0, 99))
def test_instants_are_in_order_within_the_phase_and_as_many_as_counted(
    rate: Rate, seconds: float, seed: int
) -> None:
    found = list(instants(rate, seconds, seed, "phase", "operation"))
    assert found == sorted(found)
    assert all(0 <= one < seconds * _MICROS for one in found)
    assert len(found) == count(rate, seconds, seed, "phase", "operation")
    assert found == list(instants(rate, seconds, seed, "phase", "operation"))


@given(rate=rates(("even", "minute")), seconds=_SECONDS, seed=st.integers(0, 99))
def test_there_are_as_many_as_the_rate_says_to_one(rate: Rate, seconds: float, seed: int) -> None:
    assert abs(count(rate, seconds, seed, "x") - mean(rate, seconds) * seconds) <= 1 + 1e-6


@given(
    phases=st.lists(
        st.dictionaries(st.sampled_from(["a", "b", "c"]), rates(), min_size=1),
        min_size=1,
        max_size=3,
    ),
    seed=st.integers(0, 99),
    shards=st.integers(1, 5),
)
def test_shards_share_out_the_whole_whatever_their_number(
    phases: list[dict[str, Rate]], seed: int, shards: int
) -> None:
    plan = Plan(
        scenario="x",
        seed=seed,
        phases=tuple(
            PlannedPhase(name=f"p{number}", seconds=1.5, rates=one)
            for number, one in enumerate(phases)
        ),
    )
    whole = list(due(plan))
    parts = [list(due(plan, shard, shards)) for shard in range(shards)]
    assert sorted(itertools.chain(*parts)) == sorted(whole)
    assert all(part == sorted(part, key=lambda one: one.micros) for part in parts)
    for operation, intended in planned(plan).items():
        numbers = [one.number for one in whole if one.operation == operation]
        assert numbers == list(range(intended))


def test_another_seed_is_another_schedule_and_two_operations_are_not_in_step() -> None:
    rate = Rate(rate=50, arrivals="poisson")
    one = list(instants(rate, 2, 1, "p", "a"))
    assert one != list(instants(rate, 2, 2, "p", "a"))
    assert one != list(instants(rate, 2, 1, "p", "b"))


def test_a_constant_rate_has_the_same_distance_everywhere() -> None:
    found = list(instants(Rate(rate=250), 4, 1, "x"))
    assert {later - earlier for earlier, later in pairwise(found)} <= {3999, 4000, 4001}


def test_a_ramp_has_its_rate_at_each_moment() -> None:
    found = list(instants(Rate(rate=0, to=200, profile="ramp"), 10, 1, "x"))
    by_second = [sum(1 for one in found if one // _MICROS == second) for second in range(10)]
    assert all(abs(n - (20 * s + 10)) <= 1 for s, n in enumerate(by_second))


def test_a_burst_comes_at_the_end_of_each_period() -> None:
    rate = Rate(rate=10, profile="burst", factor=5, every_seconds=4, for_seconds=1)
    found = list(instants(rate, 8, 1, "x"))
    by_second = [sum(1 for one in found if one // _MICROS == second) for second in range(8)]
    assert by_second == pytest.approx([10, 10, 10, 50, 10, 10, 10, 50], abs=1)


def test_a_day_has_its_mean_and_its_course() -> None:
    hours = tuple(float(hour) for hour in range(24))
    rate = Rate(rate=23, profile="diurnal", hours=hours, day_seconds=24, from_hour=12)
    found = list(instants(rate, 24, 1, "x"))
    by_second = [sum(1 for one in found if one // _MICROS == second) for second in range(24)]
    assert len(found) == pytest.approx(23 * 24, abs=1)
    assert by_second == pytest.approx([2 * ((12 + n) % 24) for n in range(24)], abs=1)


def test_what_comes_on_the_minute_comes_in_its_beginning() -> None:
    rate = Rate(rate=9, arrivals="minute", minute_seconds=10, spread_seconds=0.5)
    found = list(instants(rate, 30, 1, "x"))
    assert len(found) == pytest.approx(270, abs=1)
    assert all(one % (10 * _MICROS) <= 500_000 for one in found)
    assert {one // (10 * _MICROS) for one in found} == {0, 1, 2}


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"rate": 1, "profile": "ramp"}, "to"),
        ({"rate": 1, "profile": "diurnal"}, "hours"),
        ({"rate": 1, "hours": [1, -1]}, "hours"),
        ({"rate": 1, "every_seconds": 1, "for_seconds": 2}, "for_seconds"),
        ({"rate": 1, "spread_seconds": 61}, "spread_seconds"),
        ({"rate": -1}, "rate"),
    ],
)
def test_a_wrong_rate_is_named(wrong: dict[str, object], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        Rate.model_validate(wrong)
