"""An Observation as a measurement of ours. Pure; raises Refused naming the element.

What it says beyond that (note, performer, method, bodySite, …) is checked to be FHIR R4 and not
kept. What would make it say something else (a modifier, another focus, no value, a comparator) or
carries more than one measurement is refused.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import quote
from uuid import UUID

from city_backbone.errors import InvalidArgument
from city_backbone.events import event_id

from health import messages
from health.errors import Invalid
from health.fhir import terms
from health.fhir.document import must_be_small
from health.fhir.element import Element
from health.fhir.r4 import must_be_r4
from health.fhir.refused import Refused, missing, wrong
from health.measuring.measurement import (
    DIASTOLIC,
    SYSTOLIC,
    Code,
    Measurement,
    must_be_plausible,
)

# Clocks of senders follow a time server; what is ahead of us by more is a wrong clock.
AHEAD = timedelta(seconds=5)
EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)

# Of R4's instants and dateTimes those that name a moment.
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", flags=re.ASCII)
_REFUSED = {
    "contained": "expected no contained resource: what is needed is in the Observation itself",
    "modifierExtension": "expected no modifier: none is understood",
    "implicitRules": "expected no modifier: none is understood",
    "focus": "expected a measurement of the subject itself",
    "dataAbsentReason": "expected a value",
}
_VALUES = (
    *("valueCodeableConcept", "valueString", "valueBoolean", "valueInteger", "valueRange"),
    *("valueRatio", "valueSampledData", "valueTime", "valueDateTime", "valuePeriod"),
)


@dataclass(frozen=True, slots=True)
class Sent:
    """One that can be taken, if the person and the kiosk are known. `path` is the resource's."""

    path: str
    measurement_id: UUID
    token: str = field(repr=False)
    measurement: Measurement = field(repr=False)
    kiosk_id: str | None

    @property
    def token_path(self) -> str:
        return f"{self.path}.subject.identifier.value"


@dataclass(frozen=True, slots=True)
class _Value:
    """A quantity's value, and where it stands."""

    path: str
    value: float


def parse_observation(resource: Element, now: datetime) -> Sent:
    for name, expected in _REFUSED.items():
        if name in resource.content:
            raise wrong(resource.at(name), expected, "not-supported")
    must_be_small(resource.content, resource.path)
    must_be_r4(resource, "Observation")
    if resource.text("status", "expected a status") not in terms.STATUSES:
        expected = f"expected one of {', '.join(terms.STATUSES)}: only what was measured is taken"
        raise wrong(resource.at("status"), expected, "business-rule")
    return Sent(
        path=resource.path,
        measurement_id=_identity(resource),
        token=_token(resource),
        measurement=_measurement(resource, _taken_at(resource, now)),
        kiosk_id=_kiosk_id(resource),
    )


def identity(system: str, value: str) -> UUID:
    """Of an Observation by its identifier. Quoted, so that no two identifiers share one."""
    return event_id("fhir", system, quote(value, safe=""))


def _identity(resource: Element) -> UUID:
    expected = "expected one identifier, by which what is sent again is known"
    identifiers = list(resource.each("identifier"))
    if not identifiers:
        raise missing(resource.at("identifier"), expected)
    if len(identifiers) > 1:
        raise wrong(resource.at("identifier"), expected)
    [one] = identifiers
    return identity(
        one.text("system", "expected the identifier's system"),
        one.text("value", "expected the identifier's value"),
    )


def _token(resource: Element) -> str:
    expected = f"expected the person's token, of system {terms.PERSON_TOKEN}"
    identifier = resource.get("subject", expected).get("identifier", expected)
    if identifier.text("system", expected) != terms.PERSON_TOKEN:
        raise wrong(identifier.at("system"), f"expected {terms.PERSON_TOKEN}")
    return identifier.text("value", expected)


def _taken_at(resource: Element, now: datetime) -> datetime:
    expected = "expected a moment with seconds and a time zone"
    path = resource.at("effectiveDateTime")
    text = resource.text("effectiveDateTime", expected)
    if not _MOMENT.fullmatch(text):
        raise wrong(path, expected)
    try:
        found = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise wrong(path, expected) from None
    if found > now + AHEAD:
        raise wrong(path, f"expected a time that has passed, or is {AHEAD.seconds} s ahead at most")
    if found < EARLIEST:
        raise wrong(path, f"expected a time from {EARLIEST.year} on")
    return found


