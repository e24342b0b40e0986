"""Plates, contacts, ciphers and incidents' events."""

import base64
import unicodedata
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from city_backbone.errors import (
    FailedPrecondition,
    InvalidArgument,
    SettingsError,
    Unprocessable,
)
from city_backbone.events import Event
from city_backbone.geo import Point
from hypothesis import given
from hypothesis import strategies as st
from parking.vault.cipher import Cipher, Purpose, cipher
from parking.vault.contact import telephone
from parking.vault.incident import Incident
from parking.vault.plate import plate
from parking.vault.stream import read

KEY = bytes(range(32))
INCIDENT = UUID("11111111-1111-4111-8111-111111111111")
HERE = Point(37.738, 127.034)

PLATES = st.builds(
    lambda region, digits, syllable, number: f"{region}{digits}{syllable}{number}",
    st.sampled_from(["", "서울", "경기", "제주", "세종"]),
    st.from_regex(r"[0-9]{2,3}", fullmatch=True),
    st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3),
    st.from_regex(r"[0-9]{4}", fullmatch=True),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12가3456", "12가3456"),
        (" 123가 4567 ", "123가4567"),
        ("12-가-3456", "12가3456"),
        ("서울12가3456", "서울12가3456"),
        ("서울 70 바\t1234", "서울70바1234"),
        ("１２가３４５６", "12가3456"),
        (unicodedata.normalize("NFD", "12가3456"), "12가3456"),
    ],
)
def test_a_plate_has_one_way_to_be_written(text: str, expected: str) -> None:
    assert plate("plate", text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "98나765",
        "1가3456",
        "1234가5678",
        "12ㄱ3456",
        "12A3456",
        "12가3456x",
        "파리12가3456",
        "12가34567",
        "12가나3456",
        "١٢가3456",
        "12가3456\0",
        "1" * 1000,
    ],
)
def test_no_plate(text: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        plate("around.plate", text)
    assert raised.value.field == "around.plate"
    assert not text or text not in str(raised.value)


@given(PLATES, st.data())
def test_blanks_and_hyphens_make_no_other_plate(text: str, data: st.DataObject) -> None:
    gaps = st.text(" -\t\u3000", max_size=2)
    spread = "".join(character + data.draw(gaps) for character in text)
    assert plate("plate", spread) == text
    assert plate("plate", plate("plate", spread)) == text


@pytest.mark.parametrize("text", ["010-1234-5678", " 0212345678 ", "+82 10 1234 5678", "1588-0000"])
def test_a_telephone(text: str) -> None:
    assert telephone("contact", text) == text.strip()


@pytest.mark.parametrize(
    "text", ["", "123456", "0" * 16, "010--1234-5678", "kim@x", "010-1234-567a"]
)
def test_no_telephone(text: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        telephone("contact", text)
    assert not text or text not in str(raised.value)


@given(st.text(max_size=60), st.uuids(), st.sampled_from(Purpose))
def test_what_is_kept_opens_with_the_key_and_says_nothing_without(
    text: str, identity: UUID, purpose: Purpose
) -> None:
    own = Cipher(KEY)
    sealed = own.encrypt(purpose, identity, "contact", text)
    assert own.decrypt(purpose, identity, "contact", sealed) == text
    assert len(text) < 3 or text.encode() not in sealed
    assert sealed != own.encrypt(purpose, identity, "contact", text)


SEALED = Cipher(KEY).encrypt(Purpose.VEHICLE, INCIDENT, "contact", "010-1234-5678")


@pytest.mark.parametrize(
    ("key", "purpose", "identity", "field", "stored"),
    [
        (bytes(32), Purpose.VEHICLE, INCIDENT, "contact", SEALED),
        (KEY, Purpose.OWNER, INCIDENT, "contact", SEALED),
        (KEY, Purpose.VEHICLE, UUID(int=1), "contact", SEALED),
        (KEY, Purpose.VEHICLE, INCIDENT, "plate", SEALED),
        (KEY, Purpose.VEHICLE, INCIDENT, "contact", SEALED[:-1]),
        (KEY, Purpose.VEHICLE, INCIDENT, "contact", b""),
        (KEY, Purpose.VEHICLE, INCIDENT, "contact", SEALED[:20] + b"x" + SEALED[21:]),
    ],
    ids=["key", "purpose", "row", "column", "cut", "empty", "altered"],
)
def test_what_was_moved_or_altered_does_not_open(
    key: bytes, purpose: Purpose, identity: UUID, field: str, stored: bytes
) -> None:
    with pytest.raises(FailedPrecondition) as raised:
        Cipher(key).decrypt(purpose, identity, field, stored)
    assert raised.value.reason == "VAULT_UNREADABLE"
    assert raised.value.__cause__ is None


def test_a_plate_is_found_by_the_departments_key_alone() -> None:
    assert Cipher(KEY).finder("12가3456") == Cipher(KEY).finder("12가3456")
    assert Cipher(KEY).finder("12가3456") != Cipher(bytes(32)).finder("12가3456")
    assert Cipher(KEY).finder("12가3456") != bytes.fromhex(Cipher(KEY).stand_in("12가3456"))
    assert Cipher(KEY).mark != Cipher(bytes(32)).mark


def test_the_departments_key() -> None:
    assert cipher(base64.b64encode(KEY).decode()).mark == Cipher(KEY).mark


@pytest.mark.parametrize("text", ["", "x" * 44, base64.b64encode(KEY[:31]).decode(), "가" * 44])
def test_no_key_stops_the_start_and_is_not_told(text: str) -> None:
    with pytest.raises(SettingsError, match="VAULT__KEY: expected 32") as raised:
        cipher(text)
    assert not text or text not in str(raised.value)


def event(**changes: Any) -> Event:
    data = {
        "incident_id": str(INCIDENT),
        "revision": 3,
        "status": "CHANGED",
        "latitude": HERE.latitude,
        "longitude": HERE.longitude,
        **changes,
    }
    return Event(uuid4(), "t", 0, 0, str(INCIDENT), "t", "/x", "", datetime.now(UTC), data)


@pytest.mark.parametrize(
    ("status", "live"),
    [
        ("OCCURRED", True),
        ("CHANGED", True),
        ("CLEARED", False),
        ("CANCELLED", False),
        ("COMPLETED", False),
        ("UNKNOWN", False),
    ],
)
def test_only_what_occurred_or_changed_is_live(status: str, live: bool) -> None:
    assert read(event(status=status)) == Incident(INCIDENT, 3, live, HERE)


@pytest.mark.parametrize("changes", [{"latitude": None}, {"longitude": None}])
def test_half_a_place_is_none(changes: dict[str, object]) -> None:
    assert read(event(**changes)).position is None


@pytest.mark.parametrize(
    "changes",
    [{"incident_id": "x"}, {"revision": 0}, {"latitude": 90.1}, {"longitude": float("nan")}],
)
def test_an_event_that_cannot_be(changes: dict[str, object]) -> None:
    with pytest.raises(Unprocessable):
        read(event(**changes))
