"""What a reading means for the person: advice, never a diagnosis."""

from collections.abc import Sequence
from dataclasses import dataclass

from health.assessment.acute import acute
from health.assessment.rules import Level, Rules
from health.measuring.measurement import Measurement


@dataclass(frozen=True, slots=True)
class Advice:
    """`text` is Korean, for a screen, and says that it is no diagnosis."""

    level: Level
    text: str
    rule_id: str
    rule_version: int


@dataclass(frozen=True, slots=True)
class Assessment:
    """As in kiosk.proto. `repeated`: it was stored before, and nothing came of it now."""

    advice: Advice
    acute_score: int
    acute: bool
    repeated: bool = False


def advise(measurement: Measurement, rules: Rules) -> Advice:
    """By the first rule that fits; the last of each code fits all."""
    score = rules.score(measurement)
    rule = next(
        one for one in rules.advice if one.code is measurement.code and one.fits(measurement, score)
    )
    return _advice(rules, rule.level, rule.text, rule.rule_id)


def assess(
    readings: Sequence[Measurement], rules: Rules, *, told: bool, repeated: bool = False
) -> Assessment:
    """Of the last of `readings`, at least one, in the light of those before it.

    `told`: 119 is told, now or before in the same session.
    """
    found = acute(readings, rules)
    advice = advise(readings[-1], rules)
    if told or found.acute:
        text = rules.acute.text_told if told else rules.acute.text_untold
        advice = _advice(rules, Level.CONSULT_SOON, text, rules.acute.rule_id)
    return Assessment(advice, found.score, told, repeated)


def _advice(rules: Rules, level: Level, text: str, rule_id: str) -> Advice:
    return Advice(level, f"{text} {rules.disclaimer}", rule_id, rules.version)
