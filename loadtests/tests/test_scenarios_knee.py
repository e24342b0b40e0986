"""The search of the knee ends at it, in few steps, and what was taken back is not found."""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from loadtests.driver.plan import PlannedPhase, Rate
from loadtests.driver.result import (
    Figures,
    OperationFigures,
    Percentiles,
    ResourceSample,
    Result,
    Step,
    TimeLagFigures,
)
from loadtests.scenarios import knee as searching
from loadtests.scenarios.binding import binds, cores_used, others, usage
from loadtests.scenarios.knee import Tried, judged
from loadtests.scenarios.scenario import Scenario, load
from loadtests.scenarios.search import Knee, Search
from loadtests.scenarios.stack import Stack
from loadtests.scenarios.steps import driver_binds, more_shards, scaled, spread, why_not_held

SEARCH = Search(first=1, growth=1.5, most=200, precision=0.05, confirmations=3)


def searched(search: Search, holds: "Callable[[float], bool | None]") -> tuple[Knee, list[float]]:
    """Up to its end."""
    knee, tried = Knee(search), list[float]()
    while (factor := knee.next()) is not None:
        knee.tell(factor, held=holds(factor))
        tried.append(factor)
    return knee, tried


def up_to(most: float, beyond: "bool | None" = False) -> "Callable[[float], bool | None]":
    return lambda factor: factor <= most or beyond


def in_turn(says: "Iterable[bool | None]") -> "Callable[[float], bool | None]":
    """Whatever the factor is."""
    each = iter(says)
    return lambda _: next(each)


@given(st.floats(0.02, 150))
def test_the_knee_is_found_within_the_precision_and_confirmed(true: float) -> None:
    knee, tried = searched(SEARCH, up_to(true))
    assert knee.confirmed
    assert knee.citys
    assert knee.factor <= true <= knee.factor * 1.05 * 1.0001
    assert tried[-3:] == [knee.factor] * 3
    assert len(tried) <= 44


@given(st.lists(st.sampled_from([True, False, None]), max_size=60))
def test_whatever_the_steps_say_the_search_ends(says: "list[bool | None]") -> None:
    knee, tried = searched(SEARCH, in_turn([*says, *[False] * 60]))
    assert len(tried) <= 48
    assert knee.broken is None or knee.factor < knee.broken


@given(st.floats(0.02, 150), st.integers(0, 40))
def test_one_noisy_step_does_not_move_the_knee(true: float, noisy: int) -> None:
    steps = iter(range(60))
    knee, tried = searched(SEARCH, lambda factor: factor <= true and next(steps) != noisy)
    quiet, _ = searched(SEARCH, up_to(true))
    assert knee.confirmed
    assert knee.factor == quiet.factor
    assert tried[-3:] == [knee.factor] * 3


def test_a_step_that_is_not_held_is_repeated_once_before_it_breaks() -> None:
    knee = Knee(SEARCH)
    knee.tell(1.0, held=True)
    knee.tell(1.5, held=False)
    assert knee.broken is None
    assert knee.next() == 1.5
    knee.tell(1.5, held=False)
    assert knee.broken == 1.5
    assert 1.0 < (knee.next() or 0.0) < 1.5


def test_a_confirmation_that_is_not_held_twice_is_where_it_breaks() -> None:
    knee = Knee(SEARCH)
    while (factor := knee.next() or 0.0) != knee.factor:
        knee.tell(factor, held=factor < 1.7)
    found = knee.factor
    for held in (True, False):
        knee.tell(found, held=held)
        assert knee.next() == knee.factor == found
    knee.tell(found, held=False)
    assert knee.broken == found
    assert knee.factor < found
    assert not knee.confirmed


def test_a_factor_is_doubted_once_and_not_each_time() -> None:
    knee = Knee(SEARCH)
    for held in (True, False, True, True, False):
        knee.tell(1.0, held=held)
    assert knee.broken == 1.0


def test_confirmations_from_before_a_failed_one_count_no_more() -> None:
    knee = Knee(SEARCH)
    for held in (True, True, True, False, True, True):
        assert not knee.confirmed
        knee.tell(1.0, held=held)
    assert not knee.confirmed
    knee.tell(1.0, held=True)
    assert knee.confirmed


