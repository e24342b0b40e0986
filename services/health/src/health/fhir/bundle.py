"""What is sent: one Observation, or a transaction Bundle of them. Pure; raises Refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

from health.fhir.document import must_be_small
from health.fhir.element import Element
from health.fhir.observation import Sent, identity, parse_observation
from health.fhir.r4 import must_be_r4
from health.fhir.refused import Refused, malformed, wrong


@dataclass(frozen=True, slots=True)
class Parcel:
    """`bundled`: the answer is a Bundle too."""

    sent: Sequence[Sent]
    bundled: bool


def parse(content: dict[str, Any], max_entries: int, now: datetime) -> Parcel:
    match content.get("resourceType"):
        case "Observation":
            return Parcel([parse_observation(Element("Observation", content), now)], bundled=False)
        case "Bundle":
            entries = _transaction(Element("Bundle", content), max_entries, now)
            return Parcel(entries, bundled=True)
        case str():
            raise Refused(
                404, "not-supported", "expected an Observation or a Bundle", "Resource.resourceType"
            )
        case _:
            raise malformed("expected a resourceType", "Resource.resourceType")


def _transaction(bundle: Element, max_entries: int, now: datetime) -> list[Sent]:
    entries = list(bundle.each("entry"))
    if not 1 <= len(entries) <= max_entries:
        code = "too-costly" if entries else "required"
        raise wrong(bundle.at("entry"), f"expected 1 to {max_entries} entries", code)
    _must_be_r4(bundle, entries)
    if bundle.find_text("type") != "transaction":
        raise wrong(bundle.at("type"), "expected transaction", "not-supported")
    if bundle.has("implicitRules"):
        raise wrong(bundle.at("implicitRules"), "expected no modifier", "not-supported")
    sent = [_entry(entry, now) for entry in entries]
    known: set[UUID] = set()
    for one in sent:
        if one.measurement_id in known:
            raise wrong(
                f"{one.path}.identifier", "expected each identifier once in a Bundle", "duplicate"
            )
        known.add(one.measurement_id)
    return sent


def _must_be_r4(bundle: Element, entries: Sequence[Element]) -> None:
    """All of it but the entries' resources, which are looked at one by one."""
    outside = [
        {name: value for name, value in entry.content.items() if name != "resource"}
        for entry in entries
    ]
    for entry, rest in zip(entries, outside, strict=True):
        must_be_small(rest, entry.path)
    shell = {name: value for name, value in bundle.content.items() if name != "entry"}
    must_be_small(shell, bundle.path)
    must_be_r4(Element(bundle.path, {**shell, "entry": outside}), "Bundle")


def _entry(entry: Element, now: datetime) -> Sent:
    resource = entry.get("resource", "expected an Observation")
    if entry.has("modifierExtension"):
        raise wrong(entry.at("modifierExtension"), "expected no modifier", "not-supported")
    if resource.find_text("resourceType") != "Observation":
        path = resource.at("resourceType")
        raise Refused(404, "not-supported", "expected an Observation", path)
    request = entry.get("request", "expected POST Observation")
    for name, expected in (("method", "POST"), ("url", "Observation")):
        if request.text(name, f"expected {expected}") != expected:
            raise wrong(request.at(name), f"expected {expected}", "not-supported")
    for name in ("ifMatch", "ifNoneMatch", "ifModifiedSince", "modifierExtension"):
        if request.has(name):
            raise wrong(request.at(name), "expected no condition but ifNoneExist", "not-supported")
    sent = parse_observation(resource, now)
    condition = request.find_text("ifNoneExist")
    if condition is not None:
        _must_be_its_identifier(condition, sent, request.at("ifNoneExist"))
    return sent


def _must_be_its_identifier(condition: str, sent: Sent, expression: str) -> None:
    """A conditional create may ask for what each create does: known by its identifier."""
    match parse_qsl(condition.partition("?")[2] or condition, keep_blank_values=True):
        case [("identifier", str(given))]:
            system, _, value = given.partition("|")
            if identity(system, value) == sent.measurement_id:
                return
    raise wrong(expression, "expected identifier=<system>|<value> of the Observation, or nothing")
