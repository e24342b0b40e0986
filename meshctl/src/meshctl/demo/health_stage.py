"""The stage of health's scenes: kiosks, and people who enrol."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

from city.health.v1 import kiosk_pb2
from city_backbone.events import event_id

from loadtests.city.health import wire
from loadtests.city.health.kiosks import KIOSKS, Kiosk
from loadtests.city.health.line import Line
from loadtests.city.health.office import Office
from loadtests.city.health.people import people
from loadtests.city.health.rates import Code, Purpose
from loadtests.city.health.values import Value
from meshctl.demo.health_plan import Content, Given, Sitting, Somebody
from meshctl.errors import MeshctlError

BOTH = (Purpose.EMERGENCY, Purpose.REMINDER)
NOTE = "페니실린 알레르기"
_SEED = 1
_MICROS = 1_000_000
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Enrolled:
    """Somebody with their token."""

    somebody: Somebody
    token: str


@dataclass(frozen=True, slots=True)
class Steps:
    """A session as the kiosk sends it."""

    begin: kiosk_pb2.Begin
    measured: Sequence[kiosk_pb2.Measured]
    end: kiosk_pb2.End


async def enrol(
    office: Office, open: frozenset[str] | None = None, purposes: Sequence[Purpose] = BOTH
) -> Enrolled:
    """Somebody new. `open`: the follow-ups that stand in the end."""
    number = next(_numbers)
    name = f"시연 주민 {number + 1:03}"
    person = replace(
        people(_SEED)[number], name=name, medical_note=NOTE, purposes=tuple(purposes), groups=()
    )
    request = wire.enrolment(person, now_micros(), "demo", uuid4())
    token = await office.enrol(request)
    if await office.enrol(request) != token:
        raise MeshctlError(f"{name}: the same enrolment was another the second time")
    somebody = Somebody(name, (name, person.contact, token))
    if open is not None:
        somebody.open = open
    return Enrolled(somebody, token)


def session(who: Enrolled, kiosk: Kiosk, values: Sequence[Value], ago: float = 0.0) -> Steps:
    """What is measured `ago` seconds ago; all of it must be kept."""
    session_id = str(uuid4())
    began = now_micros() - round(ago * _MICROS)
    measured = []
    for sequence, value in enumerate(values, start=1):
        device = kiosk.device(value.code)
        assert device is not None
        # Each at another time, as `began` is in the past by then.
        micros = began + sequence
        measured.append(wire.measured(sequence, value, device.device_id, micros))
        who.somebody.given.append(
            Given(
                str(event_id("measurement", UUID(session_id), sequence)),
                content(value, micros, device.device_id, kiosk.kiosk_id),
                session_id,
                sequence,
            )
        )
    who.somebody.sittings.append(Sitting(session_id, kiosk.kiosk_id, len(values)))
    return Steps(
        wire.begin(session_id, kiosk.kiosk_id, who.token, began),
        measured,
        wire.end(len(values), began + len(values)),
    )


def content(value: Value, micros: int, device_id: str = "", kiosk_id: str | None = None) -> Content:
    """As it must be kept."""
    return Content(
        value.code, value.value, value.diastolic, value.fasting, micros, device_id, kiosk_id
    )


async def play(office: Office, steps: Steps) -> None:
    """The session as it usually goes. Raises MeshctlError, RefusedError."""
    line = office.session(steps.begin)
    try:
        await line.begin()
        await measure(line, steps.measured)
        await end(line, steps.end)
    finally:
        line.cut()


async def measure(line: Line, measured: Sequence[kiosk_pb2.Measured]) -> None:
    """Raises MeshctlError for one that is not stored."""
    for one in measured:
        answer = await line.measure(one)
        if answer.stored_sequence < one.sequence:
            raise MeshctlError(f"measurement {one.sequence}: only {answer.stored_sequence} stored")


async def end(line: Line, given: kiosk_pb2.End) -> None:
    """Raises MeshctlError."""
    if not (await line.end(given)).ended:
        raise MeshctlError("a session did not end")


def kiosk(kiosk_id: str) -> Kiosk:
    """One of the city model's."""
    return next(one for one in KIOSKS if one.kiosk_id == kiosk_id)


def now_micros() -> int:
    """Whole milliseconds, as FHIR's times are."""
    return round(time.time() * 1_000) * 1_000


def pressure(systolic: float, diastolic: float) -> Value:
    return Value(Code.BLOOD_PRESSURE, systolic, diastolic)


def advice(level: kiosk_pb2.AdviceLevel.ValueType) -> str:
    """Its word."""
    return kiosk_pb2.AdviceLevel.Name(level).removeprefix("ADVICE_LEVEL_")
