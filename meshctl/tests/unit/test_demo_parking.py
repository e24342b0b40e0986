"""The account of parking's scenes finds what is planted: lost, doubled, changed, claimed twice."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from meshctl.demo import parking_account
from meshctl.demo.parking_evidence import ParkingEvidence, Place, Rule
from meshctl.demo.parking_money import lines, money
from meshctl.demo.parking_plan import Claim, Contest, Doubt, PlayedScene, Span

NOW = datetime(2026, 11, 25, 1, tzinfo=UTC)
START = int(NOW.timestamp())
HOUR = Span(START, START + 3600)
RULE = Rule(
    scheme="samjeong",
    valid_from=date(2020, 1, 1),
    percents={"owner": 50, "operator": 30, "district": 20},
    remainder_to="owner",
    refunds=((60, 100), (0, 50)),
    overstay_percent=150,
)
PUBLIC = Rule(
    scheme="public",
    valid_from=date(2020, 1, 1),
    percents={"owner": 0, "operator": 0, "district": 100},
    remainder_to="district",
    refunds=(),
    overstay_percent=100,
)
PLACE = Place("alley", "samjeong", "company", "bucheon", "o1")

SETTLED = Claim(
    "b1",
    "bay-1",
    HOUR,
    ("HELD", "CONFIRMED", "OCCUPIED", "OVERSTAYED", "SETTLED"),
    price_won=97,
    reason="CHECKED_OUT",
    overstay_fee_won=3,
)
REFUNDED = Claim(
    "b2",
    "bay-2",
    HOUR,
    ("HELD", "CONFIRMED", "REFUNDED"),
    price_won=55,
    reason="CANCELLED",
    notice_minutes=30,
)
OWNERS = Claim("b3", "bay-3", HOUR, ("CONFIRMED",), price_won=0, owners=True)
SCENE = PlayedScene(
    "scene",
    "장면",
    claims=[SETTLED, REFUNDED, OWNERS],
    contests=[Contest("bay-1", 6, 1)],
    doubts=[Doubt("EMPTY_THOUGH_CHECKED_IN", "bay-1", "b1")],
    told=Counter({"BAY_TAKEN": 5}),
    must_tell=Counter({"BAY_TAKEN": 5}),
    stands={"bay-1": "FREE", "bay-3": "OCCUPIED"},
)


def _booking(claim: Claim, revision: int, status: str, **changes: Any) -> dict[str, Any]:
    told = {
        "booking_id": claim.booking_id,
        "bay_id": claim.bay_id,
        "starts_at": datetime.fromtimestamp(claim.span.start, UTC),
        "ends_at": datetime.fromtimestamp(claim.span.end, UTC),
        "owners": claim.owners,
        "status": status,
        "revision": revision,
        "price_won": claim.price_won,
        "overstay_won": 0,
        "refund_won": 0,
        "reason": "",
        "changed_at": NOW + timedelta(seconds=revision),
    }
    return told | changes


ENDS = {
    "b1": {"overstay_won": 4, "reason": "CHECKED_OUT"},
    "b2": {"refund_won": 27, "reason": "CANCELLED"},
    "b3": {},
}
EVENTS = [
    _booking(claim, number, status, **(ENDS[claim.booking_id] if status == claim.status else {}))
    for claim in SCENE.claims
    for number, status in enumerate(claim.statuses, start=1)
]
ROWS = [EVENTS[4], EVENTS[7], EVENTS[8]]
# 97 + 4 won: 50, 30 and 20, and the won that remains is the owner's. 55 - 27 won: 14, 8 and 5, and
# one more.
ENTRIES = [
    {"posting_id": f"{kind}/{booking}", "kind": kind, "booking_id": booking} | entry
    for kind, booking, entries in (
        ("PAYMENT", "b1", {"payments": 97, "prepaid": -97}),
        (
            "SETTLEMENT",
            "b1",
            {
                "prepaid": 97,
                "payments": 4,
                "owner:o1": -51,
                "operator:company": -30,
                "district:bucheon": -20,
            },
        ),
        ("PAYMENT", "b2", {"payments": 55, "prepaid": -55}),
        (
            "REFUND",
            "b2",
            {
                "prepaid": 55,
                "payments": -27,
                "owner:o1": -15,
                "operator:company": -8,
                "district:bucheon": -5,
            },
        ),
    )
    for entry in ({"account": name, "amount_won": won} for name, won in entries.items())
]
SETTLEMENTS = [
    {"booking_id": booking, "bay_id": bay, "gross_won": gross, "refund_won": refund}
    | dict(zip(("owner_won", "operator_won", "district_won"), shares, strict=True))
    for booking, bay, gross, refund, shares in (
        ("b1", "bay-1", 101, 0, (51, 30, 20)),
        ("b2", "bay-2", 28, 27, (15, 8, 5)),
    )
]
DISPUTE = {"kind": "EMPTY_THOUGH_CHECKED_IN", "bay_id": "bay-1", "booking_id": "b1"}
BAYS = [
    {"bay_id": "bay-1", "status": "OCCUPIED", "revision": 1},
    {"bay_id": "bay-1", "status": "FREE", "revision": 2},
    {"bay_id": "bay-3", "status": "OCCUPIED", "revision": 1},
]
LOT = {"lot_id": "alley", "bays": 3, "occupied": 1, "reserved": 0, "revision": 1}
RIGHT = ParkingEvidence(
    bookings=ROWS,
    entries=ENTRIES,
    disputes=[DISPUTE],
    bays=BAYS[1:],
    lots=[LOT],
    booking_events=EVENTS,
    settlement_events=SETTLEMENTS,
    dispute_events=[DISPUTE],
    bay_events=BAYS,
    lot_events=[LOT],
    rules=[RULE, PUBLIC],
    places={f"bay-{number}": PLACE for number in (1, 2, 3)},
    written_again=0,
    rejected=0,
)


def stages(found: ParkingEvidence, scene: PlayedScene = SCENE) -> dict[str, tuple[int, int]]:
    """Lost and duplicates of each stage where there are any."""
    result = parking_account.account([scene], found)
    wrong = {s.name: (s.lost, s.duplicates) for s in result.stages if s.lost or s.duplicates}
    assert result.right is not (bool(wrong) or bool(result.double_bookings + result.ledger_won))
    assert bool(result.problems) is bool(wrong)
    return wrong


def test_what_is_as_it_must_be_adds_up() -> None:
    assert stages(RIGHT) == {}
    result = parking_account.account([SCENE], RIGHT)
    assert result.shares_won == {"owner": 66, "operator": 38, "district": 25}
    assert (result.double_bookings, result.ledger_won) == (0, 0)


def _without(rows: Sequence[Any], index: int) -> list[Any]:
    return [*rows[:index], *rows[index + 1 :]]


def _changed(rows: Sequence[Any], index: int, **changes: Any) -> list[Any]:
    return [*rows[:index], {**rows[index], **changes}, *rows[index + 1 :]]


@pytest.mark.parametrize(
    ("plant", "wrong"),
    [
        # A lost booking, one too many, one in the wrong state, price, or with a wrong refund.
        (lambda: {"bookings": ROWS[1:]}, {"bookings": (1, 0)}),
        (lambda: {"bookings": [*ROWS, {**ROWS[0], "booking_id": "b9"}]}, {"bookings": (0, 1)}),
        (lambda: {"bookings": _changed(ROWS, 0, status="OCCUPIED")}, {"bookings": (1, 1)}),
        (lambda: {"bookings": _changed(ROWS, 0, price_won=96)}, {"bookings": (1, 1)}),
        (lambda: {"bookings": _changed(ROWS, 0, overstay_won=3)}, {"bookings": (1, 1)}),
        (lambda: {"bookings": _changed(ROWS, 1, refund_won=28)}, {"bookings": (1, 1)}),
        (lambda: {"bookings": _changed(ROWS, 0, reason="NO_SHOW")}, {"bookings": (1, 1)}),
        (lambda: {"bookings": _changed(ROWS, 2, owners=False)}, {"bookings": (1, 1)}),
        # A lost event in the middle and at the end, a doubled one, one of another status.
        (lambda: {"booking_events": _without(EVENTS, 1)}, {"booking events": (1, 0)}),
        (
            lambda: {"booking_events": _without(EVENTS, 4)},
            {"booking events": (1, 0), "last events": (1, 1)},
        ),
        (lambda: {"booking_events": [*EVENTS, EVENTS[1]]}, {"booking events": (0, 1)}),
        (
            lambda: {"booking_events": _changed(EVENTS, 1, status="HELD")},
            {"booking events": (1, 1)},
        ),
        # An entry that is missing, doubled, on another account or of another amount.
        (lambda: {"entries": ENTRIES[1:]}, {"ledger entries": (1, 0)}),
        (lambda: {"entries": [*ENTRIES, *ENTRIES[2:7]]}, {"ledger entries": (0, 5)}),
        (
            lambda: {"entries": _changed(ENTRIES, 4, account="owner:o2")},
            {"ledger entries": (1, 1)},
        ),
        (lambda: {"entries": _changed(ENTRIES, 4, amount_won=-50)}, {"ledger entries": (1, 1)}),
        # A settlement that is not told, told twice, or split otherwise.
        (lambda: {"settlement_events": SETTLEMENTS[1:]}, {"settlement events": (1, 0)}),
        (
            lambda: {"settlement_events": [*SETTLEMENTS, SETTLEMENTS[0]]},
            {"settlement events": (0, 1)},
        ),
        (
            lambda: {"settlement_events": _changed(SETTLEMENTS, 0, owner_won=50, operator_won=31)},
            {"settlement events": (1, 1)},
        ),
        (lambda: {"disputes": []}, {"disputes": (1, 0)}),
        (lambda: {"disputes": [DISPUTE, DISPUTE]}, {"disputes": (0, 1)}),
        (lambda: {"dispute_events": []}, {"dispute events": (1, 0)}),
        (
            lambda: {"dispute_events": [{**DISPUTE, "booking_id": "b2"}]},
            {"dispute events": (1, 1)},
        ),
        # A bay that stands otherwise than it must, and an event that was never sent.
        (
            lambda: {"bays": BAYS[1:2], "bay_events": BAYS[:2]},
            {"bays": (1, 0)},
        ),
        (lambda: {"bay_events": _without(BAYS, 0)}, {"bay events": (1, 0)}),
        (lambda: {"bay_events": _without(BAYS, 1)}, {"bay events": (2, 1)}),
        (lambda: {"lot_events": [{**LOT, "occupied": 2}]}, {"lot events": (1, 1)}),
        (lambda: {"lot_events": [LOT, LOT]}, {"lot events": (0, 1)}),
    ],
)
def test_what_is_planted_is_found(
    plant: Callable[[], dict[str, Any]], wrong: dict[str, tuple[int, int]]
) -> None:
    assert stages(replace(RIGHT, **plant())) == wrong


@pytest.mark.parametrize(
    ("winners", "told", "wrong"),
    [
        (0, 6, {"contests": (1, 0), "refusals": (0, 1)}),
        (2, 4, {"contests": (0, 1), "refusals": (1, 0)}),
    ],
)
def test_of_those_who_want_a_bay_one_must_get_it(
    winners: int, told: int, wrong: dict[str, tuple[int, int]]
) -> None:
    scene = replace(
        SCENE, contests=[Contest("bay-1", 6, winners)], told=Counter({"BAY_TAKEN": told})
    )
    assert stages(RIGHT, scene) == wrong


def _life(booking: str, start: int, minutes: int, *changes: tuple[str, int]) -> list[Any]:
    """Events of a claim on bay-1 that begins `start` minutes from now; changes at seconds."""
    claim = Claim(booking, "bay-1", _minutes(start, minutes), (), 0)
    return [
        _booking(claim, number, status, changed_at=NOW + timedelta(seconds=at))
        for number, (status, at) in enumerate(changes, start=1)
    ]


def _minutes(start: int, minutes: int) -> Span:
    return Span(START + start * 60, START + (start + minutes) * 60)


@pytest.mark.parametrize(
    ("other", "doubled"),
    [
        (_life("x", 5, 10, ("HELD", 3)), 1),
        (_life("x", 0, 10, ("HELD", 3), ("CONFIRMED", 4), ("OCCUPIED", 5)), 1),
        (_life("x", 9, 1, ("HELD", 0), ("RELEASED", 2)), 1),
        (_life("x", 10, 10, ("HELD", 3)), 0),  # touches
        (_life("x", 0, 10, ("HELD", 0), ("EXPIRED", 1)), 0),  # ended as the other began
        (_life("x", 0, 10, ("HELD", 20)), 0),  # begins as the other ends
        ([{**_life("x", 0, 10, ("HELD", 3))[0], "bay_id": "bay-2"}], 0),
    ],
)
def test_two_live_claims_on_a_bay_are_a_double_booking(other: list[Any], doubled: int) -> None:
    one = _life("a", 0, 10, ("HELD", 1), ("CONFIRMED", 2), ("OCCUPIED", 5), ("SETTLED", 20))
    for events in (one + other, other[::-1] + one[::-1]):
        assert parking_account.double_bookings(events) == doubled


def test_books_that_do_not_add_up_and_double_bookings_are_wrong_by_themselves() -> None:
    more = {"posting_id": "p", "kind": "PAYMENT", "booking_id": "b1", "account": "payments"}
    unbalanced = replace(RIGHT, entries=[*ENTRIES, {**more, "amount_won": 5}])
    assert parking_account.account([SCENE], unbalanced).ledger_won == 5
    twice = [*EVENTS, *_life("x", 0, 60, ("HELD", 2), ("CONFIRMED", 3))]
    result = parking_account.account([SCENE], replace(RIGHT, booking_events=twice))
    assert result.double_bookings == 1
    assert not result.right


@given(
    price=st.integers(0, 100_000),
    fee=st.integers(0, 10_000),
    notice=st.sampled_from([None, 0, 59, 60, 600]),
)
def test_money_is_never_made_nor_lost(price: int, fee: int, notice: int | None) -> None:
    status = "SETTLED" if notice is None else "REFUNDED"
    claim = replace(
        SETTLED,
        statuses=("HELD", "CONFIRMED", status),
        price_won=price,
        overstay_fee_won=fee if notice is None else 0,
        notice_minutes=notice,
    )
    its = money(claim, PLACE, [RULE])
    assert sum(won for *_, won in lines(claim, PLACE, its)) == 0
    assert its.split_won == price + its.overstay_won - its.refund_won
    refunds = {None: 0, 0: price // 2, 59: price // 2, 60: price, 600: price}
    assert its.refund_won == refunds[notice]


def test_the_rule_of_the_seoul_day_on_which_the_booking_starts_counts() -> None:
    percents = {"owner": 40, "operator": 40, "district": 20}
    late = replace(RULE, valid_from=date(2026, 11, 26), percents=percents)
    seoul_midnight = int(datetime(2026, 11, 25, 15, tzinfo=UTC).timestamp())
    before = replace(SETTLED, span=Span(seoul_midnight - 1, seoul_midnight + 600))
    after = replace(SETTLED, span=Span(seoul_midnight, seoul_midnight + 600))
    assert money(before, PLACE, [RULE, late, PUBLIC]).shares["owner"] == 51
    assert money(after, PLACE, [RULE, late, PUBLIC]).shares["owner"] == 41


def test_a_public_lots_money_is_the_districts() -> None:
    place = replace(PLACE, scheme="public", owner_id=None)
    its = money(replace(SETTLED, overstay_fee_won=0), place, [RULE, PUBLIC])
    assert [won for *_, won in lines(SETTLED, place, its)] == [97, -97, 97, -97]
