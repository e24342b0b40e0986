"""Gates: what was measured and found against what a scenario allows. Pure."""

from collections.abc import Iterator, Sequence

from loadtests.driver.result import Check, Figures, Gate, Percentiles, Result, Verdict
from loadtests.scenarios.scenario import Gates, Limits, Scenario

_FOUND = ("lost", "doubled", "reordered", "unseen")


def judge(
    scenario: Scenario, figures: Figures, check: Check | None, problems: Sequence[str]
) -> Result:
    """`problems` make the run INVALID, as does a gate that could not be measured: neither passed
    nor failed, whatever the others say."""
    gates = (
        *_response(scenario.gates, figures),
        *_freshness(scenario.gates, figures),
        *_outcomes(scenario.gates, figures),
        *_found(scenario.gates, check),
    )
    failed = [gate for gate in gates if gate.verdict == "FAIL"]
    unmeasured = [gate for gate in gates if gate.verdict == "INVALID"]
    verdict: Verdict = "FAIL" if failed else "PASS"
    if problems or unmeasured:
        verdict = "INVALID"
    reasons = [
        *problems,
        *(f"{gate.name}: not measured: {gate.detail}" for gate in unmeasured),
        *(f"{gate.name}: {gate.value:g} {gate.unit}, {gate.limit:g} allowed" for gate in failed),
    ]
    return Result(
        scenario=scenario.name,
        verdict=verdict,
        reasons=tuple(reasons),
        gates=gates,
        figures=figures,
    )


def _response(gates: Gates, figures: Figures) -> Iterator[Gate]:
    by_name = {one.name: one.response for one in figures.operations}
    for name, limits in gates.response.items():
        yield from _percentiles(f"response of {name}", limits, by_name.get(name))


def _freshness(gates: Gates, figures: Figures) -> Iterator[Gate]:
    for priority, limits in gates.freshness.items():
        seen = [one for one in figures.freshness if one.priority == priority]
        if not seen:
            yield from _percentiles(f"freshness, {priority}", limits, None)
        for one in seen:
            yield from _percentiles(f"freshness, {priority}: {one.effect}", limits, one.freshness)


def _percentiles(name: str, limits: Limits, found: Percentiles | None) -> Iterator[Gate]:
    seen = found if found and found.count else None
    for words, limit, value in (
        ("p99", limits.p99_ms, seen.p99 if seen else None),
        ("p99.9", limits.p999_ms, seen.p999 if seen else None),
    ):
        if limit is not None:
            yield _at_most(f"{words} {name}", limit, value, "ms", "nothing of it was seen")


def _outcomes(gates: Gates, figures: Figures) -> Iterator[Gate]:
    if gates.not_ok_share is not None:
        sent = sum(one.sent for one in figures.operations)
        bad = sum(one.failed + one.unknown for one in figures.operations)
        share = bad / sent if sent else None
        yield _at_most("calls not ok", gates.not_ok_share, share, "share", "nothing was sent")


def _found(gates: Gates, check: Check | None) -> Iterator[Gate]:
    """What was found is found; that nothing was found counts only when all was looked at."""
    for kind in _FOUND:
        limit = getattr(gates, kind)
        count = check.counts.get(kind, 0) if check else None
        if check and not check.complete and (count or 0) <= limit:
            count = None
        detail = check.detail if check else "nothing was checked"
        yield _at_most(kind, limit, count, "events", detail)


def _at_most(name: str, limit: float, value: float | None, unit: str, missing: str) -> Gate:
    if value is None:
        return Gate(
            name=name, limit=limit, value=None, unit=unit, verdict="INVALID", detail=missing
        )
    return Gate(
        name=name, limit=limit, value=value, unit=unit, verdict="FAIL" if value > limit else "PASS"
    )
