"""What the steps of a search say of the city. Pure."""

from collections.abc import Sequence

from loadtests.driver.plan import PlannedPhase
from loadtests.driver.result import Figures, Step
from loadtests.scenarios.scenario import Scenario
from loadtests.scenarios.search import Search


def scaled(scenario: Scenario, factor: float) -> Scenario:
    """With all rates so many times as high."""
    phases = tuple(
        PlannedPhase(
            name=phase.name,
            seconds=phase.seconds,
            rates={
                name: rate.model_copy(
                    update={
                        "rate": rate.rate * factor,
                        "to": None if rate.to is None else rate.to * factor,
                    }
                )
                for name, rate in phase.rates.items()
            },
        )
        for phase in scenario.phases
    )
    return scenario.model_copy(update={"phases": phases})


def why_not_held(search: Search, figures: Figures) -> str:
    """Why a step was not held; empty when it was."""
    sent = sum(one.sent for one in figures.operations)
    bad = sum(one.failed + one.unknown for one in figures.operations)
    if not sent or bad > search.not_ok_share * sent:
        return f"{bad} of {sent} calls not ok"
    slowest = max(figures.operations, key=lambda one: one.response.p99)
    if slowest.response.p99 > search.p99_ms:
        return f"{slowest.name}: response p99 {slowest.response.p99:.0f} ms"
    for lag in figures.time_lags:
        if lag.last is not None and lag.last > search.time_lag_seconds:
            return f"{lag.service}: {lag.topic} {lag.last:.1f} s behind"
    return ""


def driver_binds(figures: Figures, send_lag_p99_ms: float) -> bool:
    """Whether calls were not sent when they were due: such a step says nothing of the city."""
    return any(one.lag.p99 > send_lag_p99_ms for one in figures.operations)


def more_shards(shards: int, cores: int) -> int | None:
    """Twice as many while each can have a core; None when more would not help."""
    return min(2 * shards, cores) if shards < cores else None


def spread(steps: Sequence[Step]) -> str:
    """How far repeated steps at one rate are apart, in words. What was held is sent at one rate: it
    is the response that tells how near its end that is."""
    least, most = min(one.achieved for one in steps), max(one.achieved for one in steps)
    apart = (most - least) / least if least else 0.0
    slow = [one.p99_ms for one in steps]
    return (
        f"{least:.1f} to {most:.1f} calls a second in {len(steps)} steps, {apart:.1%} apart,"
        f" response p99 {min(slow):.0f} to {max(slow):.0f} ms"
    )
