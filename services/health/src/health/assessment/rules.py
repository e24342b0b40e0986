"""A set of rules, and what every set must hold to.

What check() asks is what makes the advice monotone: thresholds that all point outward, rules from
the worst to the mildest and scores that fall to 0 and rise again. So a reading that is worse in
one parameter never gets a milder advice or a lower score, whatever the figures are.
"""

from collections.abc import Sequence
from enum import IntEnum, StrEnum
from itertools import pairwise
from math import isclose
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from health.errors import Invalid
from health.measuring.measurement import Code, Measurement

WORST_SCORE = 3
_TOLERANCE = 1e-9

RuleId = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Figure = Annotated[float, Field(allow_inf_nan=False)]


class Level(IntEnum):
    """Numbered as AdviceLevel of kiosk.proto."""

    NORMAL = 1
    ATTENTION = 2
    CONSULT = 3
    CONSULT_SOON = 4


class Part(StrEnum):
    """Of a measurement."""

    VALUE = "value"
    DIASTOLIC = "diastolic"


def _level(name: object) -> object:
    if name not in Level.__members__:
        raise ValueError(f"expected one of {', '.join(Level.__members__)}")
    return Level[str(name)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Threshold(_Model):
    """One of the three: a bound of a part, in the code's unit, or the reading's acute score."""

    part: Part = Part.VALUE
    at_least: Figure | None = None
    below: Figure | None = None
    acute_score: int | None = Field(default=None, ge=1, le=WORST_SCORE)
    """At least so many points on the code's scale."""

    def holds(self, measurement: Measurement, score: int) -> bool:
        value = measurement.value if self.part is Part.VALUE else measurement.diastolic
        if self.acute_score is not None:
            return score >= self.acute_score
        if value is None:
            return False
        if self.at_least is not None:
            return value >= self.at_least
        return self.below is not None and value < self.below


class AdviceRule(_Model):
    """Fits a reading of its code when any threshold holds, or when it has none."""

    rule_id: RuleId
    code: Code
    level: Annotated[Level, BeforeValidator(_level)]
    text: Text
    source: Text
    fasting: bool | None = None
    """Only a glucose of somebody who had fasted (true), or not as far as is known (false)."""
    when: tuple[Threshold, ...] = Field(default=(), max_length=10)

    def fits(self, measurement: Measurement, score: int) -> bool:
        if self.fasting is not None and self.fasting != bool(measurement.fasting):
            return False
        return not self.when or any(one.holds(measurement, score) for one in self.when)


class Band(_Model):
    """Both ends inclusive; the first has no `from`, the last no `to`."""

    from_: Figure | None = Field(default=None, alias="from")
    to: Figure | None = None
    score: int = Field(ge=0, le=WORST_SCORE)


class Scale(_Model):
    """Bands as the source prints them, for values in whole steps."""

    code: Code
    step: float = Field(gt=0, le=10)
    bands: tuple[Band, ...] = Field(min_length=1, max_length=20)

    def score(self, value: float) -> int:
        """A value between two bands gets the worse of both scores."""
        below = 0
        for band in self.bands:
            if band.from_ is not None and value < band.from_:
                return max(below, band.score)
            if band.to is None or value <= band.to:
                return band.score
            below = band.score
        raise AssertionError("the last band has no end")


class AcuteRules(_Model):
    """When 119 is called."""

    rule_id: RuleId
    source: Text
    total: int = Field(ge=1)
    """Of the newest reading of each parameter."""
    parameters_of_three: int = Field(ge=1)
    critical_total: int = Field(ge=1)
    critical_parameters_of_three: int = Field(ge=1)
    text_told: Text
    """119 is told."""
    text_untold: Text
    """119 is not told, as the reading is old or nobody knows where it was taken."""
    scales: tuple[Scale, ...] = Field(min_length=1)


class Rules(_Model):
    """One version."""

    version: int = Field(ge=1)
    disclaimer: Text
    """Stands under every advice."""
    advice: tuple[AdviceRule, ...] = Field(max_length=500)
    acute: AcuteRules

    def score(self, measurement: Measurement) -> int:
        """Of one reading; 0 for what has no scale."""
        for scale in self.acute.scales:
            if scale.code is measurement.code:
                return scale.score(measurement.value)
        return 0


def check(rules: Rules) -> None:
    """Raises Invalid naming the rule and its field."""
    seen: set[str] = {rules.acute.rule_id}
    for rule in rules.advice:
        if rule.rule_id in seen:
            raise Invalid(_field(rule, "rule_id"), "expected each id once")
        seen.add(rule.rule_id)
        _check_thresholds(rule, rules)
    for code in Code:
        _check_order(code, [rule for rule in rules.advice if rule.code is code])
    scales: set[Code] = set()
    for scale in rules.acute.scales:
        if scale.code in scales:
            raise Invalid(f"acute.scales[{scale.code}].code", "expected each code once")
        scales.add(scale.code)
        _check_scale(scale)
    _check_acting(rules.acute)


def _check_thresholds(rule: AdviceRule, rules: Rules) -> None:
    if rule.fasting is not None and rule.code is not Code.GLUCOSE:
        raise Invalid(_field(rule, "fasting"), f"expected only with {Code.GLUCOSE}")
    for index, one in enumerate(rule.when):
        field = _field(rule, f"when[{index}]")
        given = [figure for figure in (one.at_least, one.below, one.acute_score) if figure]
        if len(given) != 1:
            raise Invalid(field, "expected one of at_least, below and acute_score, not 0")
        if one.part is Part.DIASTOLIC and rule.code is not Code.BLOOD_PRESSURE:
            raise Invalid(f"{field}.part", f"expected diastolic only with {Code.BLOOD_PRESSURE}")
        if one.acute_score and all(scale.code is not rule.code for scale in rules.acute.scales):
            raise Invalid(f"{field}.acute_score", f"expected a scale of {rule.code}")


def _check_order(code: Code, found: Sequence[AdviceRule]) -> None:
    if not found:
        raise Invalid("advice", f"expected rules of {code}")
    for worse, rule in pairwise(found):
        if rule.level > worse.level:
            raise Invalid(
                _field(rule, "level"),
                f"expected the rules of {code} from the worst to the mildest:"
                f" it stands below {worse.rule_id}",
            )
        if not worse.when:
            raise Invalid(_field(worse, "when"), f"expected a threshold: {rule.rule_id} follows")
    last = found[-1]
    if last.when or last.fasting is not None or last.level is not Level.NORMAL:
        raise Invalid(
            _field(last, "when"),
            f"expected the last rule of {code} to be NORMAL, of all that no other fits",
        )


def _check_scale(scale: Scale) -> None:
    name = f"acute.scales[{scale.code}]"
    bands = scale.bands
    if bands[0].from_ is not None:
        raise Invalid(f"{name}.bands[0].from", "expected none: the first band has no start")
    if bands[-1].to is not None:
        raise Invalid(f"{name}.bands[{len(bands) - 1}].to", "expected none: the last has no end")
    for index, (below, above) in enumerate(pairwise(bands), 1):
        if below.to is None or above.from_ is None:
            raise Invalid(f"{name}.bands[{index}].from", "expected a start, and an end before it")
        if above.to is not None and above.to < above.from_:
            raise Invalid(f"{name}.bands[{index}].to", "expected not below from")
        if not isclose(above.from_ - below.to, scale.step, abs_tol=_TOLERANCE):
            raise Invalid(f"{name}.bands[{index}].from", "expected one step after the band before")
    scores = [band.score for band in bands]
    lowest = scores.index(min(scores))
    falling, rising = scores[: lowest + 1], scores[lowest:]
    if (falling, rising) != (sorted(falling, reverse=True), sorted(rising)) or scores[lowest]:
        raise Invalid(f"{name}.bands", "expected scores that fall to 0 and then rise")


def _check_acting(acute: AcuteRules) -> None:
    for name in ("total", "parameters_of_three"):
        least = getattr(acute, name)
        if getattr(acute, f"critical_{name}") < least:
            raise Invalid(f"acute.critical_{name}", f"expected at least {name}, {least}")


def _field(rule: AdviceRule, name: str) -> str:
    return f"advice[{rule.rule_id}].{name}"


def named(raw: Any, place: Sequence[int | str]) -> str:
    """`place` in a raw set of rules, with the rule's id where it has one instead of its index."""
    text = ""
    for step in place:
        child = raw[step] if _holds(raw, step) else None
        if isinstance(step, int):
            name = child.get("rule_id") or child.get("code") if isinstance(child, dict) else None
            text += f"[{name if isinstance(name, str) else step}]"
        else:
            text += f".{step}" if text else step
        raw = child
    return text


def _holds(raw: Any, step: int | str) -> bool:
    if isinstance(step, int):
        return isinstance(raw, list) and step < len(raw)
    return isinstance(raw, dict) and step in raw
