"""The model's kiosks, people and measurements as messages of city.health.v1."""

from collections.abc import Sequence
from datetime import date

from city.health.v1 import kiosk_pb2, person_pb2
from city.type.v1.position_pb2 import Position

from loadtests.city.cameras.places import Point
from loadtests.city.cameras.wire import idempotency_key, timestamp
from loadtests.city.health.kiosks import Kiosk
from loadtests.city.health.people import Person
from loadtests.city.health.rates import CONSENT_VERSION, Code, Group, Purpose
from loadtests.city.health.values import Value

CODES = {code: kiosk_pb2.MeasurementCode.Value(f"MEASUREMENT_CODE_{code}") for code in Code}
_GROUPS = {group: person_pb2.VulnerableGroup.Value(f"VULNERABLE_GROUP_{group}") for group in Group}
_PURPOSES = {one: person_pb2.ConsentPurpose.Value(f"CONSENT_PURPOSE_{one}") for one in Purpose}


def kiosk_registration(kiosks: Sequence[Kiosk]) -> kiosk_pb2.RegisterKiosksRequest:
    """The same kiosks make the same idempotency key."""
    request = kiosk_pb2.RegisterKiosksRequest()
    for one in kiosks:
        kiosk = request.kiosks.add(
            kiosk_id=one.kiosk_id, place=one.place, zone=one.zone, position=_position(one.point)
        )
        for device in one.devices:
            kiosk.devices.add(
                device_id=device.device_id,
                codes=[CODES[code] for code in device.codes],
                model=device.model,
            )
    content = request.SerializeToString(deterministic=True).hex()
    request.idempotency_key = idempotency_key("health", "RegisterKiosks", content)
    return request


def enrolment(
    person: Person, consented_micros: int, *purpose: object
) -> person_pb2.EnrolPersonRequest:
    """The same for the same purpose makes the same idempotency key."""
    request = person_pb2.EnrolPersonRequest(
        name=person.name,
        birth_date=_day(person.birth_date),
        contact=person.contact,
        medical_note=person.medical_note,
        groups=[_GROUPS[group] for group in person.groups],
        purposes=[
            person_pb2.CONSENT_PURPOSE_MEASUREMENT,
            *(_PURPOSES[one] for one in person.purposes),
        ],
        consent_version=CONSENT_VERSION,
        consented_at=timestamp(consented_micros),
        zone=person.zone,
    )
    content = request.SerializeToString(deterministic=True).hex()
    request.idempotency_key = idempotency_key("health", "EnrolPerson", *purpose, content)
    return request


def session_id(*purpose: object) -> str:
    """A UUID, the same for the same purpose."""
    return idempotency_key("health", "session", *purpose)


def begin(session_id: str, kiosk_id: str, person_token: str, micros: int) -> kiosk_pb2.Begin:
    return kiosk_pb2.Begin(
        session_id=session_id,
        kiosk_id=kiosk_id,
        person_token=person_token,
        began_at=timestamp(micros),
    )


def measured(sequence: int, value: Value, device_id: str, micros: int) -> kiosk_pb2.Measured:
    return kiosk_pb2.Measured(
        sequence=sequence,
        measurement=kiosk_pb2.Measurement(
            code=CODES[value.code],
            value=value.value,
            diastolic=value.diastolic,
            fasting=value.fasting,
            taken_at=timestamp(micros),
            device_id=device_id,
        ),
    )


def end(last_sequence: int, micros: int) -> kiosk_pb2.End:
    return kiosk_pb2.End(last_sequence=last_sequence, ended_at=timestamp(micros))


def _position(point: Point) -> Position:
    return Position(latitude=point[0], longitude=point[1])


def _day(day: date) -> str:
    return day.isoformat()
