"""What the scenes of health played, and what must come of it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from city.health.v1.person_pb2 import ForgettingCertificate

DEPARTMENT = "health"


class Content(NamedTuple):
    """What is measured, in the code's unit; microseconds since 1970 UTC; `kiosk_id` is None, and
    `device_id` empty, for what came as FHIR from elsewhere."""

    code: str
    value: float
    diastolic: float | None
    fasting: bool | None
    taken_micros: int
    device_id: str
    kiosk_id: str | None


@dataclass(frozen=True, slots=True)
class Given:
    """A measurement that must be kept, once; of a session, or of none."""

    measurement_id: str
    content: Content
    session_id: str | None = None
    sequence: int | None = None


@dataclass(frozen=True, slots=True)
class Sitting:
    """A session that must have ended, with so many measurements."""

    session_id: str
    kiosk_id: str
    measurements: int


@dataclass(frozen=True, slots=True)
class Case:
    """119 must be told, once. `number` is the room's own, under which it asks; `answer` are items
    and what each must hold then."""

    case_id: str
    kiosk_id: str
    score: int
    severity: str
    number: str
    answer: Mapping[str, str]


@dataclass
class Somebody:
    """`open` are the follow-ups that stand in the end, `due` those of which must be told.

    `secret` says who it is: it may lie nowhere in the clear.
    """

    name: str
    secret: tuple[str, ...] = ()
    given: list[Given] = field(default_factory=list)
    sittings: list[Sitting] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)
    open: frozenset[str] = frozenset({"MEASURE_AGAIN"})
    due: frozenset[str] = frozenset()
    certificate: ForgettingCertificate | None = None


@dataclass
class PlayedScene:
    """One scene. `told` is what people and systems heard, `must_tell` what they must hear."""

    name: str
    title: str
    people: list[Somebody] = field(default_factory=list)
    told: Counter[str] = field(default_factory=Counter)
    must_tell: Counter[str] = field(default_factory=Counter)
