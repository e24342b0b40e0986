"""Measurements and assessments as messages of kiosk.proto."""

from city.health.v1 import kiosk_pb2 as pb
from city_backbone.errors import InvalidArgument

from health.assessment.advice import Assessment
from health.errors import Invalid
from health.measuring.measurement import Code, Measurement, must_be_plausible
from health.messages import moment, timestamp

_CODES = {pb.MeasurementCode.Value(f"MEASUREMENT_CODE_{code.name}"): code for code in Code}
_NUMBERS = {code: number for number, code in _CODES.items()}


def code(field: str, number: pb.MeasurementCode.ValueType) -> Code:
    """Raises InvalidArgument when unspecified or unknown."""
    found = _CODES.get(number)
    if found is None:
        raise InvalidArgument(field, f"expected one of {', '.join(Code)}")
    return found


def code_number(given: Code) -> pb.MeasurementCode.ValueType:
    return _NUMBERS[given]


def measurement(field: str, message: pb.Measurement) -> Measurement:
    """A plausible one. Raises InvalidArgument naming the field, never quoting what was measured."""
    if not message.HasField("taken_at"):
        raise InvalidArgument(f"{field}.taken_at", "expected a time")
    found = Measurement(
        code=code(f"{field}.code", message.code),
        value=message.value,
        diastolic=message.diastolic if message.HasField("diastolic") else None,
        fasting=message.fasting if message.HasField("fasting") else None,
        taken_at=moment(f"{field}.taken_at", message.taken_at),
        device_id=message.device_id,
    )
    try:
        must_be_plausible(found)
    except Invalid as error:
        raise InvalidArgument(f"{field}.{error.field}", error.expected) from None
    return found


def measurement_message(given: Measurement) -> pb.Measurement:
    return pb.Measurement(
        code=code_number(given.code),
        value=given.value,
        diastolic=given.diastolic,
        fasting=given.fasting,
        taken_at=timestamp(given.taken_at),
        device_id=given.device_id,
    )


def assessment_message(given: Assessment) -> pb.Assessment:
    return pb.Assessment(
        advice=pb.AdviceLevel.ValueType(given.advice.level),
        text=given.advice.text,
        acute_score=given.acute_score,
        acute=given.acute,
        rule_id=given.advice.rule_id,
        rule_version=given.advice.rule_version,
    )
