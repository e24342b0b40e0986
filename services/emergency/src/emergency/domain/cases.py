"""Somebody at a kiosk who needs help, in words, for the 119 room alone: it is health data."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from emergency.domain.context import Missing
from emergency.domain.scsns import seoul

CASES = "건강 이상"
_NO_CONSENT = "동의 없음"
_NONE = "없음"
_MOST_MEASUREMENTS = 20


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured, with its unit, for example `산소포화도 88 %`."""

    text: str = field(repr=False)
    taken_at: datetime


@dataclass(frozen=True, slots=True)
class AcuteCase:
    """What health tells of a case, newest measurement first.

    Name, contact and note are empty without the person's consent for emergencies.
    """

    kiosk_id: str
    place: str
    score: int = field(repr=False)
    measurements: Sequence[Measured] = field(repr=False)
    age_years: int = field(repr=False)
    name: str = field(repr=False)
    contact: str = field(repr=False)
    medical_note: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of the case of an incident that the room was told of as `number`."""

    incident_id: UUID
    number: str
    case: AcuteCase | Missing


def case_items(answers: Sequence[Answer]) -> dict[str, str]:
    """Items of the answer to the 119 room: all secrets. None without any case."""
    if not answers:
        return {}
    items = {CASES: ", ".join(_short(one.case) for one in answers)}
    for number, one in enumerate(answers, 1):
        key = f"{CASES} {number}"
        items |= {f"{key} 사건": one.number, key: _short(one.case)}
        if isinstance(one.case, Missing):
            continue
        case = one.case
        items[f"{key} 측정"] = _measured(case.measurements)
        items[f"{key} 나이"] = f"만 {case.age_years}세"
        items[f"{key} 이름"] = case.name or _NO_CONSENT
        if case.name:
            items[f"{key} 연락처"] = case.contact or _NONE
            items[f"{key} 의료 정보"] = case.medical_note or _NONE
    return items


def _short(case: AcuteCase | Missing) -> str:
    if isinstance(case, Missing):
        return str(case)
    return f"{case.place} ({case.kiosk_id}), NEWS2 {case.score}점"


def _measured(measurements: Sequence[Measured]) -> str:
    named = measurements[:_MOST_MEASUREMENTS]
    further = len(measurements) - len(named)
    listed = [f"{one.text} ({one.taken_at.astimezone(seoul.SEOUL):%H:%M:%S})" for one in named] or [
        _NONE
    ]
    return ", ".join(listed) + (f" 외 {further}건" if further else "")
