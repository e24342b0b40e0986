"""What is measured: its codes and units, and what a device can believably show."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from health.errors import Invalid

# LOINC of the two parts of a blood pressure.
SYSTOLIC = "8480-6"
DIASTOLIC = "8462-4"

_DEVICE_ID = re.compile(r"[0-9A-Za-z](?:[0-9A-Za-z._:-]{0,62}[0-9A-Za-z])?")


class Code(StrEnum):
    """As in kiosk.proto, by LOINC, in one UCUM unit each."""

    BLOOD_PRESSURE = "BLOOD_PRESSURE"
    OXYGEN_SATURATION = "OXYGEN_SATURATION"
    BODY_TEMPERATURE = "BODY_TEMPERATURE"
    HEART_RATE = "HEART_RATE"
    BODY_MASS_INDEX = "BODY_MASS_INDEX"
    GLUCOSE = "GLUCOSE"

    @property
    def loinc(self) -> str:
        """Of a blood pressure that of the panel."""
        return _TRAITS[self].loinc

    @property
    def unit(self) -> str:
        """UCUM."""
        return _TRAITS[self].unit


class Bounds(NamedTuple):
    """Both inclusive."""

    least: float
    most: float


class _Traits(NamedTuple):
    loinc: str
    unit: str
    value: Bounds


# Of a living person who came to a kiosk, and wider than any advice needs: what lies outside is a
# slipped cuff, another unit (a temperature in Fahrenheit, a glucose in mmol/L) or a wrong field.
_TRAITS = {
    Code.BLOOD_PRESSURE: _Traits("85354-9", "mm[Hg]", Bounds(40, 300)),
    Code.OXYGEN_SATURATION: _Traits("59408-5", "%", Bounds(50, 100)),
    Code.BODY_TEMPERATURE: _Traits("8310-5", "Cel", Bounds(30, 45)),
    Code.HEART_RATE: _Traits("8867-4", "/min", Bounds(20, 300)),
    Code.BODY_MASS_INDEX: _Traits("39156-5", "kg/m2", Bounds(8, 100)),
    Code.GLUCOSE: _Traits("2339-0", "mg/dL", Bounds(20, 1000)),
}
_DIASTOLIC = Bounds(20, 200)


@dataclass(frozen=True, slots=True)
class Measurement:
    """`value` is in the code's unit, of a blood pressure the systolic one; `taken_at` aware.

    `diastolic` is there for a blood pressure only, `fasting` for a glucose only, where None is
    not known. `device_id` may be empty when what came as FHIR names no device.
    """

    code: Code
    value: float
    diastolic: float | None
    fasting: bool | None
    taken_at: datetime
    device_id: str


def must_be_plausible(measurement: Measurement) -> None:
    """Raises Invalid naming the field and what it should be, never what it was: that is health
    data, and errors go into logs."""
    code = measurement.code
    _within("value", measurement.value, _TRAITS[code].value, code.unit)
    if code is Code.BLOOD_PRESSURE:
        if measurement.diastolic is None:
            raise Invalid("diastolic", "expected with a blood pressure")
        _within("diastolic", measurement.diastolic, _DIASTOLIC, code.unit)
        if measurement.diastolic >= measurement.value:
            raise Invalid("diastolic", "expected below the systolic value")
    elif measurement.diastolic is not None:
        raise Invalid("diastolic", "expected only with a blood pressure")
    if measurement.fasting is not None and code is not Code.GLUCOSE:
        raise Invalid("fasting", "expected only with a glucose")
    if measurement.device_id and not _DEVICE_ID.fullmatch(measurement.device_id):
        raise Invalid("device_id", "expected 1 to 64 ASCII letters, digits and inner ._:-")


def _within(field: str, value: float, bounds: Bounds, unit: str) -> None:
    # A value that is no number is not between any.
    if not bounds.least <= value <= bounds.most:
        raise Invalid(field, f"expected {bounds.least:g} to {bounds.most:g} {unit}")
