"""Postings: every one adds up to 0, whatever the amounts."""

from datetime import UTC, date, datetime
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st
from parking.ledger import posting
from parking.ledger.posting import Kind, Line, Posting
from parking.ledger.sale import Sale
from parking.ledger.split import Party, Shares, SplitRule

AT = datetime(2024, 3, 1, 12, tzinfo=UTC)
OWNER = UUID("0a8f3f0e-5c3a-5b3e-8d2e-0a5b6c7d8e9f")
RULE = SplitRule("s", date(2024, 1, 1), 50, 30, 20, Party.OWNER, (), 150)
won = st.integers(0, 2**31 - 1)


def sale(owner_id: UUID | None = OWNER) -> Sale:
    return Sale(uuid4(), "s-1", "s", "s", "마을관리기업", "부천시", owner_id, AT)


def total(posted: Posting) -> int:
    assert all(line.amount_won for line in posted.lines)
    return sum(line.amount_won for line in posted.lines)


@given(won, won)
def test_what_is_settled_was_prepaid_or_received(prepaid: int, overstay: int) -> None:
    settled = posting.settlement(sale(), prepaid, overstay, RULE.split(prepaid + overstay), AT)
    assert total(settled) == 0


@given(won, won)
def test_what_is_not_given_back_is_shared(prepaid: int, kept: int) -> None:
    back = max(0, prepaid - kept)
    refunded = posting.refund(sale(), prepaid, back, RULE.split(prepaid - back), AT)
    assert total(refunded) == 0


@given(won)
def test_a_payment_waits_as_prepaid(amount: int) -> None:
    assert total(posting.payment(sale(), amount, AT)) == 0


def test_a_settlement_line_by_line() -> None:
    settled = posting.settlement(sale(), 2000, 401, Shares(1201, 720, 480), AT)
    assert settled.kind == Kind.SETTLEMENT
    assert settled.lines == (
        Line("prepaid", 2000),
        Line("payments", 401),
        Line(f"owner:{OWNER}", -1201),
        Line("operator:마을관리기업", -720),
        Line("district:부천시", -480),
    )


def test_a_refund_line_by_line() -> None:
    refunded = posting.refund(sale(None), 1000, 1000, Shares(0, 0, 0), AT)
    assert refunded.lines == (Line("prepaid", 1000), Line("payments", -1000))


def test_one_id_per_kind_and_booking() -> None:
    one, other = sale(), sale()
    ids = {
        posting.payment(one, 1, AT).posting_id,
        posting.payment(one, 2, AT).posting_id,
        posting.refund(one, 1, 0, RULE.split(1), AT).posting_id,
        posting.settlement(one, 1, 0, RULE.split(1), AT).posting_id,
        posting.payment(other, 1, AT).posting_id,
    }
    assert len(ids) == 4
