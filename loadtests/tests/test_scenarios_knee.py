"""The search of the knee ends at it, in few steps, and what was taken back is not found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.driver.plan import PlannedPhase, Rate
from loadtests.driver.result import (
    Figures,
    OperationFigures,
    Percentiles,
    ResourceSample,
    Result,
    TimeLagFigures,
)
from loadtests.scenarios.binding import binds, cores_used
from loadtests.scenarios.knee import held, judged, scaled
from loadtests.scenarios.scenario import Scenario, load
from loadtests.scenarios.search import Knee, Search

SEARCH = Search(first=1, growth=1.5, most=200, precision=0.05, confirmations=3)


def searched(search: Search, holds: "list[bool] | float") -> tuple[Knee, list[float]]:
    """Up to its end: with a knee at a factor, or with what each step said."""
    knee, tried = Knee(search), list[float]()
    while (factor := knee.next()) is not None:
        if isinstance(holds, list):
            if len(tried) == len(holds):
                break
            knee.tell(factor, held=holds[len(tried)])
        else:
            knee.tell(factor, held=factor <= holds)
        tried.append(factor)
    return knee, tried


@given(st.floats(0.02, 150))
def test_the_knee_is_found_within_the_precision_and_confirmed(true: float) -> None:
    knee, tried = searched(SEARCH, true)
    assert knee.confirmed
    assert knee.factor <= true <= knee.factor * 1.05 * 1.0001
    assert tried[-3:] == [knee.factor] * 3
    assert len(tried) <= 30


@given(st.lists(st.booleans(), max_size=60))
def test_whatever_the_steps_say_the_search_ends(holds: list[bool]) -> None:
    knee, tried = searched(SEARCH, [*holds, *[False] * 60])
    assert len(tried) <= 48
    assert knee.broken is None or knee.factor < knee.broken


def test_a_confirmation_that_is_not_held_is_where_it_breaks() -> None:
    knee = Knee(SEARCH)
    for factor in (1.0, 1.5):
        assert knee.next() == pytest.approx(factor)
        knee.tell(factor, held=True)
    knee.tell(2.25, held=False)
    while (factor := knee.next() or 0.0) != knee.factor:
        knee.tell(factor, held=factor < 1.7)
    found = knee.factor
    knee.tell(found, held=True)
    knee.tell(found, held=False)
    assert knee.broken == found
    assert knee.factor < found
    assert not knee.confirmed


def test_confirmations_from_before_a_failed_one_count_no_more() -> None:
    knee = Knee(SEARCH)
    # Two that are so near each other that there is nothing between them to try.
    for factor, held_ in ((1.0, True), (1.03, True), (1.03, True), (1.03, True), (1.03, False)):
        knee.tell(factor, held=held_)
    assert knee.next() == 1.0
    knee.tell(1.0, held=True)
    assert not knee.confirmed


def test_what_holds_beyond_the_most_is_confirmed_at_the_last_factor() -> None:
    knee, tried = searched(SEARCH, 1e9)
    assert knee.confirmed
    assert knee.factor <= SEARCH.most < knee.factor * SEARCH.growth
    assert len(set(tried)) == len(tried) - 3


def test_nothing_is_found_where_nothing_holds() -> None:
    knee, tried = searched(SEARCH, 0.0)
    assert knee.factor == 0
    assert not knee.confirmed
    assert len(tried) < 15


def _percentiles(p99: float) -> Percentiles:
    return Percentiles(count=9, min=1, mean=1, p50=1, p90=1, p99=p99, p999=p99, p9999=p99, max=p99)


def _figures(p99: float = 10, ok: int = 100, failed: int = 0, lag: float | None = 0) -> Figures:
    one = OperationFigures(
        name="a.Call",
        intended=ok + failed,
        sent=ok + failed,
        ok=ok,
        failed=failed,
        unknown=0,
        intended_rate=1,
        achieved_rate=1,
        response=_percentiles(p99),
        service=_percentiles(1),
        lag=_percentiles(1),
    )
    behind = TimeLagFigures(service="a", topic="a.b.v1", last=lag, worst=lag or 0)
    return Figures(seconds=10, shards=1, operations=(one,), time_lags=(behind,))


@pytest.mark.parametrize(
    ("figures", "why"),
    [
        (_figures(), ""),
        (_figures(p99=1000), ""),
        (_figures(p99=1001), "a.Call: response p99 1001 ms"),
        (_figures(ok=99, failed=1), "1 of 100 calls not ok"),
        (_figures(ok=0), "0 of 0 calls not ok"),
        (_figures(lag=5.1), "a: a.b.v1 5.1 s behind"),
        (_figures(lag=None), ""),
    ],
)
def test_a_step_is_held_within_each_of_its_limits(figures: Figures, why: str) -> None:
    assert held(SEARCH, figures) == why


def test_all_rates_grow_by_the_factor_and_the_ends_of_ramps_with_them() -> None:
    rates = {"a": Rate(rate=2), "b": Rate(rate=1, profile="ramp", to=3)}
    phase = PlannedPhase(name="step", seconds=8, rates=rates)
    found = scaled(Scenario(name="s", about="", phases=(phase,)), 1.5).phases[0]
    assert (found.rates["a"].rate, found.rates["b"].rate, found.rates["b"].to) == (3, 1.5, 4.5)
    assert found.seconds == 8


def _judged(search: Search, holds: "list[bool] | float", verdict: str = "PASS") -> Result:
    result = Result(scenario="s", verdict=verdict, figures=_figures())  # type: ignore[arg-type]
    return judged(result, searched(search, holds)[0], search, [], ["one"])


@pytest.mark.parametrize(
    ("asked", "holds", "before", "verdict"),
    [
        (4.0, 6.0, "PASS", "PASS"),
        (8.0, 6.0, "PASS", "FAIL"),
        (4.0, 6.0, "FAIL", "FAIL"),
        (4.0, 6.0, "INVALID", "INVALID"),
        # The driver was at its end: enough, or not to be told.
        (1.2, [True, True], "PASS", "PASS"),
        (4.0, [True, True], "PASS", "INVALID"),
    ],
)
def test_the_knee_is_a_gate(
    asked: float, holds: "list[bool] | float", before: str, verdict: str
) -> None:
    search = SEARCH.model_copy(update={"at_least": asked})
    result = _judged(search, holds, before)
    assert result.verdict == verdict
    assert result.gates[0].direction == "at least"
    assert result.remarks == ("one",)


def _sample(at: float, process: str, cpu: float) -> ResourceSample:
    return ResourceSample(at=at, process=process, cpu_seconds=cpu, rss=1, fds=1, threads=1)


def test_the_cores_that_a_process_used_are_counted_from_its_last_start() -> None:
    samples = [
        _sample(0, "a", 5),
        _sample(10, "a", 10),
        _sample(0, "b", 7),
        _sample(4, "b", 0),
        _sample(8, "b", 4),
        _sample(3, "c", 1),
    ]
    assert cores_used(samples) == {"a": 0.5, "b": 1.0}


@pytest.mark.parametrize(
    ("used", "words"),
    [
        ({"a": 1.2, "b": 0.7}, "the machine's 2 cores"),
        ({"a": 0.95, "b": 0.1}, "a: 0.95 cores"),
        ({"a": 0.3, "b": 0.2}, "no processor"),
        ({}, "no process was seen"),
    ],
)
def test_what_binds_is_said_in_words(used: dict[str, float], words: str) -> None:
    assert binds(used, 2).startswith(words)


def test_the_shipped_search_begins_where_it_can_say_what_is_asked() -> None:
    search = load("saturation").search
    assert search is not None
    assert search.first <= search.at_least < search.most