@pytest.mark.parametrize("says", [(None, None), (None, False), (False, None)])
def test_what_the_driver_cannot_send_is_not_the_citys_limit(says: "tuple[bool | None]") -> None:
    knee = Knee(SEARCH)
    knee.tell(1.0, held=True)
    for one in says:
        knee.tell(1.5, held=one)
    assert knee.broken == 1.5
    assert not knee.citys
    knee.tell(1.2, held=False)
    knee.tell(1.2, held=False)
    assert knee.citys


def test_below_what_the_driver_cannot_send_the_knee_is_looked_for_and_confirmed() -> None:
    knee, tried = searched(SEARCH, up_to(6, beyond=None))
    assert knee.confirmed
    assert not knee.citys
    assert 6 / 1.05 <= knee.factor <= 6
    assert tried[-3:] == [knee.factor] * 3


def test_a_driver_that_cannot_send_the_first_step_ends_the_search() -> None:
    knee, tried = searched(SEARCH, up_to(0, beyond=None))
    assert tried == [1.0, 1.0]
    assert knee.factor == 0


def test_what_holds_beyond_the_most_is_confirmed_at_the_last_factor() -> None:
    knee, tried = searched(SEARCH, up_to(1e9))
    assert knee.confirmed
    assert knee.factor <= SEARCH.most < knee.factor * SEARCH.growth
    assert len(set(tried)) == len(tried) - 3


def test_nothing_is_found_where_nothing_holds() -> None:
    knee, tried = searched(SEARCH, up_to(0))
    assert knee.factor == 0
    assert not knee.confirmed
    assert len(tried) < 30


def _percentiles(p99: float) -> Percentiles:
    return Percentiles(count=9, min=1, mean=1, p50=1, p90=1, p99=p99, p999=p99, p9999=p99, max=p99)


def _figures(
    p99: float = 10,
    ok: int = 100,
    failed: int = 0,
    lag: float | None = 0,
    send_lag: float = 1,
) -> Figures:
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
        lag=_percentiles(send_lag),
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
    assert why_not_held(SEARCH, figures) == why


def test_the_driver_binds_when_calls_are_sent_late() -> None:
    assert driver_binds(_figures(send_lag=21), 20)
    assert not driver_binds(_figures(send_lag=20, p99=5_000), 20)


@pytest.mark.parametrize(
    ("shards", "cores", "more"), [(1, 2, 2), (2, 2, None), (3, 4, 4), (4, 16, 8), (1, 1, None)]
)
def test_shards_are_doubled_while_each_can_have_a_core(
    shards: int, cores: int, more: int | None
) -> None:
    assert more_shards(shards, cores) == more


def test_how_far_confirmations_are_apart_is_said_in_calls_and_in_response() -> None:
    steps = [
        Step(rate=220, achieved=achieved, p99_ms=p99, held=True)
        for achieved, p99 in ((210.0, 30), (200.0, 90), (206.0, 40))
    ]
    assert spread(steps) == (
        "200.0 to 210.0 calls a second in 3 steps, 5.0% apart, response p99 30 to 90 ms"
    )


def test_all_rates_grow_by_the_factor_and_the_ends_of_ramps_with_them() -> None:
    rates = {"a": Rate(rate=2), "b": Rate(rate=1, profile="ramp", to=3)}
    phase = PlannedPhase(name="step", seconds=8, rates=rates)
    found = scaled(Scenario(name="s", about="", phases=(phase,)), 1.5).phases[0]
    assert (found.rates["a"].rate, found.rates["b"].rate, found.rates["b"].to) == (3, 1.5, 4.5)
    assert found.seconds == 8


@pytest.mark.parametrize(
    ("asked", "holds", "before", "verdict"),
    [
        (4.0, up_to(6), "PASS", "PASS"),
        (8.0, up_to(6), "PASS", "FAIL"),
        (4.0, up_to(6), "FAIL", "FAIL"),
        (4.0, up_to(6), "INVALID", "INVALID"),
        # The driver was at its end: enough, or not to be told.
        (4.0, up_to(6, beyond=None), "PASS", "PASS"),
        (8.0, up_to(6, beyond=None), "PASS", "INVALID"),
    ],
)
def test_the_knee_is_a_gate(
    asked: float, holds: "Callable[[float], bool | None]", before: Any, verdict: str
) -> None:
    search = SEARCH.model_copy(update={"at_least": asked})
    result = Result(scenario="s", verdict=before, figures=_figures())
    result = judged(result, searched(search, holds)[0], search, [], ["one"])
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
        ({"a": 1.2, "b": 0.7}, "the machine: 1.90 of 2 cores in use, most by a 1.20, b 0.70"),
        ({"a": 0.95, "b": 0.1}, "a, which can use 1: 1.05 of 2 cores in use"),
        ({"a": 0.1, "b": 0.95}, "no processor, but what is waited for: 1.05 of 2 cores in use"),
        ({"a": 0.91, "b": 0.82}, "a, which can use 1"),
        ({"a": 0.3, "b": 0.2}, "no processor"),
        ({}, "nobody knows what"),
    ],
)
def test_what_binds_is_said_in_words(used: dict[str, float], words: str) -> None:
    assert binds(used, 2, {"a": 1}).startswith(words)


