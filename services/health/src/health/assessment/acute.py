"""Whether somebody needs help now, after NEWS2."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from health.assessment.rules import WORST_SCORE, Rules
from health.measuring.measurement import Code, Measurement


class Severity(StrEnum):
    """As in the event acute-reading-detected."""

    URGENT = "URGENT"
    CRITICAL = "CRITICAL"


@dataclass(frozen=True, slots=True)
class Acute:
    """`score` is the total; `severity` is there when it is acute."""

    score: int
    parameters_of_three: int
    severity: Severity | None

    @property
    def acute(self) -> bool:
        return self.severity is not None


def acute(readings: Sequence[Measurement], rules: Rules) -> Acute:
    """Of the newest reading of each parameter; of two of one time the later in `readings`."""
    newest: dict[Code, Measurement] = {}
    for reading in readings:
        known = newest.get(reading.code)
        if known is None or reading.taken_at >= known.taken_at:
            newest[reading.code] = reading
    scores = [rules.score(reading) for reading in newest.values()]
    total, worst = sum(scores), scores.count(WORST_SCORE)
    return Acute(total, worst, _severity(total, worst, rules))


def _severity(total: int, worst: int, rules: Rules) -> Severity | None:
    act = rules.acute
    if total >= act.critical_total or worst >= act.critical_parameters_of_three:
        return Severity.CRITICAL
    if total >= act.total or worst >= act.parameters_of_three:
        return Severity.URGENT
    return None
