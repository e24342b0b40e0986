"""Between the protocol's messages and the part. No error and no entry tells what is no id."""

from collections.abc import Mapping, Sequence
from datetime import date
from uuid import UUID

from city.health.v1 import person_pb2 as pb
from city_backbone.audit.account import account
from city_backbone.errors import InvalidArgument

from health.cases.store import Case
from health.measuring.measurement import Measurement
from health.measuring.messages import measurement_message
from health.people.person import Profile


def requester(request: pb.GetCaseRequest) -> str:
    """Raises InvalidArgument."""
    return account("requester", request.requester)


def asker(request: pb.GetCaseRequest) -> str:
    """For the register, right or wrong; empty for what is no account."""
    try:
        return requester(request)
    except InvalidArgument:
        return ""


def asked(request: pb.GetCaseRequest) -> Mapping[str, str]:
    """For the register, right or wrong; empty where there is no UUID."""
    return {"case_id": _id(request.case_id), "incident_id": _id(request.incident_id)}


def case_message(
    case: Case,
    measurements: Sequence[Measurement],
    profile: Profile,
    today: date,
    *,
    named: bool,
) -> pb.GetCaseResponse:
    """Newest measurement first; who it is only when `named`."""
    message = pb.GetCaseResponse(
        kiosk_id=case.kiosk_id,
        place=case.place,
        acute_score=case.score,
        measurements=[
            measurement_message(one)
            for one in sorted(measurements, key=lambda one: one.taken_at, reverse=True)
        ],
        age_years=age_years(profile.birth_date, today),
    )
    if named:
        message.name = profile.name
        message.contact = profile.contact
        message.medical_note = profile.medical_note
    return message


def age_years(born: date, today: date) -> int:
    """Whole years (만 나이); who was born on 29 February is a year older on 1 March."""
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def _id(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        return ""
