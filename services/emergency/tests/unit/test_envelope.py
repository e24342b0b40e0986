"""An answer waits sealed, and opens in its own place alone."""

import base64
from uuid import uuid4

import pytest
from city_backbone.errors import SettingsError, Unreadable
from emergency.envelope import Envelope

BODY = '{"key": "차량 1", "val": "12가3456"}'


def envelope(byte: int) -> Envelope:
    return Envelope(base64.b64encode(bytes([byte] * 32)).decode())


def test_it_opens_in_its_place_alone() -> None:
    incident, other = uuid4(), uuid4()
    kept = envelope(1).seal("119", incident, 2, BODY)
    assert "12가3456" not in kept
    assert envelope(1).open("119", incident, 2, kept) == BODY
    for key, room, identity, number in (
        (2, "119", incident, 2),
        (1, "112", incident, 2),
        (1, "119", other, 2),
        (1, "119", incident, 3),
    ):
        with pytest.raises(Unreadable):
            envelope(key).open(room, identity, number, kept)


def test_what_was_queued_before_is_sent_as_it_is() -> None:
    assert envelope(1).open("119", uuid4(), 1, BODY) == BODY


def test_a_wrong_key_stops_the_start() -> None:
    with pytest.raises(SettingsError, match="ANSWERS_KEY"):
        Envelope("short")
