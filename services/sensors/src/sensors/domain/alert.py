"""The alert rule of one station and pollutant, folded over its hourly means in time's order."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple

from sensors.domain.hour import HOUR
from sensors.domain.pollutant import Pollutant, millionths

# 대기오염경보 발령 기준 (대기환경보전법 시행규칙 별표 7) as revised for July 2018.
RULE_VERSION = "air-alert-2018-07"


class Level(IntEnum):
    """NONE is also what is left after lifting."""

    NONE = 0
    ADVISORY = 1
    WARNING = 2


@dataclass(frozen=True, slots=True)
class Rule:
    """Concentrations in millionths. hours: how many consecutive hours raise the level."""

    hours: int
    advisory_issue: int
    advisory_lift: int
    warning_issue: int
    warning_back: int

    def reached(self, concentration: int) -> Level:
        """The level whose issue threshold an hour reaches."""
        if concentration >= self.warning_issue:
            return Level.WARNING
        return Level.ADVISORY if concentration >= self.advisory_issue else Level.NONE

    def held(self, concentration: int) -> Level:
        """The highest level that an hour keeps up."""
        if concentration < self.advisory_lift:
            return Level.NONE
        return Level.ADVISORY if concentration < self.warning_back else Level.WARNING


RULES: Mapping[Pollutant, Rule] = {
    Pollutant.PM10: Rule(
        2, millionths("150"), millionths("100"), millionths("300"), millionths("150")
    ),
    Pollutant.PM25: Rule(
        2, millionths("75"), millionths("35"), millionths("150"), millionths("75")
    ),
    Pollutant.O3: Rule(
        1, millionths("0.12"), millionths("0.12"), millionths("0.30"), millionths("0.30")
    ),
}


class HourMean(NamedTuple):
    """An hourly mean as told: None is an hour without a valid mean."""

    hour_end: datetime
    concentration: int | None
    revision: int


class StationAlert(NamedTuple):
    """After `last`. What was before it is kept, so that a revision of `last` can be folded anew."""

    level: Level = Level.NONE
    last: HourMean | None = None
    level_before: Level = Level.NONE
    before: HourMean | None = None


class Step(NamedTuple):
    """What one hour did. causes: the hours that changed the level, oldest first."""

    state: StationAlert
    causes: tuple[HourMean, ...]


def fold(rule: Rule, state: StationAlert, hour: HourMean) -> Step:
    """The state after a further hour.

    An hour without a valid mean, or none at all, breaks the run and keeps the level. A newer
    revision of the last hour replaces it. Hours older than the last change nothing: an alert is a
    public act, and is not rewritten by what arrives later.
    """
    last = state.last
    if last is not None and hour.hour_end == last.hour_end:
        if hour.revision <= last.revision:
            return Step(state, ())
        level_before, before = state.level_before, state.before
    elif last is not None and hour.hour_end < last.hour_end:
        return Step(state, ())
    else:
        level_before, before = state.level, last
    level, causes = _next(rule, level_before, before, hour)
    if level == state.level:
        causes = ()
    return Step(StationAlert(level, hour, level_before, before), causes)


def _next(
    rule: Rule, level: Level, before: HourMean | None, hour: HourMean
) -> tuple[Level, tuple[HourMean, ...]]:
    if hour.concentration is None:
        return level, ()
    if rule.reached(hour.concentration) > level:
        run = _run(rule, before, hour)
        raised = min((rule.reached(mean) for _, mean in run), default=Level.NONE)
        if len(run) == rule.hours and raised > level:
            return raised, tuple(member for member, _ in run)
    lowered = min(level, rule.held(hour.concentration))
    return lowered, (hour,)


def _run(rule: Rule, before: HourMean | None, hour: HourMean) -> tuple[tuple[HourMean, int], ...]:
    """The consecutive valid hours that end with `hour`, at most as many as the rule asks for."""
    if hour.concentration is None:
        return ()
    own = (hour, hour.concentration)
    if (
        rule.hours == 1
        or before is None
        or before.concentration is None
        or before.hour_end + HOUR != hour.hour_end
    ):
        return (own,)
    return ((before, before.concentration), own)
