"""What is sealed opens for its person and its field, and nowhere else."""

import math
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from city_backbone.crypto import Box
from city_backbone.errors import Unreadable
from health.assessment.rules import Level
from health.measuring.measurement import Code
from health.people import basis, profile
from health.people.follow_up import Reading
from health.people.person import Group, Profile
from health.people.sealing import PersonalBox
from hypothesis import assume, given
from hypothesis import strategies as st

CONTENT = st.dictionaries(
    st.text(max_size=10),
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=300),
    max_size=6,
)
KEYS = st.binary(min_size=32, max_size=32)
FIELDS = st.text(min_size=1, max_size=20)


@given(st.uuids(), KEYS, FIELDS, CONTENT)
def test_it_opens_with_its_key_for_its_person_and_field(
    person_id: UUID, key: bytes, field: str, content: dict[str, Any]
) -> None:
    assert (
        PersonalBox(person_id, key).open(field, PersonalBox(person_id, key).seal(field, content))
        == content
    )


@given(st.uuids(), st.uuids(), KEYS, FIELDS, CONTENT)
def test_it_does_not_open_as_another_persons(
    person_id: UUID, other: UUID, key: bytes, field: str, content: dict[str, Any]
) -> None:
    assume(person_id != other)
    sealed = PersonalBox(person_id, key).seal(field, content)
    with pytest.raises(Unreadable):
        PersonalBox(other, key).open(field, sealed)


@given(st.uuids(), KEYS, FIELDS, FIELDS, CONTENT)
def test_it_does_not_open_as_another_field(
    person_id: UUID, key: bytes, field: str, other: str, content: dict[str, Any]
) -> None:
    assume(field != other)
    box = PersonalBox(person_id, key)
    with pytest.raises(Unreadable):
        box.open(other, box.seal(field, content))


@given(st.uuids(), KEYS, KEYS, CONTENT)
def test_it_does_not_open_with_another_key(
    person_id: UUID, key: bytes, other: bytes, content: dict[str, Any]
) -> None:
    assume(key != other)
    sealed = PersonalBox(person_id, key).seal("profile", content)
    with pytest.raises(Unreadable):
        PersonalBox(person_id, other).open("profile", sealed)


@given(st.data(), KEYS, CONTENT)
def test_it_does_not_open_once_a_bit_was_changed(
    data: st.DataObject, key: bytes, content: dict[str, Any]
) -> None:
    box = PersonalBox(uuid4(), key)
    sealed = bytearray(box.seal("profile", content))
    place = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[place // 8] ^= 1 << place % 8
    with pytest.raises(Unreadable) as raised:
        box.open("profile", bytes(sealed))
    assert raised.value.__cause__ is None


@given(st.lists(CONTENT, min_size=2, max_size=2))
def test_the_length_does_not_tell_what_it_says(contents: list[dict[str, Any]]) -> None:
    box = PersonalBox(uuid4(), bytes(32))
    lengths = {len(box.seal("measurement", content)) % 256 for content in contents}
    assert len(lengths) == 1


def test_the_same_is_never_sealed_the_same() -> None:
    box = PersonalBox(uuid4(), bytes(32))
    assert box.seal("profile", {"name": "김철수"}) != box.seal("profile", {"name": "김철수"})


def test_what_is_no_number_is_not_sealed() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        PersonalBox(uuid4(), bytes(32)).seal("measurement", {"value": math.nan})


@pytest.mark.parametrize("plain", [b"", b"[]", b"1", b"\xff", b"{"])
def test_what_is_no_object_does_not_open(plain: bytes) -> None:
    person_id = uuid4()
    sealed = Box(bytes(32)).seal(plain, f"city.health/1/{person_id}/profile".encode())
    with pytest.raises(Unreadable):
        PersonalBox(person_id, bytes(32)).open("profile", sealed)


def test_a_profile_comes_back_as_it_was_and_is_in_no_text() -> None:
    given = Profile("김철수", date(1948, 3, 1), "010-1234-5678", "와파린", frozenset(Group))
    assert profile.unpacked(profile.packed(given)) == given
    assert not any(text in repr(given) for text in ("김철수", "1948", "1234", "와파린"))


@pytest.mark.parametrize(
    "content", [{}, {"name": "x", "birth_date": "1948", "contact": "", "medical_note": ""}]
)
def test_a_profile_of_another_version_is_unreadable(content: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        profile.unpacked(content)


def test_a_basis_comes_back_as_it_was() -> None:
    now = datetime(2026, 11, 25, 1, 2, 3, 4, UTC)
    newest = {code: Reading(now, level, 2) for code, level in zip(Code, Level, strict=False)}
    assert basis.unpacked(basis.packed(newest)) == newest


@pytest.mark.parametrize(
    "content", [{"PULSE": []}, {"GLUCOSE": ["x", "NORMAL", 0]}, {"GLUCOSE": 1}]
)
def test_a_basis_of_another_version_is_unreadable(content: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        basis.unpacked(content)
