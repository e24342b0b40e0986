"""The books: what a booking's money does, posted in the transaction of what it follows from."""

from collections.abc import Callable
from datetime import date, datetime

from city_backbone.database import Connection
from city_backbone.errors import FailedPrecondition
from city_backbone.outbox import Outbox

from parking.clock import seoul_day
from parking.ledger import days, facts, posting, store
from parking.ledger.rules import Rules
from parking.ledger.sale import Sale
from parking.ledger.split import Shares, SplitRule

_NOTHING = Shares(0, 0, 0)


class Books:
    """Each posting happens once per booking, also when it is asked for again.

    Of 0 won nothing is posted. The ledger's day is held until the caller's transaction ends, so
    post after the booking's own rows are locked.
    """

    def __init__(self, outbox: Outbox, rules: Rules, clock: Callable[[], datetime]) -> None:
        self._outbox = outbox
        self._rules = rules
        self._clock = clock

    async def rule(self, connection: Connection, scheme: str, starts_at: datetime) -> SplitRule:
        """In force on the Seoul day of `starts_at`. Raises FailedPrecondition (NO_SPLIT_RULE)."""
        day = seoul_day(starts_at)
        found = await self._rules.in_force(connection, scheme, day)
        if found is None:
            raise FailedPrecondition("NO_SPLIT_RULE", f"scheme {scheme} has no rule on {day}")
        return found

    async def pay(self, connection: Connection, sale: Sale, amount_won: int, at: datetime) -> None:
        """Money received in advance. Raises FailedPrecondition when it could not be split later:
        NO_SPLIT_RULE, or NO_OWNER where the rule gives an owner a share and there is none."""
        if amount_won:
            await self._rule_of(connection, sale)
            await self._post(connection, posting.payment(sale, amount_won, at))

    async def settle(
        self, connection: Connection, sale: Sale, prepaid_won: int, overstay_won: int, at: datetime
    ) -> None:
        """Split what was prepaid and what is received for the overstay. Raises as `pay`."""
        if not prepaid_won + overstay_won:
            return
        rule = await self._rule_of(connection, sale)
        shares = rule.split(prepaid_won + overstay_won)
        posted = posting.settlement(sale, prepaid_won, overstay_won, shares, at)
        if day := await self._post(connection, posted):
            event = facts.settlement_posted(posted, day, sale, rule, shares, 0)
            await self._outbox.add(connection, [event])

    async def refund(
        self, connection: Connection, sale: Sale, prepaid_won: int, refund_won: int, at: datetime
    ) -> None:
        """Give `refund_won` of what was prepaid back, split the rest. Raises as `pay`."""
        if not 0 <= refund_won <= prepaid_won:
            raise ValueError(f"expected 0 to {prepaid_won} won to give back, got {refund_won}")
        if not prepaid_won:
            return
        if refund_won == prepaid_won:
            whole = posting.refund(sale, prepaid_won, refund_won, _NOTHING, at)
            await self._post(connection, whole)
            return
        rule = await self._rule_of(connection, sale)
        shares = rule.split(prepaid_won - refund_won)
        posted = posting.refund(sale, prepaid_won, refund_won, shares, at)
        if day := await self._post(connection, posted):
            event = facts.settlement_posted(posted, day, sale, rule, shares, refund_won)
            await self._outbox.add(connection, [event])

    async def _rule_of(self, connection: Connection, sale: Sale) -> SplitRule:
        rule = await self.rule(connection, sale.scheme, sale.starts_at)
        if rule.owner_percent and sale.owner_id is None:
            raise FailedPrecondition(
                "NO_OWNER", f"scheme {sale.scheme} gives a share to the owner of {sale.bay_id}"
            )
        return rule

    async def _post(self, connection: Connection, new: posting.Posting) -> date | None:
        """The ledger's day it is posted on; None when it was posted before."""
        today = seoul_day(self._clock())
        day = await days.hold(connection, seoul_day(new.posted_at), today)
        return day if await store.add(connection, new, day) else None
