"""What a claim's money must do, by the rule in force and without the service's code. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from meshctl.demo.parking_evidence import Place, Rule
from meshctl.demo.parking_plan import Claim

_KST = timedelta(hours=9)
_PARTIES = ("owner", "operator", "district")


@dataclass(frozen=True, slots=True)
class Money:
    """Of one claim, won; `shares` are of what was split, empty when nothing was."""

    refund_won: int
    overstay_won: int
    shares: Mapping[str, int]

    @property
    def split_won(self) -> int:
        return sum(self.shares.values())


def money(claim: Claim, place: Place, rules: Sequence[Rule]) -> Money:
    """In the end, as far as it has come."""
    rule = _in_force(rules, place.scheme, claim.span.start)
    refund = 0
    if claim.notice_minutes is not None:
        percent = next((p for n, p in rule.refunds if claim.notice_minutes >= n), 0)
        refund = claim.price_won * percent // 100
    overstay = claim.overstay_fee_won * rule.overstay_percent // 100
    rest = claim.price_won + overstay - refund
    if not claim.paid or claim.status not in ("SETTLED", "REFUNDED") or not rest:
        return Money(refund, overstay, {})
    shares = {party: rest * rule.percents[party] // 100 for party in _PARTIES}
    shares[rule.remainder_to] += rest - sum(shares.values())
    return Money(refund, overstay, shares)


def lines(claim: Claim, place: Place, its: Money) -> Iterator[tuple[str, str, str, int]]:
    """The ledger's entries: kind of the posting, booking, account, won; a debit is above 0."""
    accounts = {
        "owner": f"owner:{place.owner_id}",
        "operator": f"operator:{place.operator}",
        "district": f"district:{place.district}",
    }
    postings: list[tuple[str, str, int]] = []
    if claim.paid:
        postings += [("PAYMENT", "payments", claim.price_won)]
        postings += [("PAYMENT", "prepaid", -claim.price_won)]
    if claim.paid and claim.status in ("SETTLED", "REFUNDED"):
        kind = "SETTLEMENT" if claim.status == "SETTLED" else "REFUND"
        postings += [(kind, "prepaid", claim.price_won)]
        postings += [(kind, "payments", its.overstay_won - its.refund_won)]
        postings += [(kind, accounts[party], -won) for party, won in its.shares.items()]
    for kind, account, won in postings:
        if won:
            yield kind, claim.booking_id, account, won


def _in_force(rules: Sequence[Rule], scheme: str, at: int) -> Rule:
    """On the Seoul day of `at`, seconds since 1970 UTC."""
    day = (datetime.fromtimestamp(at, UTC) + _KST).date()
    known = [rule for rule in rules if rule.scheme == scheme and rule.valid_from <= day]
    return max(known, key=lambda rule: rule.valid_from)
