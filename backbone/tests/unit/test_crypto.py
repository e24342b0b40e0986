"""What is sealed opens with its key, in its place, as it was, and no other way."""

import base64
import os

import pytest
from city_backbone.crypto import Box, derived, secret_key
from city_backbone.errors import SettingsError, Unreadable
from hypothesis import given
from hypothesis import strategies as st

KEY = bytes(range(32))


@given(st.binary(max_size=200), st.binary(max_size=50))
def test_it_opens_as_it_was(content: bytes, associated: bytes) -> None:
    sealed = Box(KEY).seal(content, associated)
    assert Box(KEY).open(sealed, associated) == content
    assert sealed != Box(KEY).seal(content, associated)


@given(st.binary(min_size=8, max_size=200), st.data())
def test_it_opens_no_other_way(content: bytes, data: st.DataObject) -> None:
    sealed = Box(KEY).seal(content, b"here")
    assert content not in sealed
    place = data.draw(st.integers(0, len(sealed) - 1))
    bit = 1 << data.draw(st.integers(0, 7))
    changed = sealed[:place] + bytes([sealed[place] ^ bit]) + sealed[place + 1 :]
    for box, given_, associated in (
        (Box(KEY), changed, b"here"),
        (Box(KEY), sealed, b"there"),
        (Box(KEY), sealed[:place], b"here"),
        (Box(os.urandom(32)), sealed, b"here"),
    ):
        with pytest.raises(Unreadable) as refusal:
            box.open(given_, associated)
        assert repr(content) not in str(refusal.value)


def test_each_purpose_has_its_own_key() -> None:
    keys = {derived(KEY, "a"), derived(KEY, "b"), derived(bytes(32), "a"), KEY}
    assert len(keys) == 4
    assert derived(KEY, "a") == derived(KEY, "a")


def test_a_secret_is_32_bytes_in_base64() -> None:
    assert secret_key("KEY", base64.b64encode(KEY).decode()) == KEY
    for wrong in ("", "a", "not base64!", base64.b64encode(KEY[1:]).decode()):
        with pytest.raises(SettingsError, match="KEY: expected 32") as refusal:
            secret_key("KEY", wrong)
        assert len(wrong) < 2 or wrong not in str(refusal.value)
