"""What is refused, and with which word."""

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest
from city_backbone.errors import Aborted, FailedPrecondition, InvalidArgument, PermissionDenied
from parking.interval import Interval

from .bookings_model import refusal
from .bookings_parts import (
    LIMITS,
    MOMENT,
    NOW,
    OTHER,
    TARIFF,
    at,
    bay,
    block,
    cancelled,
    claim,
    held,
    kept,
    overstayed,
    paid,
    parked,
    span,
)

REFUSED: list[tuple[str, Callable[[], object], str]] = [
    # what is tried, how, what it is told
    ("held", lambda: claim(bay(5, held()), 119, 180), "ABORTED:BAY_TAKEN"),
    ("paid", lambda: claim(bay(5, paid()), 59, 61), "ABORTED:BAY_TAKEN"),
    ("the owner's", lambda: claim(bay(5, kept()), 60, 120), "ABORTED:BAY_TAKEN"),
    ("taken by a car", lambda: claim(bay(61, parked()), 70, 130), "ABORTED:BAY_TAKEN"),
    (
        "a car that came early",
        lambda: claim(bay(51, paid().check_in(at(50), LIMITS)), 50, 60),
        "ABORTED:BAY_TAKEN",
    ),
    (
        "an overstayed car",
        lambda: claim(bay(126, overstayed()), 180, 240),
        "FAILED_PRECONDITION:BAY_OCCUPIED",
    ),
    (
        "an overstayed car that the sensor sees",
        lambda: claim(bay(126, overstayed(), occupied=61), 130, 240),
        "FAILED_PRECONDITION:BAY_OCCUPIED",
    ),
    (
        "a car within its grace",
        lambda: claim(bay(121, parked()), 121, 180),
        "FAILED_PRECONDITION:BAY_OCCUPIED",
    ),
    (
        "out of service",
        lambda: claim(bay(0, in_service=False), 60, 120),
        "FAILED_PRECONDITION:OUT_OF_SERVICE",
    ),
    ("not offered", lambda: claim(bay(0), 13 * 60, 14 * 60), "FAILED_PRECONDITION:NOT_OFFERED"),
    (
        "nobody could split its money",
        lambda: claim(replace(bay(0), tariff=replace(TARIFF, rules={})), 60, 120),
        "FAILED_PRECONDITION:NO_SPLIT_RULE",
    ),
    (
        "confirmed too late",
        lambda: bay(6).confirm(held(), "pg"),
        "FAILED_PRECONDITION:HOLD_EXPIRED",
    ),
    ("confirmed twice", lambda: bay(2).confirm(paid(), "pg"), "FAILED_PRECONDITION:LIFE_CYCLE"),
    (
        "confirmed without a payment",
        lambda: bay(2).confirm(held(), ""),
        "INVALID_ARGUMENT:payment_reference",
    ),
    (
        "confirmed, out of service since",
        lambda: bay(2, in_service=False).confirm(held(), "pg"),
        "FAILED_PRECONDITION:OUT_OF_SERVICE",
    ),
    ("in too early", lambda: bay(50 - 1 / 60).check_in(paid()), "FAILED_PRECONDITION:TOO_EARLY"),
    ("in at the end", lambda: bay(120).check_in(paid()), "FAILED_PRECONDITION:TOO_LATE"),
    ("in unpaid", lambda: bay(5).check_in(held()), "FAILED_PRECONDITION:LIFE_CYCLE"),
    ("in on an expired hold", lambda: bay(60).check_in(held()), "FAILED_PRECONDITION:HOLD_EXPIRED"),
    ("in twice", lambda: bay(61).check_in(parked()), "FAILED_PRECONDITION:LIFE_CYCLE"),
    ("the owner checks in", lambda: bay(61).check_in(kept()), "FAILED_PRECONDITION:LIFE_CYCLE"),
    (
        "in early, before another's end",
        lambda: bay(55, paid(), parked(0, 60)).check_in(paid()),
        "ABORTED:BAY_TAKEN",
    ),
    (
        "in early, before another's start",
        lambda: bay(49, paid(50, 60, OTHER)).check_in(paid(59, 120)),
        "ABORTED:BAY_TAKEN",
    ),
    (
        "in, and the car before never left",
        lambda: bay(126, overstayed(), occupied=61).check_in(paid(120, 180)),
        "FAILED_PRECONDITION:BAY_OCCUPIED",
    ),
    ("out before in", lambda: bay(61).check_out(paid()), "FAILED_PRECONDITION:LIFE_CYCLE"),
    (
        "out twice",
        lambda: bay(71).check_out(bay(70).check_out(parked())[0]),
        "FAILED_PRECONDITION:LIFE_CYCLE",
    ),
    ("cancelled too late", lambda: cancelled(held(), 6), "FAILED_PRECONDITION:HOLD_EXPIRED"),
    ("cancelled at the end", lambda: cancelled(paid(), 120), "FAILED_PRECONDITION:TOO_LATE"),
    ("cancelled when in", lambda: cancelled(parked(), 70), "FAILED_PRECONDITION:LIFE_CYCLE"),
    ("kept though paid", lambda: block(bay(5, paid()), 119, 180), "ABORTED:BAY_TAKEN"),
    ("kept though parked", lambda: block(bay(61, parked()), 119, 180), "ABORTED:BAY_TAKEN"),
    ("kept twice", lambda: block(bay(5, kept()), 60, 120), "ABORTED:BAY_TAKEN"),
    (
        "kept before a car that came early",
        lambda: block(bay(51, paid().check_in(at(50), LIMITS)), 50, 60),
        "ABORTED:BAY_TAKEN",
    ),
    (
        "kept by somebody else",
        lambda: block(bay(0), 60, 120, UUID(int=5)),
        "PERMISSION_DENIED:NOT_THE_OWNER",
    ),
    (
        "too long ago",
        lambda: LIMITS.must_allow(span(-1, 60), NOW + MOMENT),
        "INVALID_ARGUMENT:interval.starts_at",
    ),
    (
        "too far ahead",
        lambda: LIMITS.must_allow(span(60 * 24 * 60 + 1, 60 * 24 * 60 + 60), NOW),
        "INVALID_ARGUMENT:interval.starts_at",
    ),
    (
        "too short",
        lambda: LIMITS.must_allow(span(0, 9.99), NOW),
        "INVALID_ARGUMENT:interval.ends_at",
    ),
    (
        "too long",
        lambda: LIMITS.must_allow(span(0, 72 * 60 + 0.01), NOW),
        "INVALID_ARGUMENT:interval.ends_at",
    ),
]


@pytest.mark.parametrize(
    ("how", "told"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_a_refusal(how: Callable[[], object], told: str) -> None:
    with pytest.raises((FailedPrecondition, Aborted, InvalidArgument, PermissionDenied)) as raised:
        how()
    assert refusal(raised.value) == told


@pytest.mark.parametrize(
    "interval", [span(-1, 9), span(0, 72 * 60), span(60 * 24 * 60, 60 * 24 * 60 + 10)]
)
def test_intervals_within_the_limits(interval: Interval) -> None:
    LIMITS.must_allow(interval, NOW)
