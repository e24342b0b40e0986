"""Accounts, addresses, entries, outcomes, days and incidents' events."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from cameras.leases.account import account, same
from cameras.leases.act import REFUSALS, Action, Attempt, Origin, Refusal, address, fitting
from cameras.leases.incident import Incident
from cameras.leases.outcome import done, refused, settle
from cameras.leases.seal import ended_day
from cameras.leases.stream import read
from city.cameras.v1 import lease_pb2 as pb
from city_backbone.errors import (
    BackboneError,
    FailedPrecondition,
    IdempotencyConflict,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Unprocessable,
)
from city_backbone.events import Event

INCIDENT = UUID("11111111-1111-4111-8111-111111111111")


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
        settle(refused(refusal), pb.GetLeaseResponse)
    assert str(raised.value) == str(refusal)
    assert vars(raised.value) == vars(refusal)
    attempt = Attempt(
        Action.REQUEST_DENIED, Origin("operator", "::1"), "kim\0", "park-1", {"a": "b"}
    )
    entry = attempt.denied(refusal)
    assert (entry.actor, entry.action, entry.subject) == ("kim�", "request-denied", "park-1")
    assert entry.details == {"a": "b", "refusal": word, "message": str(refusal)}


def test_every_kind_of_refusal_is_covered() -> None:
    assert {type(refusal) for refusal, _ in REFUSED} == set(REFUSALS)


def test_a_response_is_remembered_as_it_was() -> None:
    response = pb.GetLeaseResponse(lease=pb.Lease(lease_id="7"))
    assert settle(done(response), pb.GetLeaseResponse) == response
    with pytest.raises(BackboneError):
        settle(done(response), pb.ListLeasesResponse)


@pytest.mark.parametrize(
    ("now", "day"),
    [
        (datetime(2026, 11, 22, 14, 59, 59, tzinfo=UTC), date(2026, 11, 21)),
        (datetime(2026, 11, 22, 15, 0, 0, tzinfo=UTC), date(2026, 11, 22)),
    ],
)
def test_a_day_ends_at_midnight_in_seoul(now: datetime, day: date) -> None:
    assert ended_day(now) == day


def event(**changes: Any) -> Event:
    data = {"incident_id": str(INCIDENT), "revision": 3, "status": "CHANGED", "police_code": 0}
    return Event(
        uuid4(), "t", 0, 0, str(INCIDENT), "t", "/x", "", datetime.now(UTC), {**data, **changes}
    )


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
    assert read(event(status=status)) == Incident(INCIDENT, 3, live, 0)


@pytest.mark.parametrize(
    "changes", [{"incident_id": "x"}, {"revision": 0}, {"police_code": 5}, {"police_code": -1}]
)
def test_an_event_that_cannot_be(changes: dict[str, object]) -> None:
    with pytest.raises(Unprocessable):
        read(event(**changes))
