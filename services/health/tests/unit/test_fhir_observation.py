"""An Observation and a measurement are the same thing, there and back."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from city_backbone.events import event_id
from fhir.resources.R4B.observation import Observation
from health.assessment.advice import advise
from health.assessment.rulebook import load
from health.fhir import answers, document, terms
from health.fhir.bundle import parse
from health.fhir.element import Element
from health.fhir.observation import AHEAD, identity, parse_observation
from health.fhir.refused import Refused
from health.measuring.measurement import _DIASTOLIC, _TRAITS, Code, Measurement
from hypothesis import given, settings
from hypothesis import strategies as st

from .test_fhir_examples import NOW

RULES = load()
TOKEN = "abcdefghijklmnopqrstuvwxyz234567"


@st.composite
def measurements(draw: st.DrawFn) -> Measurement:
    code = draw(st.sampled_from(Code))
    bounds = _TRAITS[code].value
    value = draw(st.floats(bounds.least, bounds.most))
    diastolic = None
    if code is Code.BLOOD_PRESSURE:
        diastolic = draw(st.floats(_DIASTOLIC.least, min(_DIASTOLIC.most, value - 1)))
    return Measurement(
        code,
        value,
        diastolic,
        draw(st.none() | st.booleans()) if code is Code.GLUCOSE else None,
        draw(st.datetimes(datetime(1900, 1, 2), NOW.replace(tzinfo=None))).replace(tzinfo=UTC),
        "",
    )


def sent(measurement: Measurement, kiosk_id: str | None = None) -> dict[str, Any]:
    """What we would answer, with what a sender has to say beside it."""
    resource = answers.observation(UUID(int=1), measurement, kiosk_id, [advise(measurement, RULES)])
    Observation.model_validate(resource)
    resource["identifier"] = [{"system": "urn:example:a", "value": "1"}]
    resource["subject"] = {"identifier": {"system": terms.PERSON_TOKEN, "value": TOKEN}}
    return resource


@settings(max_examples=150, deadline=None)
@given(measurements(), st.none() | st.just("kiosk-1"))
def test_there_and_back(measurement: Measurement, kiosk_id: str | None) -> None:
    body = json.dumps(sent(measurement, kiosk_id)).encode()
    [one] = parse(document.read(body), 1, NOW).sent
    assert (one.measurement, one.kiosk_id, one.token) == (measurement, kiosk_id, TOKEN)
    assert one.measurement_id == event_id("fhir", "urn:example:a", "1")


@settings(max_examples=200, deadline=None)
@given(*[st.text("ab/|%", max_size=5)] * 4)
def test_no_two_identifiers_are_one(system: str, value: str, other: str, another: str) -> None:
    same = (system, value) == (other, another)
    assert (identity(system, value) == identity(other, another)) == same


def test_identifiers_that_differ_only_in_where_they_are_cut() -> None:
    assert identity("urn:a/b", "c") != identity("urn:a", "b/c")


def taken(ahead: timedelta) -> datetime:
    measurement = Measurement(Code.HEART_RATE, 70, None, None, NOW + ahead, "")
    return parse_observation(Element("Observation", sent(measurement)), NOW).measurement.taken_at


def test_a_clock_may_be_a_little_ahead() -> None:
    assert taken(AHEAD) == NOW + AHEAD
    with pytest.raises(Refused) as caught:
        taken(AHEAD + timedelta(microseconds=1))
    assert caught.value.expression == "Observation.effectiveDateTime"


@pytest.mark.parametrize("name", ["status", "identifier", "subject", "effectiveDateTime", "code"])
def test_null_is_as_if_it_were_not_there(name: str) -> None:
    measurement = Measurement(Code.HEART_RATE, 70, None, None, NOW, "")
    with pytest.raises(Refused) as caught:
        parse_observation(Element("Observation", {**sent(measurement), name: None}), NOW)
    assert caught.value.status in (400, 422)
    assert caught.value.expression.startswith(f"Observation.{name}")
