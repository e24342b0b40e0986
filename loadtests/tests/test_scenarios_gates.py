"""Gates: each limit on either side, and what cannot be measured is neither passed nor failed."""

import pytest

from loadtests.driver.plan import PlannedPhase, Rate
from loadtests.driver.result import (
    Check,
    EventFigures,
    Figures,
    FreshnessFigures,
    OperationFigures,
    Percentiles,
    PhaseFigures,
    Recovery,
    SlopeFigures,
    TimeLagFigures,
)
from loadtests.scenarios.gates import judge
from loadtests.scenarios.scenario import Gates, Limits, PlannedFault, Scenario

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
    phases = tuple(
        PlannedPhase(name=name, seconds=10, rates={"a.Call": Rate(rate=1)})
        for name in ("idle", "surge")
    )
    faults = (PlannedFault(at=9, kind="kill", target="sensors"),)
    given = Gates.model_validate(gates)
    return Scenario(name="s", about="", phases=phases, faults=faults, gates=given)


def _beside(figures: Figures) -> Figures:
    """With another operation, half of which failed."""
    other = _figures(ok=50, failed=50).operations[0].model_copy(update={"name": "an.Other"})
    return figures.model_copy(update={"operations": (*figures.operations, other)})


def _with(**more: object) -> Figures:
    return _figures().model_copy(update=more)


def _phases(idle: float | None, surge: float | None) -> Figures:
    """Urgent p99s of one effect, None where it was not seen."""
    return _with(
        phases=tuple(
            PhaseFigures(
                name=name,
                freshness=(
                    FreshnessFigures(effect="e", priority="urgent", freshness=_percentiles(p99)),
                ),
            )
            for name, p99 in (("idle", idle), ("surge", surge))
            if p99 is not None
        )
    )


def _events(consumed: int, dead: int, processes: int = 1) -> Figures:
    one = EventFigures(service="s", topic="t", consumed=consumed, dead=dead, processes=processes)
    return _with(events=(one,))


def _recovered(*seconds: float | None) -> Figures:
    return _with(
        recoveries=tuple(Recovery(fault="kill x", seconds=one, watched=5) for one in seconds)
    )


def _lagging(*last: float | None) -> Figures:
    return _with(
        time_lags=tuple(TimeLagFigures(service="s", topic="t", last=one, worst=99) for one in last)
    )


def _growing(**by_part: float) -> Figures:
    return _with(
        slopes=tuple(
            SlopeFigures(
                part=part, seconds=60, rss_mib_per_hour=one, fds_per_hour=0, threads_per_hour=-1
            )
            for part, one in by_part.items()
        )
    )


_SURGE = {"urgent": {"phase": "surge", "to": "idle", "p99_at_most": 1.5}}


