"""Shares, refunds and the fee of an overstay: whole won, exact sums."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parking.errors import Invalid
from parking.ledger.split import Party, RefundStep, Shares, SplitRule

HOUR = timedelta(hours=1)


def rule(**changes: Any) -> SplitRule:
    fields: dict[str, Any] = {
        "scheme": "samjeong",
        "valid_from": date(2024, 1, 1),
        "owner_percent": 50,
        "operator_percent": 30,
        "district_percent": 20,
        "remainder_to": Party.OWNER,
        "refunds": (RefundStep(60, 100), RefundStep(0, 50)),
        "overstay_percent": 150,
    }
    return SplitRule(**{**fields, **changes})


@st.composite
def rules(draw: st.DrawFn) -> SplitRule:
    """Any percents that add up to 100, the remainder to any who has a share."""
    low, high = sorted((draw(st.integers(0, 100)), draw(st.integers(0, 100))))
    percents = dict(zip(Party, (low, high - low, 100 - high), strict=True))
    return rule(
        owner_percent=percents[Party.OWNER],
        operator_percent=percents[Party.OPERATOR],
        district_percent=percents[Party.DISTRICT],
        remainder_to=draw(st.sampled_from([party for party in Party if percents[party]])),
    )


@given(rules(), st.integers(0, 2**53))
def test_shares_add_up_and_only_the_remainder_is_not_rounded_down(
    split: SplitRule, amount: int
) -> None:
    shares = split.split(amount)
    by_party = dict(
        zip(Party, (shares.owner_won, shares.operator_won, shares.district_won), strict=True)
    )
    percents = dict(
        zip(
            Party,
            (split.owner_percent, split.operator_percent, split.district_percent),
            strict=True,
        )
    )
    assert sum(by_party.values()) == amount
    for party, won in by_party.items():
        floor = amount * percents[party] // 100
        if party == split.remainder_to:
            assert floor <= won <= floor + 2
        else:
            assert won == floor


@pytest.mark.parametrize(
    ("percents", "remainder_to", "amount", "shares"),
    [
        ((50, 30, 20), Party.OWNER, 2401, Shares(1201, 720, 480)),
        ((50, 30, 20), Party.OPERATOR, 2401, Shares(1200, 721, 480)),
        ((50, 30, 20), Party.OWNER, 1, Shares(1, 0, 0)),
        ((60, 40, 0), Party.OPERATOR, 1999, Shares(1199, 800, 0)),
        ((40, 60, 0), Party.OPERATOR, 1001, Shares(400, 601, 0)),
        ((0, 0, 100), Party.DISTRICT, 777, Shares(0, 0, 777)),
        ((33, 33, 34), Party.DISTRICT, 100, Shares(33, 33, 34)),
        ((33, 33, 34), Party.OWNER, 99, Shares(34, 32, 33)),
        ((50, 30, 20), Party.OWNER, 0, Shares(0, 0, 0)),
    ],
)
def test_known_shares(
    percents: tuple[int, int, int], remainder_to: Party, amount: int, shares: Shares
) -> None:
    owner, operator, district = percents
    split = rule(
        owner_percent=owner,
        operator_percent=operator,
        district_percent=district,
        remainder_to=remainder_to,
    )
    assert split.split(amount) == shares


@pytest.mark.parametrize(
    ("notice", "won"),
    [
        (24 * HOUR, 2401),
        (HOUR, 2401),
        (HOUR - timedelta(microseconds=1), 1200),
        (timedelta(0), 1200),
        (-timedelta(microseconds=1), 0),
    ],
)
def test_a_step_counts_from_its_notice_on(notice: timedelta, won: int) -> None:
    assert rule().refund_won(2401, notice) == won


def test_without_steps_nothing_comes_back() -> None:
    assert rule(refunds=()).refund_won(1000, 24 * HOUR) == 0


@given(
    st.integers(0, 2**31 - 1),
    st.integers(-10_000, 10_000),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 100)), max_size=5),
)
def test_never_more_comes_back_than_was_paid(
    price: int, minutes: int, steps: list[tuple[int, int]]
) -> None:
    distinct = sorted(dict(steps).items(), reverse=True)
    split = rule(refunds=tuple(RefundStep(*step) for step in distinct))
    back = split.refund_won(price, timedelta(minutes=minutes))
    assert 0 <= back <= price
    given_notice = [percent for notice, percent in distinct if notice <= minutes]
    assert back == (price * given_notice[0] // 100 if given_notice else 0)


def test_overstay_is_rounded_down() -> None:
    assert rule().overstay_won(333) == 499
    assert rule(overstay_percent=100).overstay_won(333) == 333
    assert rule(overstay_percent=0).overstay_won(333) == 0


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"owner_percent": 51}, "owner_percent"),
        ({"owner_percent": -1, "operator_percent": 81}, "owner_percent"),
        ({"district_percent": 101}, "district_percent"),
        (
            {"owner_percent": 0, "operator_percent": 80, "remainder_to": Party.OWNER},
            "remainder_to",
        ),
        ({"overstay_percent": -1}, "overstay_percent"),
        ({"overstay_percent": 1001}, "overstay_percent"),
        ({"refunds": (RefundStep(0, 50), RefundStep(60, 100))}, "refunds[1].notice_minutes"),
        ({"refunds": (RefundStep(60, 50), RefundStep(60, 10))}, "refunds[1].notice_minutes"),
        ({"refunds": (RefundStep(60, 101),)}, "refunds[0].percent"),
        ({"refunds": (RefundStep(-1, 10),)}, "refunds[0].notice_minutes"),
        ({"refunds": tuple(RefundStep(30 - n, 1) for n in range(21))}, "refunds"),
    ],
)
def test_what_is_no_rule(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as raised:
        rule(**changes)
    assert raised.value.field == field


def test_less_than_nothing_is_not_split() -> None:
    with pytest.raises(ValueError, match="0 or more won"):
        rule().split(-1)