@pytest.mark.parametrize(
    ("used", "words"),
    [
        ({"others": 0.2, "a": 1.0}, ["Others used 0.20 of this machine's 2 cores"]),
        ({"others": 0.19, "a": 1.0}, []),
        ({"a": 1.0}, []),
    ],
)
def test_what_others_used_is_remarked_on_when_it_shows(
    used: dict[str, float], words: list[str]
) -> None:
    assert [one.partition(":")[0] for one in others(used, 2)] == words


def test_who_has_all_that_it_can_use_binds_and_not_who_uses_most() -> None:
    assert binds({"a": 0.95, "b": 1.2}, 4, {"a": 1}).startswith("a, which can use 1")


def test_of_a_held_step_nothing_is_said_to_bind() -> None:
    assert usage({"a": 0.5, "b": 0.25}, 2) == "0.75 of 2 cores in use, most by a 0.50, b 0.25"
    assert usage({}, 2) == "0.00 of 2 cores in use"


class Steps:
    """In place of runs: what the n-th step, at a factor and with so many shards, says."""

    def __init__(self, says: "Callable[[float, int], Tried]") -> None:
        self._says = says
        self.tried: list[tuple[str, float, int]] = []
        self.phases: list[tuple[str, float]] = []
        self.at_the_knee: tuple[float, int] = (0.0, 0)
        self.run: list[tuple[str, float, float]] = []

    async def step(
        self, scenario: Scenario, _: Any, folder: Path, __: Any, shards: int, *___: Any
    ) -> Tried:
        factor = scenario.phases[0].rates["a"].rate
        self.tried.append((folder.name, factor, shards))
        self.phases += [(phase.name, phase.seconds) for phase in scenario.phases]
        return self._says(factor, shards)

    async def conduct(self, scenario: Scenario, *_: Any, shards: int, **__: Any) -> Result:
        self.run = [(phase.name, phase.seconds, phase.rates["a"].rate) for phase in scenario.phases]
        self.at_the_knee = (scenario.phases[0].rates["a"].rate, shards)
        return Result(scenario="s", verdict="PASS", figures=_figures())


def _tried(held: bool, *, invalid: str = "", late: bool = False, achieved: float = 1.0) -> Tried:
    step = Step(rate=1, achieved=achieved, p99_ms=1, held=held and not invalid)
    return Tried(step, invalid, late, "the machine (slow)")


def _phase(name: str, seconds: float, rate: float) -> PlannedPhase:
    return PlannedPhase(name=name, seconds=seconds, rates={"a": Rate(rate=rate)})


SCENARIO = Scenario(name="s", about="", phases=(_phase("step", 8, 1),), search=SEARCH)


@pytest.fixture
def found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> "Callable[[Callable[[float, int], Tried]], tuple[Result, Steps]]":
    """The whole of a search, its steps and the run at its end replaced."""

    def find(
        says: "Callable[[float, int], Tried]", scenario: Scenario = SCENARIO
    ) -> tuple[Result, Steps]:
        steps, written = Steps(says), list[Result]()

        async def caught_up(_: Stack) -> None: ...

        monkeypatch.setattr(searching, "_try", steps.step)
        monkeypatch.setattr(searching, "_caught_up", caught_up)
        monkeypatch.setattr(searching, "conduct", steps.conduct)
        monkeypatch.setattr(Result, "write", lambda self, _: written.append(self))
        monkeypatch.setattr("loadtests.report.write", lambda _: written[0])
        monkeypatch.setattr("os.cpu_count", lambda: 2)
        stack = Stack(tmp_path, True, {})
        options = {"seed": 1, "shards": None, "command": "", "progress": lambda _: None}
        return asyncio.run(searching.find(scenario, stack, tmp_path, **options)), steps  # type: ignore[arg-type]

    return find


