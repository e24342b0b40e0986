"""Accounts, addresses, entries, outcomes, days and heads."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

import pytest
from city_backbone.audit.account import account, same
from city_backbone.audit.act import REFUSALS, Attempt, Origin, Refusal, address, fitting
from city_backbone.audit.heads import MAX_HEADS, heads
from city_backbone.audit.outcome import done, refused, settle
from city_backbone.audit.seal import ended_day
from city_backbone.errors import (
    BackboneError,
    FailedPrecondition,
    IdempotencyConflict,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from city_backbone.register import Head
from google.protobuf.wrappers_pb2 import BoolValue, StringValue


@dataclass(frozen=True)
class Given:
    sequence: int
    hash: str


@pytest.mark.parametrize(
    "text", ["kim", "김철수", "kim.cs@ujb", "room-112", " kim ", "K1_2", "a" * 64]
)
def test_an_account(text: str) -> None:
    assert account("viewer", text) == text.strip()


@pytest.mark.parametrize("text", ["", " ", "a b", "a\0", "-a", "a\nb", "ｋim", "a" * 65, "<b>"])
def test_no_account(text: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        account("viewer", text)
    assert raised.value.field == "viewer"


def test_capitals_and_blanks_do_not_make_another_person() -> None:
    assert same(" Kim", "kIM ")
    assert not same("kim", "kim2")


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("ipv4:127.0.0.1:53422", "127.0.0.1"),
        ("ipv6:%5B::1%5D:53422", "::1"),
        ("ipv6:[2001:db8::1]:53422", "2001:db8::1"),
        ("unix:/run/x.sock", "unix"),
    ],
)
def test_address_of_the_peer(peer: str, expected: str) -> None:
    assert address(peer) == expected


def test_whatever_was_asked_fits_an_entry() -> None:
    assert fitting("a\0b\ud800\n") == "a�b��"
    assert len(fitting("가" * 300)) == 200


REFUSED: list[tuple[Refusal, str]] = [
    (InvalidArgument("duration", "expected more"), "INVALID_DURATION"),
    (NotFound("lease", "7"), "LEASE_NOT_FOUND"),
    (FailedPrecondition("OWN_REQUEST", "no"), "OWN_REQUEST"),
    (PermissionDenied("OTHER_CAMERA", "no"), "OTHER_CAMERA"),
    (IdempotencyConflict("IDEMPOTENCY_KEY_REUSED", "no"), "IDEMPOTENCY_KEY_REUSED"),
]


@pytest.mark.parametrize(("refusal", "word"), REFUSED, ids=[case[1] for case in REFUSED])
def test_a_refusal_is_remembered_and_registered_as_it_was(refusal: Refusal, word: str) -> None:
    with pytest.raises(type(refusal)) as raised:
        settle(refused(refusal), StringValue)
    assert str(raised.value) == str(refusal)
    assert vars(raised.value) == vars(refusal)
    attempt = Attempt("request-denied", Origin("operator", "::1"), "kim\0", "park-1", {"a": "b"})
    entry = attempt.denied(refusal)
    assert (entry.actor, entry.action, entry.subject) == ("kim�", "request-denied", "park-1")
    assert entry.details == {"a": "b", "refusal": word, "message": str(refusal)}


def test_every_kind_of_refusal_is_covered() -> None:
    assert {type(refusal) for refusal, _ in REFUSED} == set(REFUSALS)


def test_a_response_is_remembered_as_it_was() -> None:
    response = StringValue(value="7")
    assert settle(done(response), StringValue) == response
    with pytest.raises(BackboneError):
        settle(done(response), BoolValue)


@pytest.mark.parametrize(
    ("now", "day"),
    [
        (datetime(2026, 11, 22, 14, 59, 59, tzinfo=UTC), date(2026, 11, 21)),
        (datetime(2026, 11, 22, 15, 0, 0, tzinfo=UTC), date(2026, 11, 22)),
    ],
)
def test_a_day_ends_at_midnight_in_seoul(now: datetime, day: date) -> None:
    assert ended_day(now) == day


def test_heads_as_they_were_kept() -> None:
    kept = [Given(0, "0" * 64), Given(7, "0123456789abcdef" * 4)]
    assert heads(kept) == [Head(0, "0" * 64), Head(7, "0123456789abcdef" * 4)]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ([Given(-1, "0" * 64)], "heads[0].sequence"),
        ([Given(1, "0" * 64), Given(1, "x")], "heads[1].hash"),
        ([Given(1, "A" * 64)], "heads[0].hash"),
        ([Given(1, "0" * 64)] * (MAX_HEADS + 1), "heads"),
    ],
)
def test_heads_that_cannot_be(given: list[Given], field: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        heads(given)
    assert raised.value.field == field
