"""Histograms of shards put together, clocks, and what makes a run invalid."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.driver.clock import Exchange, Offset, estimate, over, text, worst
from loadtests.driver.recorder import LONGEST, Recorder
from loadtests.driver.result import Clock, Figures, OperationFigures, Percentiles
from loadtests.driver.validity import Validity, problems
from loadtests.report.histograms import Interval, add, counts, merge, read, writing

_CALLS = st.lists(
    st.tuples(
        st.integers(100, 105),
        st.sampled_from(["a", "b,c"]),
        st.integers(0, 2 * LONGEST),
        st.integers(0, 5_000_000),
    ),
    max_size=15,
)
_Call = tuple[int, str, int, int]


def _recorded(calls: Sequence[_Call]) -> list[Interval]:
    """As a shard writes them: each line before its histogram is used again."""
    kept: list[Interval] = []

    def write(one: Interval) -> None:
        copy: dict[str, object] = {}
        add(copy, one.tag, one.histogram)
        kept.append(Interval(one.second, one.tag, copy[one.tag]))

    recorder = Recorder(write)
    for second, operation, service, lag in sorted(calls):
        done = second * 1_000_000
        recorder.add(operation, done - service - lag, done - service, done)
    recorder.flush()
    return kept


def _values(intervals: Sequence[Interval]) -> list[tuple[int, str, list[tuple[int, int]]]]:
    return [(one.second, one.tag, counts(one.histogram)) for one in intervals]


@settings(deadline=None, max_examples=15)
@given(one=_CALLS, two=_CALLS, three=_CALLS)
def test_shards_merged_are_what_one_recorder_would_have_recorded(
    one: list[_Call], two: list[_Call], three: list[_Call]
) -> None:
    parts = [_recorded(calls) for calls in (one, two, three)]
    single = _values(list(merge([_recorded([*one, *two, *three])])))
    assert _values(list(merge(parts))) == single
    nested = [list(merge(parts[:2])), parts[2]]
    assert _values(list(merge(nested))) == single
    assert _values(list(merge([*parts, []]))) == single


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "intervals.hlog"
    with writing(path, 100) as writer:
        recorder = Recorder(writer.write)
        recorder.add("a", 100_000_000, 100_000_500, 100_001_500)
        recorder.add("a", 100_500_000, 100_500_100, 103_500_100)
        recorder.flush()
    found = {(one.second, one.tag): counts(one.histogram) for one in read(path)}
    assert found[100, "a|response"] == [(1500, 1)]
    assert found[100, "a|service"] == [(1000, 1)]
    assert found[100, "a|lag"] == [(500, 1)]
    assert found[103, "a|lag"] == [(100, 1)]
    assert len(found) == 6


@given(
    offset=st.integers(-10_000_000, 10_000_000),
    ways=st.lists(
        st.tuples(st.integers(0, 50_000), st.integers(0, 50_000)), min_size=1, max_size=20
    ),
)
def test_the_true_offset_is_within_the_uncertainty(
    offset: int, ways: list[tuple[int, int]]
) -> None:
    exchanges = [
        Exchange(at, at + there + offset, at + there + back)
        for at, (there, back) in enumerate(ways)
    ]
    found = estimate(exchanges)
    assert abs(found.micros - offset) <= found.uncertainty
    assert found.uncertainty == min(there + back for there, back in ways) / 2


def test_drift_over_a_run_is_uncertainty() -> None:
    assert over(Offset(1_000, 200), Offset(1_300, 100)) == Offset(1_000, 500)


def test_of_several_machines_the_worst_counts() -> None:
    clock = worst([Offset(), Offset(-3_000, 100), Offset(2_000, 900)])
    assert clock == Clock(offset_ms=-3.0, uncertainty_ms=0.9)
    assert "-3.000 ms" in text(clock)
    assert "±0.900 ms" in text(clock)
    assert "one machine" in text(worst([]))


def _percentiles(p99: float) -> Percentiles:
    values = dict.fromkeys(("min", "mean", "p50", "p90", "p999", "p9999", "max"), p99)
    return Percentiles(count=10, p99=p99, **values)


def _figures(lag: float = 1.0, sent: int = 10, shards: int = 2) -> Figures:
    operation = OperationFigures(
        name="a",
        intended=10,
        sent=sent,
        ok=sent,
        failed=0,
        unknown=0,
        intended_rate=1,
        achieved_rate=1,
        response=_percentiles(5),
        service=_percentiles(4),
        lag=_percentiles(lag),
    )
    return Figures(seconds=10, shards=shards, operations=(operation,))


@pytest.mark.parametrize(
    ("figures", "clock", "not_ready", "named"),
    [
        (_figures(lag=21), Clock(), "", "send lag p99 21.0 ms"),
        (_figures(shards=1), Clock(), "", "1 of 2 shards"),
        (_figures(sent=9), Clock(), "", "1 of 10 intended"),
        (_figures(sent=0), Clock(), "", "nothing was sent"),
        (_figures(), Clock(uncertainty_ms=5.1), "", "clock uncertainty 5.100 ms"),
        (_figures(), Clock(), "sensors", "not ready: sensors"),
    ],
)
def test_what_makes_a_run_invalid_is_named(
    figures: Figures, clock: Clock, not_ready: str, named: str
) -> None:
    found = list(problems(Validity(), figures, clock, 2, not_ready=not_ready))
    assert any(named in one for one in found), found


def test_a_good_run_is_valid() -> None:
    assert not list(problems(Validity(), _figures(), Clock(offset_ms=40), 2))