def test_the_scenario_is_run_and_told_at_its_knee(found: Any) -> None:
    result, steps = found(lambda factor, _: _tried(factor <= 6))
    assert 6 / 1.05 <= steps.at_the_knee[0] <= 6
    assert [name for name, *_ in steps.tried] == [
        f"{number:02}" for number in range(1, len(result.steps) + 1)
    ]
    assert result.verdict == "PASS"
    assert result.gates[0].value == steps.at_the_knee[0]
    assert result.gates[0].detail == ""
    assert result.remarks[0] == "Beyond the knee binds the machine (slow)."


def test_steps_are_of_one_phase_and_the_run_of_all_at_what_that_holds(found: Any) -> None:
    search = Search(phase="surge", seconds=5, growth=2, precision=0.5, confirmations=1)
    phases = (_phase("idle", 60, 0.25), _phase("surge", 30, 1))
    scenario = Scenario(name="s", about="", phases=phases, search=search)
    _, steps = found(lambda factor, _: _tried(factor <= 2), scenario)
    assert set(steps.phases) == {("surge", 5)}
    assert steps.run == [("idle", 60, 0.5), ("surge", 30, 2)]


def test_a_search_in_several_phases_says_which_is_a_step() -> None:
    phases = (_phase("idle", 60, 0.25), _phase("surge", 30, 1))
    with pytest.raises(ValidationError, match=r"search\.phase: expected with more than one"):
        Scenario(name="s", about="", phases=phases, search=SEARCH)


def test_the_three_confirmations_are_told_with_how_far_they_are_apart(found: Any) -> None:
    rates = iter([100.0, 90.0, 95.0, 91.0])
    result, steps = found(
        lambda factor, _: _tried(factor == 1, achieved=next(rates) if factor == 1 else 1)
    )
    assert steps.at_the_knee[0] == 1
    assert [one for _, one, _ in steps.tried][-3:] == [1, 1, 1]
    assert result.remarks[-1] == (
        "At 1 times the rates: 90.0 to 95.0 calls a second in 3 steps, 5.6% apart,"
        " response p99 1 to 1 ms."
    )


def test_a_step_at_which_the_driver_binds_is_tried_again_with_more_shards(found: Any) -> None:
    def says(factor: float, shards: int) -> Tried:
        late = factor > 2 and shards == 1
        return _tried(factor <= 6, invalid="send lag" if late else "", late=late)

    result, steps = found(says)
    assert steps.tried[2:4] == [("03", 2.25, 1), ("04", 2.25, 2)]
    assert 6 / 1.05 <= steps.at_the_knee[0] <= 6
    assert steps.at_the_knee[1] == 2
    assert len(result.steps) == len(steps.tried) - 1
    assert "the driver binds, 1 shards: send lag. With 2 from here on." in result.remarks[0]
    assert result.verdict == "PASS"


@pytest.mark.parametrize(("late", "tries"), [(True, 3), (False, 2)])
def test_what_says_nothing_of_the_city_is_neither_held_nor_its_limit(
    found: Any, late: bool, tries: int
) -> None:
    """Whether the driver is late, or a shard was lost: then more shards are no help."""

    def says(factor: float, _: int) -> Tried:
        wrong = factor > 2
        return _tried(not wrong, invalid="why" if wrong else "", late=late and wrong)

    result, steps = found(says)
    assert [one for _, one, _ in steps.tried].count(2.25) == tries
    assert all(step.held for step in result.steps)
    assert 2 / 1.05 <= steps.at_the_knee[0] <= 2
    assert result.gates[0].detail == "the city may hold more"
    assert not any("binds the machine" in one for one in result.remarks)
    assert "the knee is at least this" in result.remarks[-2]


def test_one_noisy_step_of_the_driver_does_not_bound_the_knee(found: Any) -> None:
    noise = iter(["a shard was lost"])
    result, steps = found(
        lambda factor, _: _tried(factor <= 6, invalid=next(noise, "") if factor > 2 else "")
    )
    assert 6 / 1.05 <= steps.at_the_knee[0] <= 6
    assert result.gates[0].detail == ""


def test_the_shipped_search_begins_where_it_can_say_what_is_asked() -> None:
    search = load("saturation").search
    assert search is not None
    assert search.first <= search.at_least < search.most
