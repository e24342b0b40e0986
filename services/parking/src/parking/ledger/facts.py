"""The part's events, in the form of their schemas under events/. No owner is named on a topic."""

from dataclasses import asdict
from datetime import date

from city_backbone.events import OutgoingEvent, event_id

from parking.ledger.posting import Posting
from parking.ledger.sale import Sale
from parking.ledger.seal import Seal
from parking.ledger.split import Shares, SplitRule

LEDGER = "parking"
SETTLEMENT_POSTED = "parking.settlement-posted.v1"
LEDGER_SEALED = "parking.ledger-sealed.v1"


def settlement_posted(
    posting: Posting, day: date, sale: Sale, rule: SplitRule, shares: Shares, refund_won: int
) -> OutgoingEvent:
    """Once per posting."""
    return OutgoingEvent(
        SETTLEMENT_POSTED,
        str(posting.booking_id),
        event_id("settlement-posted", posting.posting_id),
        posting.posted_at,
        {
            "posting_id": str(posting.posting_id),
            "booking_id": str(posting.booking_id),
            "bay_id": sale.bay_id,
            "lot_id": posting.lot_id,
            "day": day,
            "scheme": rule.scheme,
            "rule_valid_from": rule.valid_from,
            "gross_won": shares.owner_won + shares.operator_won + shares.district_won,
            "owner_won": shares.owner_won,
            "operator_won": shares.operator_won,
            "district_won": shares.district_won,
            "refund_won": refund_won,
            "posted_at": posting.posted_at,
        },
    )


def ledger_sealed(seal: Seal) -> OutgoingEvent:
    """Once per day. A day that somebody opened and sealed anew is told of as another event."""
    return OutgoingEvent(
        LEDGER_SEALED,
        LEDGER,
        event_id("ledger-sealed", LEDGER, seal.seal_hash),
        seal.sealed_at,
        {**asdict(seal), "ledger": LEDGER, "day": date.fromisoformat(seal.day)},
    )