def _of(*effects: str) -> dict[str, object]:
    return {"urgent": {**_SURGE["urgent"], "effects": effects}}


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
        ({"not_ok_shares": {"a.Call": 0.1}}, _beside(_figures(ok=90, failed=10)), "PASS"),
        ({"not_ok_share": 0.1}, _beside(_figures(ok=90, failed=10)), "FAIL"),
        ({"not_ok_shares": {"a.Call": 0.1}}, _figures(ok=89, failed=6, unknown=5), "FAIL"),
        ({"freshness": {"urgent": {"phase": "surge", "p99_ms": 10}}}, _phases(99, 10), "PASS"),
        ({"freshness": {"urgent": {"phase": "surge", "p99_ms": 10}}}, _phases(1, 11), "FAIL"),
        ({"freshness": {"urgent": {"phase": "surge", "p99_ms": 9}}}, _phases(1, None), "INVALID"),
        ({"freshness_ratio": _SURGE}, _phases(10, 15), "PASS"),
        ({"freshness_ratio": _SURGE}, _phases(10, 15.1), "FAIL"),
        ({"freshness_ratio": _SURGE}, _phases(None, 10), "INVALID"),
        ({"freshness_ratio": _SURGE}, _phases(10, None), "INVALID"),
        ({"freshness_ratio": _SURGE}, _figures(), "INVALID"),
        ({"freshness_ratio": _of("e")}, _phases(10, 15), "PASS"),
        ({"freshness_ratio": _of("e")}, _phases(10, 15.1), "FAIL"),
        ({"freshness_ratio": _of("e", "never")}, _phases(10, 15), "INVALID"),
        ({"freshness_ratio": _of("never")}, _phases(10, 99), "INVALID"),
        ({"dead_letter_share": 0.01}, _events(100, 1), "PASS"),
        ({"dead_letter_share": 0.01}, _events(100, 2), "FAIL"),
        ({"dead_letter_share": 0.01}, _events(0, 0), "INVALID"),
        ({"consumers": {"t": 2}}, _events(1, 0, 2), "PASS"),
        ({"consumers": {"t": 2}}, _events(1, 0, 1), "FAIL"),
        ({"consumers": {"other": 2}}, _events(1, 0, 2), "INVALID"),
        ({"recovery_seconds": 20}, _recovered(20, 1), "PASS"),
        ({"recovery_seconds": 20}, _recovered(1, 20.1), "FAIL"),
        # Only five seconds were watched, and yet it is no pass.
        ({"recovery_seconds": 20}, _recovered(1, None), "FAIL"),
        ({"recovery_seconds": 20}, _recovered(), "INVALID"),
        ({"recovery_seconds": 20}, _with(recoveries=None), "INVALID"),
        ({"time_lag_seconds": 2}, _lagging(0, 2), "PASS"),
        ({"time_lag_seconds": 2}, _lagging(2.1, 0), "FAIL"),
        ({"time_lag_seconds": 2}, _lagging(1, None), "INVALID"),
        ({"time_lag_seconds": 2}, _lagging(), "INVALID"),
        ({"slopes": {"rss_mib_per_hour": 9}}, _growing(a=9, b=1), "PASS"),
        ({"slopes": {"rss_mib_per_hour": 9}}, _growing(a=1, b=9.1), "FAIL"),
        ({"slopes": {"rss_mib_per_hour": 9, "leave_out": ["b"]}}, _growing(a=1, b=99), "PASS"),
        ({"slopes": {"rss_mib_per_hour": 9, "fds_per_hour": 1}}, _growing(), "INVALID"),
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


def test_what_is_worst_is_named() -> None:
    gates = {"slopes": {"rss_mib_per_hour": 9}}
    result = judge(_scenario(**gates), _growing(leaky=70, other=1), _CLEAN, [])
    assert result.reasons == ("slope of memory: 70 MiB/h, at most 9 allowed (leaky)",)
    result = judge(_scenario(recovery_seconds=20), _recovered(None), _CLEAN, [])
    assert result.reasons == ("recovery from kill x: 5 s, at most 20 allowed (never)",)


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


@pytest.mark.parametrize(
    ("seen", "verdict"), [(30, "PASS"), (31, "PASS"), (29, "FAIL"), (0, "FAIL")]
)
def test_of_each_acknowledged_call_the_effects_must_have_shown(seen: int, verdict: str) -> None:
    called = _figures().operations[0].model_copy(update={"name": "cameras.Arson", "ok": 30})
    effects = ("cameras.alarm-raised.v1", "cameras.alarm-escalated.v1", "room-112")
    shown = [*effects, "emergency.incident-changed.v1"]
    freshness = tuple(
        FreshnessFigures(
            effect=name,
            priority="urgent",
            freshness=_percentiles(1, seen if name == "room-112" else 30),
        )
        for name in shown
        if seen or name != "room-112"
    )
    figures = _figures().model_copy(update={"operations": (called,), "freshness": freshness})
    result = judge(_scenario(), figures, _CLEAN, (), {"room-112": "http://there"})
    found = {gate.name: gate for gate in result.gates if gate.name.startswith("effects seen")}
    assert found.keys() == {f"effects seen: {name}" for name in shown}
    assert found["effects seen: room-112"].verdict == result.verdict == verdict
    assert found["effects seen: room-112"].value == seen
    unwatched = judge(_scenario(), figures, _CLEAN, ())
    assert "effects seen: room-112" not in {gate.name for gate in unwatched.gates}


def test_an_operation_of_which_no_call_was_ok_fails_whatever_is_allowed() -> None:
    result = judge(_scenario(not_ok_share=1), _figures(ok=0, failed=3), _CLEAN, ())
    assert result.verdict == "FAIL"
    assert result.reasons == (
        "calls of a.Call that are ok: 0 calls, at least 1 allowed (3 sent, none ok)",
    )
    assert judge(_scenario(), _figures(ok=1, failed=9), _CLEAN, ()).verdict == "PASS"