def _kiosk_id(resource: Element) -> str | None:
    device = resource.find("device")
    if device is None:
        return None
    # A kiosk whose system is misspelled is not passed over: help would be sent nowhere.
    expected = f"expected a kiosk's id, of system {terms.KIOSK}, or no device"
    identifier = device.get("identifier", expected)
    if identifier.text("system", expected) != terms.KIOSK:
        raise wrong(identifier.at("system"), f"expected {terms.KIOSK}")
    try:
        return messages.name(identifier.at("value"), identifier.text("value", expected))
    except InvalidArgument as error:
        raise wrong(error.field, error.expected) from None


def _measurement(resource: Element, taken_at: datetime) -> Measurement:
    concept = resource.get("code", "expected a LOINC code")
    code = terms.CODES[_loinc(concept, terms.CODES)]
    for name in _VALUES:
        if resource.has(name):
            raise wrong(resource.at(name), "expected valueQuantity")
    components = _components(resource, code)
    fasting = components.get(terms.FASTING)
    diastolic: _Value | None = None
    if code is Code.BLOOD_PRESSURE:
        if resource.has("valueQuantity"):
            raise wrong(resource.at("valueQuantity"), "expected components only", "invariant")
        value = _part(resource, components, SYSTOLIC, code)
        diastolic = _part(resource, components, DIASTOLIC, code)
    else:
        value = _quantity(resource, code)
    found = Measurement(
        code=code,
        value=value.value,
        diastolic=diastolic.value if diastolic else None,
        fasting=None if fasting is None else _fasting(fasting),
        taken_at=taken_at,
        device_id="",
    )
    try:
        must_be_plausible(found)
    except Invalid as error:
        part = diastolic if diastolic and error.field == "diastolic" else value
        raise wrong(part.path, error.expected) from None
    return found


def _components(resource: Element, code: Code) -> dict[str, Element]:
    """By their LOINC, each once."""
    known = {
        Code.BLOOD_PRESSURE: (SYSTOLIC, DIASTOLIC),
        Code.GLUCOSE: (terms.FASTING,),
    }.get(code, ())
    found: dict[str, Element] = {}
    for component in resource.each("component"):
        if not known:
            raise wrong(component.path, "expected no component with this code")
        concept = component.get("code", f"expected LOINC {' or '.join(known)}")
        loinc = _loinc(concept, known)
        if loinc in found:
            raise wrong(concept.path, "expected each component once", "duplicate")
        for name in ("modifierExtension", "dataAbsentReason"):
            if component.has(name):
                raise wrong(component.at(name), _REFUSED[name], "not-supported")
        found[loinc] = component
    return found


def _loinc(concept: Element, known: "dict[str, Code] | tuple[str, ...]") -> str:
    """The one of `known`; codings of other systems, and other LOINC codes for the same, may
    stand beside it, as R4's profile of oxygen saturation asks."""
    expected = f"expected one LOINC code of {', '.join(known)}"
    given = [
        (coding, code)
        for coding in concept.each("coding")
        if coding.find_text("system") == terms.LOINC
        and (code := coding.find_text("code")) is not None
    ]
    if not given:
        raise Refused(422, "required", expected, concept.at("coding"))
    found = {code for _, code in given if code in known}
    if not found:
        raise wrong(given[0][0].at("code"), expected, "code-invalid")
    if len(found) > 1:
        raise wrong(concept.at("coding"), expected, "code-invalid")
    return found.pop()


def _part(resource: Element, components: dict[str, Element], loinc: str, code: Code) -> _Value:
    if loinc not in components:
        expected = f"expected both {SYSTOLIC} and {DIASTOLIC}"
        raise missing(resource.at("component"), expected)
    return _quantity(components[loinc], code)


def _quantity(owner: Element, code: Code) -> _Value:
    quantity = owner.get("valueQuantity", f"expected a quantity in {code.unit}")
    if quantity.has("comparator"):
        raise wrong(quantity.at("comparator"), "expected a value itself", "not-supported")
    for name, expected in (("system", terms.UCUM), ("code", code.unit)):
        if quantity.text(name, f"expected {expected}") != expected:
            raise wrong(quantity.at(name), f"expected {expected}", "code-invalid")
    return _Value(quantity.at("value"), quantity.number("value", "expected a number"))


def _fasting(component: Element) -> bool:
    return component.boolean("valueBoolean", "expected whether the person had fasted")
