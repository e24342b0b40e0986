"""A case as health tells it, read into words."""

from datetime import UTC

from city.health.v1 import kiosk_pb2, person_pb2

from emergency.domain.cases import AcuteCase, Measured

_WORDS = {
    kiosk_pb2.MEASUREMENT_CODE_BLOOD_PRESSURE: ("혈압", "mmHg"),
    kiosk_pb2.MEASUREMENT_CODE_OXYGEN_SATURATION: ("산소포화도", "%"),
    kiosk_pb2.MEASUREMENT_CODE_BODY_TEMPERATURE: ("체온", "°C"),
    kiosk_pb2.MEASUREMENT_CODE_HEART_RATE: ("심박수", "/분"),
    kiosk_pb2.MEASUREMENT_CODE_BODY_MASS_INDEX: ("체질량지수", "kg/m²"),
    kiosk_pb2.MEASUREMENT_CODE_GLUCOSE: ("혈당", "mg/dL"),
}
_UNKNOWN = ("측정값", "")


def read(answer: person_pb2.GetCaseResponse) -> AcuteCase:
    """Raises ValueError for a time that is none."""
    return AcuteCase(
        kiosk_id=answer.kiosk_id,
        place=answer.place,
        score=answer.acute_score,
        measurements=[_measured(one) for one in answer.measurements],
        age_years=answer.age_years,
        name=answer.name,
        contact=answer.contact,
        medical_note=answer.medical_note,
    )


def _measured(one: kiosk_pb2.Measurement) -> Measured:
    name, unit = _WORDS.get(one.code, _UNKNOWN)
    value = f"{one.value:g}/{one.diastolic:g}" if one.HasField("diastolic") else f"{one.value:g}"
    fasting = " 공복" if one.fasting else ""
    return Measured(f"{name} {value} {unit}".strip() + fasting, one.taken_at.ToDatetime(tzinfo=UTC))
