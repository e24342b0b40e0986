"""Gates: each limit on either side, and what cannot be measured is neither passed nor failed."""

import pytest

from loadtests.driver.plan import PlannedPhase, Rate
from loadtests.driver.result import (
    Check,
    Figures,
    FreshnessFigures,
    OperationFigures,
    Percentiles,
)
from loadtests.scenarios.gates import judge
from loadtests.scenarios.scenario import Gates, Limits, Scenario

_CLEAN = Check(complete=True)


def _percentiles(p99: float, count: int = 10) -> Percentiles:
    return Percentiles(
        count=count, min=1, mean=1, p50=1, p90=1, p99=p99, p999=2 * p99, p9999=2 * p99, max=2 * p99
    )


def _figures(p99: float = 10, ok: int = 100, failed: int = 0, unknown: int = 0) -> Figures:
    return Figures(
        seconds=10,
        shards=1,
        operations=(
            OperationFigures(
                name="a.Call",
                intended=ok + failed + unknown,
                sent=ok + failed + unknown,
                ok=ok,
                failed=failed,
                unknown=unknown,
                intended_rate=1,
                achieved_rate=1,
                response=_percentiles(p99),
                service=_percentiles(1),
                lag=_percentiles(1),
            ),
        ),
        freshness=(
            FreshnessFigures(effect="near", priority="urgent", freshness=_percentiles(p99)),
            FreshnessFigures(effect="far", priority="urgent", freshness=_percentiles(10 * p99)),
        ),
    )


def _scenario(**gates: object) -> Scenario:
    phase = PlannedPhase(name="only", seconds=10, rates={"a.Call": Rate(rate=1)})
    return Scenario(name="s", about="", phases=(phase,), gates=Gates.model_validate(gates))


@pytest.mark.parametrize(
    ("gates", "figures", "verdict"),
    [
        ({"response": {"a.Call": {"p99_ms": 10}}}, _figures(10), "PASS"),
        ({"response": {"a.Call": {"p99_ms": 9.9}}}, _figures(10), "FAIL"),
        ({"response": {"a.Call": {"p999_ms": 19.9}}}, _figures(10), "FAIL"),
        ({"freshness": {"urgent": {"p99_ms": 100}}}, _figures(10), "PASS"),
        ({"freshness": {"urgent": {"p99_ms": 99}}}, _figures(10), "FAIL"),
        ({"freshness": {"bulk": {"p99_ms": 99}}}, _figures(10), "INVALID"),
        ({"not_ok_share": 0.1}, _figures(ok=90, failed=6, unknown=4), "PASS"),
        ({"not_ok_share": 0.1}, _figures(ok=89, failed=6, unknown=5), "FAIL"),
        ({"not_ok_share": 0.1}, _figures(ok=0), "INVALID"),
    ],
)
def test_a_limit_is_kept_or_broken(
    gates: dict[str, object], figures: Figures, verdict: str
) -> None:
    assert judge(_scenario(**gates), figures, _CLEAN, []).verdict == verdict


@pytest.mark.parametrize("kind", ["lost", "doubled", "reordered", "unseen"])
def test_what_the_checker_found_fails(kind: str) -> None:
    found = Check(complete=True, counts={kind: 1})
    result = judge(_scenario(), _figures(), found, [])
    assert result.verdict == "FAIL"
    assert [gate.name for gate in result.gates if gate.verdict == "FAIL"] == [kind]
    assert judge(_scenario(**{kind: 1}), _figures(), found, []).verdict == "PASS"


def test_that_nothing_was_found_counts_only_when_all_was_looked_at() -> None:
    partly = Check(complete=False, detail="no DSN of parking")
    result = judge(_scenario(), _figures(), partly, [])
    assert result.verdict == "INVALID"
    assert "no DSN of parking" in result.reasons[0]
    assert judge(_scenario(), _figures(), None, []).verdict == "INVALID"
    found = Check(complete=False, counts={"lost": 1})
    gates = {gate.name: gate.verdict for gate in judge(_scenario(), _figures(), found, []).gates}
    assert gates["lost"] == "FAIL"
    assert gates["doubled"] == "INVALID"


def test_a_run_that_measured_itself_is_neither_passed_nor_failed() -> None:
    scenario = _scenario(response={"a.Call": Limits(p99_ms=1)})
    result = judge(scenario, _figures(), _CLEAN, ["a.Call: send lag p99 900 ms"])
    assert (result.verdict, result.exit_code) == ("INVALID", 2)
    assert result.reasons[0] == "a.Call: send lag p99 900 ms"
    assert (judge(scenario, _figures(), _CLEAN, []).exit_code) == 1
