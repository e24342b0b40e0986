"""The example resources through the parser alone; what it cannot know is left to the service."""

from datetime import UTC, datetime

import pytest
from health.fhir import document
from health.fhir.bundle import parse
from health.fhir.refused import Refused

from ..fhir.examples import Example, examples

NOW = datetime(2026, 11, 25, 1, tzinfo=UTC)
TOKEN = "abcdefghijklmnopqrstuvwxyz234567"
VALID, INVALID = examples("valid"), examples("invalid")
# Whose token it is and which kiosks there are is in the database.
NOT_HERE = {"token-of-nobody", "token-of-no-form", "unknown-kiosk", "bundle-of-one-unknown"}


def body(example: Example) -> bytes:
    return example.body(token=TOKEN, kiosk="kiosk-1", now=NOW.isoformat(), run="1")


def test_there_are_enough() -> None:
    assert len(VALID) >= 25
    assert len(INVALID) >= 25


@pytest.mark.parametrize("example", VALID, ids=lambda one: one.name)
def test_valid(example: Example) -> None:
    parcel = parse(document.read(body(example)), 100, NOW)
    assert len(parcel.sent) == example.outcome["observations"]
    assert parcel.bundled == (example.outcome["status"] == 200)
    assert {one.token for one in parcel.sent} == {TOKEN}
    assert TOKEN not in repr(parcel)
    assert "value" not in repr(parcel)


@pytest.mark.parametrize(
    "example", [one for one in INVALID if one.name not in NOT_HERE], ids=lambda one: one.name
)
def test_invalid(example: Example) -> None:
    with pytest.raises(Refused) as caught:
        parse(document.read(body(example)), 100, NOW)
    found = caught.value
    assert {
        "status": found.status,
        "code": found.code,
        "expression": found.expression or None,
    } == example.outcome
    assert found.diagnostics
    for words in (TOKEN, "김복순", "kPa", "degF"):
        assert words not in f"{found!r} {found.diagnostics} {found.expression}"
