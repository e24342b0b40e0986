"""Whatever is sent: a parcel or a refusal that quotes nothing, never another error."""

import json
from contextlib import suppress
from typing import Any

import pytest
from health.fhir import document
from health.fhir.bundle import Parcel, parse
from health.fhir.refused import Refused
from hypothesis import given, settings
from hypothesis import strategies as st

from ..fhir.examples import examples
from .test_fhir_examples import NOW, body

CANARY = "김복순-0c5f"
RESOURCES = [json.loads(body(one)) for one in examples("valid")]

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        [
            *(CANARY, "\0", "\ud800", "", " ", "#", "final", "transaction", "Observation"),
            *("http://loinc.org", "2026-02-30", "0001-01-01T00:00:00Z", "9" * 400),
            *(10**400, -(10**30), 1e308, -0.0),
        ]
    )
)
names = st.text(max_size=4) | st.sampled_from(
    [
        *("code", "system", "value", "coding", "resourceType", "extension", "contained", "url"),
        *("_status", "valueString", "valueInteger", "__class__", "fhir_comments", "resource_type"),
    ]
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Each container with a key or index in it."""
    found: list[tuple[Any, Any]] = []
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            found += [(value, key), *places(value[key])]
    return found


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A valid resource with up to three places replaced, added to, doubled or left out."""
    resource = json.loads(json.dumps(draw(st.sampled_from(RESOURCES))))
    for _ in range(draw(st.integers(1, 3))):
        found = places(resource)
        if not found:
            break
        container, key = draw(st.sampled_from(found))
        match draw(st.sampled_from(["replace", "add", "wrap", "remove"])):
            case "replace":
                container[key] = draw(anything)
            case "add" if isinstance(container, dict):
                container[draw(names)] = draw(anything)
            case "add":
                container.append(draw(anything))
            case "wrap":
                container[key] = [container[key]] * draw(st.integers(0, 2))
            case _:
                del container[key]
    return resource


def taken(content: bytes) -> Parcel | Refused:
    try:
        return parse(document.read(content), 100, NOW)
    except Refused as error:
        refusal = error
    assert refusal.status in (400, 404, 422)
    assert CANARY not in f"{refusal!r}{refusal.diagnostics}{refusal.expression}"
    return refusal


@settings(max_examples=600, deadline=None)
@given(mutated())
def test_mutated_resources(resource: Any) -> None:
    taken(json.dumps(resource).encode())


@settings(max_examples=200, deadline=None)
@given(mutated())
def test_mutated_content_that_json_would_not_let_through(resource: Any) -> None:
    """The parser behind it does not lean on the document's bounds."""
    if isinstance(resource, dict):
        with suppress(Refused):
            parse(resource, 100, NOW)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_cut_and_altered_bytes(data: st.DataObject) -> None:
    whole = json.dumps(data.draw(st.sampled_from(RESOURCES))).encode()
    at = data.draw(st.integers(0, len(whole)))
    taken(whole[:at])
    taken(whole[:at] + data.draw(st.binary(max_size=6)) + whole[at + 1 :])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | anything.map(lambda one: json.dumps(one).encode()))
def test_anything(content: bytes) -> None:
    assert isinstance(taken(content), Refused)


_MIB = 1024 * 1024
OBSERVATION = json.dumps(RESOURCES[0])


def filled(text: str, unit: str) -> str:
    return text.replace("FILL", (unit * (_MIB // len(unit)))[: _MIB - len(text)].rstrip(", "))


@pytest.mark.parametrize(
    "content",
    [
        "[" * _MIB,
        '{"a":' * (_MIB // 5),
        '{"resourceType":"Observation","note":' + "[" * (_MIB - 60),
        filled('{"resourceType":"Observation","note":[FILL]}', '{"text":"a"},'),
        filled('{"resourceType":"Observation","extension":[FILL]}', '{"url":"a"},'),
        filled('{"resourceType":"Observation","status":"FILL"}', "a "),
        filled('{"resourceType":"Bundle","type":"transaction","entry":[FILL]}', "{},"),
        filled('{"resourceType":"Bundle","type":"transaction","link":[FILL]}', "{},"),
        filled('{"resourceType":"Bundle","type":"transaction","entry":[{"link":[FILL]}]}', "{},"),
        filled('{"resourceType":"Bundle","entry":[{"resource":{"a":[FILL]}}]}', "[],"),
        "9" * _MIB,
        "0." + "9" * _MIB,
        '"' + "\\u0000" * (_MIB // 6) + '"',
        " " * _MIB,
        "\ufeff" + OBSERVATION,
        "",
        "null",
    ],
    ids=range(17),
)
def test_a_mebibyte_of_anything(content: str) -> None:
    found = taken(content.encode())
    assert isinstance(found, Refused)
    assert len(found.diagnostics) < 300
