"""The rules of bookings as tables of cases: each rule, and what it must come to."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest
from city_backbone.errors import Aborted, FailedPrecondition
from hypothesis import given
from hypothesis import strategies as st
from parking.bookings.booking import (
    LIVE,
    OWNERS_TRANSITIONS,
    STAYING,
    TRANSITIONS,
    Act,
    Booking,
    Reason,
    Status,
)
from parking.bookings.tariff import Tariff
from parking.lots.fees import FeeKind, FeeSchedule

from .bookings_parts import (
    BAY,
    LIMITS,
    MOMENT,
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
)

Case = tuple[str, Callable[[], Sequence[Booking]], list[tuple[str, str]], dict[str, object]]

DONE: list[Case] = [
    # what happens, how, what becomes of whom in this order, what else holds of the last
    (
        "held for a while",
        lambda: claim(bay(0), 60, 120),
        [("HELD", "")],
        {"price_won": 6 * 331, "hold_expires_at": at(6), "revision": 1},
    ),
    (
        "a hold does not outlive its interval",
        lambda: [held(-1, 3)],
        [("HELD", "")],
        {"hold_expires_at": at(3)},
    ),
    ("beside a claim before", lambda: claim(bay(0, paid(0, 60)), 60, 120), [("HELD", "")], {}),
    ("beside a claim after", lambda: claim(bay(0, paid(120, 180)), 60, 120), [("HELD", "")], {}),
    (
        "a hold that has expired gives way",
        lambda: claim(bay(6, held(60, 120)), 60, 120),
        [("EXPIRED", "HOLD_EXPIRED"), ("HELD", "")],
        {},
    ),
    (
        "while a car stands there that is due to leave",
        lambda: claim(bay(119, parked()), 120, 180),
        [("HELD", "")],
        {},
    ),
    (
        "an overstayed car may be gone in an hour",
        lambda: claim(bay(126, overstayed()), 186, 240),
        [("HELD", "")],
        {},
    ),
    (
        "an overstayed car that the sensor saw leave",
        lambda: claim(bay(126, overstayed(), empty=125), 130, 180),
        [("HELD", "")],
        {},
    ),
    (
        "an overstayed car that left before the next one came",
        lambda: claim(bay(126, overstayed(), occupied=125), 130, 180),
        [("HELD", "")],
        {},
    ),
    (
        "confirmed",
        lambda: bay(5).confirm(held(), "pg-1"),
        [("CONFIRMED", "")],
        {"confirmed_at": at(5), "payment_reference": "pg-1", "revision": 2},
    ),
    (
        "confirmed in the last moment",
        lambda: [held().confirm("pg", at(6) - MOMENT)],
        [("CONFIRMED", "")],
        {},
    ),
    ("in a little early", lambda: bay(50).check_in(paid()), [("OCCUPIED", "")], {}),
    (
        "in late, but before the end",
        lambda: [paid().check_in(at(120) - MOMENT, LIMITS)],
        [("OCCUPIED", "")],
        {},
    ),
    (
        "in, and the car before has left without a word",
        lambda: bay(126, overstayed()).check_in(paid(120, 180)),
        [("SETTLED", "LEFT_WITHOUT_CHECK_OUT"), ("OCCUPIED", "")],
        {"checked_in_at": at(126)},
    ),
    (
        "out early: the price stays",
        lambda: bay(70).check_out(parked()),
        [("SETTLED", "CHECKED_OUT")],
        {"overstay_won": 0, "checked_out_at": at(70), "price_won": 6 * 331},
    ),
    (
        "out within the grace",
        lambda: bay(125 - 1 / 60).check_out(parked()),
        [("SETTLED", "CHECKED_OUT")],
        {"overstay_won": 0},
    ),
    (
        "out when the grace is over: all that was overstayed, by the rule's 150 %",
        lambda: bay(125).check_out(parked()),
        [("SETTLED", "CHECKED_OUT")],
        {"overstay_won": 331 * 150 // 100},
    ),
    (
        "out after an overstay",
        lambda: bay(141).check_out(overstayed()),
        [("SETTLED", "CHECKED_OUT")],
        {"overstay_won": 3 * 331 * 150 // 100},
    ),
    ("a hold let go", lambda: cancelled(held(), 3), [("RELEASED", "CANCELLED")], {}),
    (
        "cancelled with the longest notice",
        lambda: cancelled(paid(), 30),
        [("REFUNDED", "CANCELLED")],
        {"refund_won": 6 * 331},
    ),
    (
        "cancelled with less notice",
        lambda: cancelled(paid(), 31),
        [("REFUNDED", "CANCELLED")],
        {"refund_won": 6 * 331 * 33 // 100},
    ),
    (
        "cancelled after the start",
        lambda: cancelled(paid(), 61),
        [("REFUNDED", "CANCELLED")],
        {"refund_won": 0},
    ),
    (
        "cancelled before the car before",
        lambda: bay(121, parked()).cancel(paid(120, 180)),
        [("REFUNDED", "BAY_OCCUPIED")],
        {"refund_won": 6 * 331},
    ),
    (
        "cancelled before a car that the sensor sees",
        lambda: bay(130, overstayed(), occupied=61).cancel(paid(120, 180)),
        [("REFUNDED", "BAY_OCCUPIED")],
        {"refund_won": 6 * 331},
    ),
    (
        "cancelled though the car before has left",
        lambda: bay(130, overstayed(), empty=129).cancel(paid(120, 180)),
        [("REFUNDED", "CANCELLED")],
        {"refund_won": 0},
    ),
    (
        "cancelled long before, whoever stands there",
        lambda: bay(126, overstayed()).cancel(paid(300, 360)),
        [("REFUNDED", "CANCELLED")],
        {"refund_won": 6 * 331},
    ),
    (
        "cancelled as the bay is out of service",
        lambda: cancelled(paid(), 70, in_service=False),
        [("REFUNDED", "OUT_OF_SERVICE")],
        {"refund_won": 6 * 331},
    ),
    (
        "kept by the owner, offered or not, without a price",
        lambda: block(bay(0), 60 * 14, 60 * 15),
        [("CONFIRMED", "")],
        {"owners": True, "price_won": 0, "vehicle_id": None},
    ),
    (
        "holds give way to the owner",
        lambda: block(bay(1, held(60, 90), held(90, 120, OTHER)), 80, 100),
        [("RELEASED", "OWNER_PRIORITY")] * 2 + [("CONFIRMED", "")],
        {},
    ),
    (
        "expired holds expire before the owner, too",
        lambda: block(bay(6, held()), 60, 120),
        [("EXPIRED", "HOLD_EXPIRED"), ("CONFIRMED", "")],
        {},
    ),
    ("given back by the owner", lambda: cancelled(kept(), 3), [("RELEASED", "CANCELLED")], {}),
    ("by the clock: expired", lambda: bay(6).pass_on(held()), [("EXPIRED", "HOLD_EXPIRED")], {}),
    (
        "by the clock: nobody came, and the price is kept",
        lambda: bay(120).pass_on(paid()),
        [("SETTLED", "NO_SHOW")],
        {"price_won": 6 * 331, "refund_won": 0, "checked_out_at": None},
    ),
    (
        "by the clock: the owner's time is up",
        lambda: bay(120).pass_on(kept()),
        [("RELEASED", "TIME_IS_UP")],
        {},
    ),
    ("by the clock: overstayed", lambda: bay(125).pass_on(parked()), [("OVERSTAYED", "")], {}),
    (
        "by the clock: given up, with the fee up to the limit",
        lambda: bay(120 + 24 * 60 + 300).pass_on(overstayed()),
        [("SETTLED", "OVERSTAY_LIMIT")],
        {"checked_out_at": None, "overstay_won": (2 * 5000 - 6 * 331) * 150 // 100},
    ),
    (
        "by the sensor: gone, since then",
        lambda: bay(143, overstayed(), empty=141).departures(),
        [("SETTLED", "LEFT_WITHOUT_CHECK_OUT")],
        {"checked_out_at": at(141), "overstay_won": 3 * 331 * 150 // 100},
    ),
    (
        "by the sensor: gone before the end already",
        lambda: bay(120, parked(), empty=100).departures(),
        [("SETTLED", "LEFT_WITHOUT_CHECK_OUT")],
        {"checked_out_at": at(100), "overstay_won": 0},
    ),
    (
        "by the sensor: never seen at all",
        lambda: bay(120, parked(), empty=-300).departures(),
        [("SETTLED", "LEFT_WITHOUT_CHECK_OUT")],
        {"checked_out_at": at(60)},
    ),
    (
        "by the sensor: gone when the next one came",
        lambda: bay(150, overstayed(), occupied=141).check_in(paid(120, 180)),
        [("SETTLED", "LEFT_WITHOUT_CHECK_OUT"), ("OCCUPIED", "")],
        {},
    ),
]
NOTHING: list[tuple[str, Callable[[], Sequence[Booking]]]] = [
    ("a hold in time", lambda: bay(6 - 1 / 60).pass_on(held())),
    ("before its end", lambda: bay(120 - 1 / 60).pass_on(paid())),
    ("within the grace", lambda: bay(125 - 1 / 60).pass_on(parked())),
    ("not yet at the limit", lambda: bay(120 + 24 * 60 - 1).pass_on(overstayed())),
    ("gone for a moment", lambda: bay(143, overstayed(), empty=142).departures()),
    ("gone within its interval", lambda: bay(119, parked(), empty=61).departures()),
    ("still seen", lambda: bay(143, overstayed(), occupied=60).departures()),
    ("not seen at all", lambda: bay(143, overstayed()).departures()),
]


@pytest.mark.parametrize(
    ("how", "became", "also"), [case[1:] for case in DONE], ids=[case[0] for case in DONE]
)
def test_what_happens(
    how: Callable[[], Sequence[Booking]],
    became: list[tuple[str, str]],
    also: dict[str, object],
) -> None:
    changed = how()
    assert [(booking.status, booking.reason) for booking in changed] == became
    assert {name: getattr(changed[-1], name) for name in also} == also


@pytest.mark.parametrize("how", [case[1] for case in NOTHING], ids=[case[0] for case in NOTHING])
def test_what_is_left_alone(how: Callable[[], Sequence[Booking]]) -> None:
    assert how() == []


def test_who_came_early_left_when_the_next_one_came() -> None:
    former, _ = bay(150, overstayed(), occupied=141).check_in(paid(120, 180))
    assert (former.checked_out_at, former.overstay_won) == (at(141), 3 * 331 * 150 // 100)


def test_a_free_bay_needs_no_rule() -> None:
    free = replace(BAY, fees=FeeSchedule(FeeKind.FREE))
    known = replace(bay(0), tariff=Tariff(free, {}, LIMITS.grace))
    (booking,) = claim(known, 60, 120)
    assert booking.price_won == 0
    (confirmed,) = replace(known, now=at(1)).confirm(booking, "")
    arrived = confirmed.check_in(at(60), LIMITS)
    (left,) = replace(known, now=at(300)).check_out(arrived)
    assert left.overstay_won == 0


def test_who_stays_where_only_contracts_are_left_can_still_leave() -> None:
    contract = replace(BAY, fees=FeeSchedule(FeeKind.CONTRACT))
    known = replace(bay(300), tariff=replace(TARIFF, terms=contract))
    (left,) = known.check_out(overstayed())
    assert (left.status, left.overstay_won) == (Status.SETTLED, 0)


def test_every_pair_of_status_and_act_is_decided_by_the_tables() -> None:
    """What is in no table is refused, and nothing that is over comes back."""
    acts: dict[Act, Callable[[Booking], Booking]] = {
        Act.CONFIRM: lambda booking: booking.confirm("pg", at(60)),
        Act.RELEASE: lambda booking: booking.release(Reason.CANCELLED, at(60)),
        Act.CHECK_IN: lambda booking: booking.check_in(at(60), LIMITS),
        Act.REFUND: lambda booking: booking.refund(0, Reason.CANCELLED, at(60)),
        Act.LEAVE: lambda booking: booking.leave(Reason.CHECKED_OUT, at(60), at(60)),
    }
    for status, (act, run), owners in product(Status, acts.items(), (True, False)):
        booking = replace(held(), status=status, owners=owners, hold_expires_at=at(61))
        expected = (OWNERS_TRANSITIONS if owners else TRANSITIONS).get((status, act))
        if expected is None:
            with pytest.raises(FailedPrecondition):
                run(booking)
        else:
            assert run(booking).status is expected
            assert run(booking).revision == booking.revision + 1
    assert {status for status, _ in TRANSITIONS} == LIVE | STAYING


@given(
    status=st.sampled_from(sorted({*LIVE, *STAYING})),
    owners=st.booleans(),
    minute=st.integers(-200, 2000),
)
def test_what_the_clock_changes_is_due_by_then(status: Status, owners: bool, minute: int) -> None:
    """Nothing the clock does is missed, and it does not look for ever at what is over."""
    if owners:
        status = Status.CONFIRMED
    booking = replace(parked(), status=status, owners=owners)
    now = at(minute)
    due_at = booking.due_after(now, LIMITS)
    assert due_at is not None
    for later in (at(minute + step) for step in (0, 1, 7, 61, 119, 120, 125, 1560)):
        changed = replace(bay(0), now=later).pass_on(booking)
        if changed:
            assert due_at <= later
            assert changed[-1].due_after(later, LIMITS) is None or changed[-1].status in STAYING
    started, ended = booking.interval.starts_at, booking.interval.ends_at
    if status in LIVE and now < started <= now + timedelta(days=1):
        assert due_at <= started
    if status in (Status.CONFIRMED, Status.OCCUPIED) and now < ended:
        assert due_at <= ended


@given(
    moments=st.lists(st.integers(10, 100), min_size=4, max_size=4, unique=True).map(sorted),
    touching=st.booleans(),
)
def test_only_claims_that_share_a_moment_are_apart(moments: list[int], touching: bool) -> None:
    first, second, third, fourth = moments
    apart = (second if touching else third, fourth)
    assert len(claim(bay(0, paid(first, second)), *apart)) == 1
    assert len(claim(bay(0, paid(*apart)), first, second)) == 1
    with pytest.raises(Aborted):
        claim(bay(0, paid(first, third)), second, fourth)
