"""Postings: what happened to a booking's money, as entries that add up to 0.

A debit is above 0, a credit below. `payments` is money received, `prepaid` what is received for
bookings not settled; the others are what is owed to an owner, an operator, a district.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from city_backbone.events import event_id

from parking.ledger.sale import Sale
from parking.ledger.split import Shares

PAYMENTS = "payments"
PREPAID = "prepaid"


class Kind(StrEnum):
    """As in the database."""

    PAYMENT = "PAYMENT"
    SETTLEMENT = "SETTLEMENT"
    REFUND = "REFUND"


@dataclass(frozen=True, slots=True)
class Line:
    """One entry to be. Won, never 0."""

    account: str
    amount_won: int


@dataclass(frozen=True, slots=True)
class Posting:
    """Of each kind one per booking, which is what its id is made of."""

    posting_id: UUID
    kind: Kind
    booking_id: UUID
    lot_id: str
    posted_at: datetime
    lines: tuple[Line, ...]


def payment(sale: Sale, amount_won: int, at: datetime) -> Posting:
    """Received before the booking's time."""
    return _posting(Kind.PAYMENT, sale, at, [(PAYMENTS, amount_won), (PREPAID, -amount_won)])


def settlement(
    sale: Sale, prepaid_won: int, overstay_won: int, shares: Shares, at: datetime
) -> Posting:
    """What was prepaid, and received for the overstay, is now owed to those who share it."""
    received = [(PREPAID, prepaid_won), (PAYMENTS, overstay_won)]
    return _posting(Kind.SETTLEMENT, sale, at, [*received, *_owed(sale, shares)])


def refund(sale: Sale, prepaid_won: int, refund_won: int, shares: Shares, at: datetime) -> Posting:
    """Of what was prepaid `refund_won` goes back; the rest is owed to those who share it."""
    returned = [(PREPAID, prepaid_won), (PAYMENTS, -refund_won)]
    return _posting(Kind.REFUND, sale, at, [*returned, *_owed(sale, shares)])


def owner_account(owner_id: UUID) -> str:
    return f"owner:{owner_id}"


def _owed(sale: Sale, shares: Shares) -> list[tuple[str, int]]:
    owed = [
        (f"operator:{sale.operator}", -shares.operator_won),
        (f"district:{sale.district}", -shares.district_won),
    ]
    if sale.owner_id is not None:
        owed.insert(0, (owner_account(sale.owner_id), -shares.owner_won))
    return owed


def _posting(kind: Kind, sale: Sale, at: datetime, amounts: Iterable[tuple[str, int]]) -> Posting:
    return Posting(
        event_id("posting", kind, sale.booking_id),
        kind,
        sale.booking_id,
        sale.lot_id,
        at,
        tuple(Line(account, amount) for account, amount in amounts if amount),
    )
