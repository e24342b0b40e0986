"""What somebody says who enrols, read from the request. No error tells what was given."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from city.health.v1 import person_pb2 as pb
from city_backbone.errors import InvalidArgument

from health.clock import seoul_day
from health.messages import moment, words
from health.people.person import Group, Profile, Purpose

E = TypeVar("E", bound=StrEnum)

_GROUPS: Mapping[int, Group] = {
    pb.VulnerableGroup.Value(f"VULNERABLE_GROUP_{group}"): group for group in Group
}
_PURPOSES: Mapping[int, Purpose] = {
    pb.ConsentPurpose.Value(f"CONSENT_PURPOSE_{purpose}"): purpose for purpose in Purpose
}
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TELEPHONE = re.compile(r"\+?[0-9](?:[ -]?[0-9]){6,14}")
_EARLIEST_BIRTH = date(1900, 1, 1)
_CLOCKS_DIFFER = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Application:
    """Whole and plausible; consents at least to MEASUREMENT."""

    profile: Profile
    zone: str
    purposes: frozenset[Purpose]
    consent_version: str
    consented_at: datetime


def application(request: pb.EnrolPersonRequest, now: datetime) -> Application:
    """Raises InvalidArgument."""
    profile = Profile(
        words("name", request.name, 100),
        _birth_date(request.birth_date, now),
        _telephone(request.contact),
        words("medical_note", request.medical_note, 500, empty=True),
        _members("groups", _GROUPS, request.groups),
    )
    purposes = _members("purposes", _PURPOSES, request.purposes)
    if Purpose.MEASUREMENT not in purposes:
        raise InvalidArgument("purposes", "expected CONSENT_PURPOSE_MEASUREMENT among them")
    return Application(
        profile,
        words("zone", request.zone, 40),
        purposes,
        words("consent_version", request.consent_version, 40),
        _consented_at(request, now),
    )


def _birth_date(text: str, now: datetime) -> date:
    try:
        day = date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None or not _EARLIEST_BIRTH <= day <= seoul_day(now):
        raise InvalidArgument("birth_date", "expected yyyy-mm-dd, from 1900 to today")
    return day


def _telephone(text: str) -> str:
    """7 to 15 digits (ITU-T E.164), as they were written."""
    number = text.strip()
    if not _TELEPHONE.fullmatch(number):
        raise InvalidArgument("contact", "expected a telephone number, as 010-0000-0000")
    return number


def _consented_at(request: pb.EnrolPersonRequest, now: datetime) -> datetime:
    if not request.HasField("consented_at"):
        raise InvalidArgument("consented_at", "expected a time")
    consented_at = moment("consented_at", request.consented_at)
    if consented_at > now + _CLOCKS_DIFFER:
        raise InvalidArgument("consented_at", "expected a time that has passed")
    return consented_at


def _members(field: str, known: Mapping[int, E], numbers: Iterable[int]) -> frozenset[E]:
    given = list(numbers)
    for index, number in enumerate(given):
        if number not in known:
            expected = ", ".join(known.values())
            raise InvalidArgument(f"{field}[{index}]", f"expected one of {expected}")
    return frozenset(known[number] for number in given)
