"""Who enrols, with what rank, and under which token."""

import unicodedata
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from city.health.v1 import person_pb2 as pb
from city_backbone.errors import InvalidArgument
from google.protobuf.timestamp_pb2 import Timestamp
from health.messages import timestamp
from health.people.application import application
from health.people.person import LAST_PRIORITY, Group, Purpose, priority
from health.people.token import Tokens
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 11, 24, 16, tzinfo=UTC)  # in Seoul it is the 25th
SECRETS = ("김철수", "1948-03-01", "010-1234-5678", "와파린 복용")


def request(**changes: Any) -> pb.EnrolPersonRequest:
    fields = {
        "idempotency_key": str(uuid4()),
        "name": "김철수",
        "birth_date": "1948-03-01",
        "contact": "010-1234-5678",
        "medical_note": "와파린 복용",
        "groups": [pb.VULNERABLE_GROUP_CHRONIC],
        "purposes": [pb.CONSENT_PURPOSE_MEASUREMENT, pb.CONSENT_PURPOSE_EMERGENCY],
        "consent_version": "2026-1",
        "consented_at": timestamp(NOW),
        "zone": "조치원",
    }
    return pb.EnrolPersonRequest(**{**fields, **changes})


def test_what_was_said_is_taken_in() -> None:
    asked = application(request(name="  김철수 "), NOW)
    assert asked.profile.name == "김철수"
    assert asked.profile.birth_date == date(1948, 3, 1)
    assert asked.profile.groups == {Group.CHRONIC}
    assert asked.purposes == {Purpose.MEASUREMENT, Purpose.EMERGENCY}
    assert asked.consented_at == NOW
    assert application(request(medical_note="", groups=[]), NOW).profile.medical_note == ""


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "김" * 101),
        ("name", "김\n철수"),
        ("birth_date", ""),
        ("birth_date", "19480301"),
        ("birth_date", "1948-W10-1"),
        ("birth_date", "1948-02-30"),
        ("birth_date", "1899-12-31"),
        ("birth_date", "2026-11-26"),
        ("contact", "123456"),
        ("contact", "010-1234-567a"),
        ("contact", "x" * 1000),
        ("medical_note", "x" * 501),
        ("medical_note", "\0"),
        ("groups", [pb.VULNERABLE_GROUP_CHRONIC, 0]),
        ("groups", [99]),
        ("purposes", []),
        ("purposes", [pb.CONSENT_PURPOSE_EMERGENCY, pb.CONSENT_PURPOSE_REMINDER]),
        ("purposes", [pb.CONSENT_PURPOSE_MEASUREMENT, 0]),
        ("consent_version", ""),
        ("consented_at", None),
        ("consented_at", Timestamp(seconds=10**12)),
        ("consented_at", timestamp(NOW + timedelta(minutes=6))),
        ("zone", " "),
    ],
)
def test_what_cannot_be_is_refused_and_not_told(field: str, value: Any) -> None:
    with pytest.raises(InvalidArgument) as raised:
        application(request(**{field: value}), NOW)
    assert raised.value.field.partition("[")[0] == field
    said = str(raised.value)
    assert not any(secret in said for secret in SECRETS)
    assert not isinstance(value, str) or len(value) < 3 or value not in said


def test_somebody_born_today_in_seoul_can_be_enrolled() -> None:
    asked = application(request(birth_date="2026-11-25"), NOW)
    assert asked.profile.birth_date == date(2026, 11, 25)


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (set(), 3),
        ({Group.CHRONIC}, 2),
        ({Group.LOW_INCOME}, 2),
        ({Group.DISABLED}, 1),
        ({Group.ELDERLY_ALONE, Group.LOW_INCOME}, 1),
    ],
)
def test_vulnerable_groups_come_first(groups: set[Group], expected: int) -> None:
    assert priority(groups) == expected


@given(st.frozensets(st.sampled_from(Group)), st.frozensets(st.sampled_from(Group)))
def test_one_more_group_never_comes_later(some: frozenset[Group], more: frozenset[Group]) -> None:
    assert 1 <= priority(some | more) <= priority(some) <= LAST_PRIORITY


@given(st.binary(min_size=32, max_size=32), st.uuids(), st.uuids())
def test_a_token_is_of_the_key_the_caller_and_the_call(key: bytes, one: UUID, other: UUID) -> None:
    tokens = Tokens(key)
    token = tokens.issue("operator", one)
    assert token == Tokens(key).issue("operator", one)
    others = {
        tokens.issue("integrator", one),
        Tokens(key[1:] + bytes([key[0] ^ 1])).issue("operator", one),
        *([tokens.issue("operator", other)] if one != other else []),
    }
    assert token not in others
    assert len(set(token)) > 4
    assert tokens.mac(token) == Tokens(key).mac(token)
    assert tokens.mac(token) not in {tokens.mac(one) for one in others}
    assert token.encode() not in (tokens.mac(token) or b"")


def test_a_token_has_160_bits() -> None:
    assert len(Tokens(bytes(32)).issue("operator", uuid4())) * 5 == 160


@pytest.mark.parametrize(
    "text", ["", "a", "A" * 32, "1" * 32, "a" * 33, "가" * 32, "a" * 31 + "\n", "\udce9" * 32]
)
def test_what_cannot_be_a_token_finds_nobody(text: str) -> None:
    assert Tokens(bytes(32)).mac(text) is None


def test_a_composed_name_stays_as_it_was_written() -> None:
    name = unicodedata.normalize("NFC", "김철수")
    assert application(request(name=name), NOW).profile.name == name
