"""The canonical form of a record is what the docstring says, and what does not fit it is named."""

import hashlib
from typing import Any

import pytest
from city_backbone.errors import InvalidEntry
from city_backbone.register import GENESIS, Entry, _check, _hash

ENTRY = Entry("김하나", "APPROVED", "lease/7", "cameras", "10.0.0.7", {})


def test_the_hash_is_of_the_documented_bytes() -> None:
    """Written out by hand, with a name beyond the BMP, that UTF-16 sorts before U+FF61."""
    canonical = (
        '{"action":"APPROVED","actor":"김하나","department":"cameras",'
        '"details":{"code":0,"late":true,"none":null,"note":"a\\"\\n/\\u001f","𐀀":-1,"｡":1},'
        f'"previous":"{GENESIS}","recorded_at":"2026-11-22T01:02:03.000004Z","register":"leases",'
        '"sequence":1,"source_address":"10.0.0.7","subject":"lease/7"}'
    )
    details = {"｡": 1, "𐀀": -1, "none": None, "note": 'a"\n/\x1f', "late": True, "code": 0}
    record = {
        "register": "leases",
        "sequence": 1,
        "recorded_at": "2026-11-22T01:02:03.000004Z",
        "actor": "김하나",
        "action": "APPROVED",
        "subject": "lease/7",
        "department": "cameras",
        "source_address": "10.0.0.7",
        "details": details,
        "previous": GENESIS,
        "hash": "not part of it",
    }
    assert _hash(record) == hashlib.sha256(canonical.encode()).hexdigest()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("actor", "a\0b"),
        ("subject", "\ud800"),
        ("department", None),
        ("details", {"x": 1.0}),
        ("details", {"x": 2**53}),
        ("details", {"x": -(2**53)}),
        ("details", {"x": ["y"]}),
        ("details", {"x": "\0"}),
        ("details", {1: "x"}),
    ],
)
def test_what_cannot_be_recorded_is_named(field: str, value: Any) -> None:
    fields = {name: getattr(ENTRY, name) for name in Entry.__slots__}
    with pytest.raises(InvalidEntry, match=f"^{field}.*: expected"):
        _check(Entry(**{**fields, field: value}))


def test_what_can_be_recorded_is_let_through() -> None:
    details = {"none": None, "yes": True, "least": 1 - 2**53, "text": "싸움 𐀀\n"}
    _check(Entry("", "", "", "", "", details))
