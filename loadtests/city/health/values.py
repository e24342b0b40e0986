"""What devices show of somebody: about what they usually have, or what is acute."""

import random
from dataclasses import dataclass

from loadtests.city.health import rates
from loadtests.city.health.people import Body
from loadtests.city.health.rates import THREES, WITHIN, Acute, Code, Spread

_SPREADS = {
    Code.OXYGEN_SATURATION: rates.SATURATION,
    Code.BODY_TEMPERATURE: rates.TEMPERATURE,
    Code.HEART_RATE: rates.PULSE,
    Code.BODY_MASS_INDEX: rates.MASS_INDEX,
}


@dataclass(frozen=True, slots=True)
class Value:
    """In the code's unit; of a blood pressure the systolic one."""

    code: Code
    value: float
    diastolic: float | None = None
    fasting: bool | None = None


def value(draw: random.Random, body: Body, code: Code) -> Value:
    """Never acute, alone or with others."""
    match code:
        case Code.BLOOD_PRESSURE:
            systolic = _shown(draw, body.systolic, rates.SYSTOLIC)
            diastolic = _shown(draw, body.diastolic, rates.DIASTOLIC)
            return Value(code, systolic, min(diastolic, systolic - rates.PULSE_PRESSURE))
        case Code.GLUCOSE:
            fasting = draw.random() < rates.FASTING_SHARE
            meal = 0.0 if fasting else max(0.0, draw.gauss(rates.MEAL.mean, rates.MEAL.deviation))
            shown = _shown(draw, body.glucose + meal, rates.GLUCOSE_FASTING)
            return Value(code, shown, fasting=fasting)
        case _:
            return Value(code, _shown(draw, dict(body.others)[code], _SPREADS[code]))


def acute(draw: random.Random, why: Acute) -> tuple[Value, ...]:
    """By the first or by all of these 119 must be called."""
    return tuple(_bad(draw, code, bounds) for code, bounds in THREES[why].items())


def _bad(draw: random.Random, code: Code, bounds: tuple[float, float]) -> Value:
    digits = 1 if code is Code.BODY_TEMPERATURE else 0
    shown = round(draw.uniform(*bounds), digits)
    diastolic = shown - draw.randint(80, 110) if code is Code.BLOOD_PRESSURE else None
    return Value(code, shown, diastolic)


def _shown(draw: random.Random, usual: float, spread: Spread) -> float:
    found = round(draw.gauss(usual, spread.deviation * WITHIN), spread.digits)
    return float(min(max(found, spread.least), spread.most))
