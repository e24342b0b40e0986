"""Gates: what was measured and found against what a scenario allows. Pure."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from loadtests.driver.causes import expected
from loadtests.driver.result import (
    Check,
    Figures,
    FreshnessFigures,
    Gate,
    OperationFigures,
    Percentiles,
    Result,
    Verdict,
)
from loadtests.scenarios.scenario import Gates, Limits, Scenario

_FOUND = ("lost", "doubled", "reordered", "unseen")


def judge(
    scenario: Scenario,
    figures: Figures,
    check: Check | None,
    problems: Sequence[str],
    rooms: Collection[str] = (),
) -> Result:
    """`problems` make the run INVALID, as does a gate that could not be measured: neither passed
    nor failed, whatever the others say. `rooms` are those whose record was watched."""
    gates = (
        *_response(scenario.gates, figures),
        *_freshness(scenario.gates, figures),
        *_ratios(scenario.gates, figures),
        *_outcomes(scenario.gates, figures),
        *_effects(figures, rooms),
        *_dead_letters(scenario.gates, figures),
        *_consumers(scenario.gates, figures),
        *_recovery(scenario.gates, figures),
        *_time_lag(scenario.gates, figures),
        *_slopes(scenario.gates, figures),
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
        *(_words(gate) for gate in failed),
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
        name = f"freshness, {priority}"
        if limits.phase is not None:
            name += f" in {limits.phase}"
        seen = _of_class(priority, _in_phase(figures, limits.phase))
        if not seen:
            yield from _percentiles(name, limits, None)
        for effect, found in seen.items():
            yield from _percentiles(f"{name}: {effect}", limits, found)


def _ratios(gates: Gates, figures: Figures) -> Iterator[Gate]:
    for priority, ratio in gates.freshness_ratio.items():
        name = f"p99 freshness, {priority}, {ratio.phase} / {ratio.to}"
        one = _of_class(priority, _in_phase(figures, ratio.phase))
        other = _of_class(priority, _in_phase(figures, ratio.to))
        effects = ratio.effects or sorted({*one, *other})
        if not effects:
            yield _at_most(name, ratio.p99_at_most, None, "", "nothing of it was seen")
        for effect in effects:
            found, against = one.get(effect), other.get(effect)
            value, detail = None, "it was not seen in both phases"
            if found and against and against.p99 > 0:
                value, detail = found.p99 / against.p99, f"{found.p99:.1f} / {against.p99:.1f} ms"
            yield _at_most(f"{name}: {effect}", ratio.p99_at_most, value, "", detail)


def _in_phase(figures: Figures, phase: str | None) -> Sequence[FreshnessFigures]:
    """Of all phases, or of the one."""
    if phase is None:
        return figures.freshness
    return [one for found in figures.phases if found.name == phase for one in found.freshness]


def _of_class(priority: str, seen: Sequence[FreshnessFigures]) -> dict[str, Percentiles]:
    """By effect, those that were seen."""
    return {
        one.effect: one.freshness
        for one in seen
        if one.priority == priority and one.freshness.count
    }


def _percentiles(name: str, limits: Limits, found: Percentiles | None) -> Iterator[Gate]:
    seen = found if found and found.count else None
    for words, limit, value in (
        ("p99", limits.p99_ms, seen.p99 if seen else None),
        ("p99.9", limits.p999_ms, seen.p999 if seen else None),
    ):
        if limit is not None:
            missing = "" if seen else "nothing of it was seen"
            yield _at_most(f"{words} {name}", limit, value, "ms", missing)


def _outcomes(gates: Gates, figures: Figures) -> Iterator[Gate]:
    if gates.not_ok_share is not None:
        yield _not_ok("calls not ok", gates.not_ok_share, figures.operations)
    for name, limit in gates.not_ok_shares.items():
        own = [one for one in figures.operations if one.name == name]
        yield _not_ok(f"calls of {name} not ok", limit, own)
    for one in figures.operations:
        if one.sent and not one.ok:
            detail = f"{one.sent} sent, none ok"
            yield _at_least(f"calls of {one.name} that are ok", 1, 0, "calls", detail)


def _not_ok(name: str, limit: float, operations: Sequence[OperationFigures]) -> Gate:
    sent = sum(one.sent for one in operations)
    bad = sum(one.failed + one.unknown for one in operations)
    missing = "" if sent else "nothing was sent"
    return _at_most(name, limit, bad / sent if sent else None, "share", missing)


def _effects(figures: Figures, rooms: Collection[str]) -> Iterator[Gate]:
    """A percentile says nothing of an effect that never came."""
    seen = Counter[str]()
    for one in figures.freshness:
        seen[one.effect] += one.freshness.count
    acknowledged = {one.name: one.ok for one in figures.operations}
    for effect, count in expected(acknowledged, rooms).items():
        yield _at_least(f"effects seen: {effect}", count, seen[effect], "events", "")


def _dead_letters(gates: Gates, figures: Figures) -> Iterator[Gate]:
    if gates.dead_letter_share is not None:
        consumed = sum(one.consumed for one in figures.events)
        dead = sum(one.dead for one in figures.events)
        where = ", ".join(
            f"{one.service} {one.topic}: {one.dead}" for one in figures.events if one.dead
        )
        share = dead / consumed if consumed else None
        detail = where if consumed else "no service has told of an event"
        yield _at_most("dead letters", gates.dead_letter_share, share, "share", detail)


def _consumers(gates: Gates, figures: Figures) -> Iterator[Gate]:
    for topic, limit in gates.consumers.items():
        found = [one.processes for one in figures.events if one.topic == topic]
        value = max(found, default=None)
        missing = "no service told of it" if value is None else ""
        yield _at_least(f"consumers of {topic}", limit, value, "processes", missing)


def _recovery(gates: Gates, figures: Figures) -> Iterator[Gate]:
    limit = gates.recovery_seconds
    if limit is None:
        return
    if not figures.recoveries:
        missing = "no fault was made, or nothing tells how it was before"
        yield _at_most("recovery", limit, None, "s", missing)
        return
    for one in figures.recoveries:
        if one.seconds is None:
            words = f"never: {one.detail}" if one.detail else "never"
            yield _fails(f"recovery from {one.fault}", limit, one.watched, "s", words)
        else:
            yield _at_most(f"recovery from {one.fault}", limit, one.seconds, "s", one.detail)


def _time_lag(gates: Gates, figures: Figures) -> Iterator[Gate]:
    if gates.time_lag_seconds is None:
        return
    silent = [f"{one.service} {one.topic}" for one in figures.time_lags if one.last is None]
    known = [(one.last, f"{one.service} {one.topic}") for one in figures.time_lags if one.last]
    value, detail = max(known, default=(0.0, ""))
    missing = ", ".join(silent) or ("" if figures.time_lags else "no service told of one")
    if missing and value <= gates.time_lag_seconds:
        yield _at_most("time lag at the end", gates.time_lag_seconds, None, "s", missing)
    else:
        yield _at_most("time lag at the end", gates.time_lag_seconds, value, "s", detail)


def _slopes(gates: Gates, figures: Figures) -> Iterator[Gate]:
    if gates.slopes is None:
        return
    judged = [one for one in figures.slopes if one.part not in gates.slopes.leave_out]
    for name, unit, field in (
        ("memory", "MiB/h", "rss_mib_per_hour"),
        ("descriptors", "1/h", "fds_per_hour"),
        ("threads", "1/h", "threads_per_hour"),
    ):
        limit: float | None = getattr(gates.slopes, field)
        if limit is not None:
            found = [(float(getattr(one, field)), one.part) for one in judged]
            value, detail = max(found, default=(None, "no part was there for long enough"))
            yield _at_most(f"slope of {name}", limit, value, unit, detail)


def _found(gates: Gates, check: Check | None) -> Iterator[Gate]:
    """What was found is found; that nothing was found counts only when all was looked at."""
    for kind in _FOUND:
        limit = getattr(gates, kind)
        count = check.counts.get(kind, 0) if check else None
        if check and not check.complete and (count or 0) <= limit:
            count = None
        detail = check.detail if check else "nothing was checked"
        yield _at_most(kind, limit, count, "events", detail)


def _at_most(name: str, limit: float, value: float | None, unit: str, detail: str) -> Gate:
    """Without a value it is INVALID, and `detail` says what is missing."""
    verdict: Verdict = "INVALID"
    if value is not None:
        verdict = "FAIL" if value > limit else "PASS"
    return Gate(name=name, limit=limit, value=value, unit=unit, verdict=verdict, detail=detail)


def _at_least(name: str, limit: float, value: float | None, unit: str, detail: str) -> Gate:
    verdict: Verdict = "INVALID"
    if value is not None:
        verdict = "FAIL" if value < limit else "PASS"
    return Gate(
        name=name,
        limit=limit,
        value=value,
        unit=unit,
        direction="at least",
        verdict=verdict,
        detail=detail,
    )


def _fails(name: str, limit: float, value: float, unit: str, detail: str) -> Gate:
    return Gate(name=name, limit=limit, value=value, unit=unit, verdict="FAIL", detail=detail)


def _words(gate: Gate) -> str:
    words = f"{gate.name}: {gate.value:g} {gate.unit}, {gate.direction} {gate.limit:g} allowed"
    return f"{words} ({gate.detail})" if gate.detail else words
