"""What a booking costs and gives back, in whole won."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from city_backbone.errors import FailedPrecondition

from parking.bookings.booking import Booking
from parking.clock import seoul_day
from parking.interval import Interval
from parking.ledger.split import SplitRule
from parking.lots.fees import FeeKind
from parking.lots.terms import Terms


@dataclass(frozen=True, slots=True)
class Tariff:
    """A bay's terms, and its scheme's rules on the Seoul days on which the bookings start.

    Where money needs a rule that is not there, FailedPrecondition (NO_SPLIT_RULE) is raised.
    """

    terms: Terms
    rules: Mapping[date, SplitRule]
    grace: timedelta

    def price_won(self, interval: Interval) -> int:
        """Of a whole interval. Raises also for one that could not be settled later."""
        if self.terms.fees.kind is not FeeKind.FREE:
            self._rule(interval)
        return self.terms.price_won(interval)

    def overstay_won(self, booking: Booking, left_at: datetime) -> int:
        """For what it stayed beyond its end; nothing within the grace."""
        if left_at < booking.interval.ends_at + self.grace:
            return 0
        if self.terms.fees.kind is FeeKind.CONTRACT:  # since it was booked: no fee to reckon with
            return 0
        fee_won = self.terms.fee_won_after(booking.interval, left_at)
        return self._rule(booking.interval).overstay_won(fee_won) if fee_won else 0

    def refund_won(self, booking: Booking, now: datetime) -> int:
        """By the notice that is given at `now`."""
        if not booking.price_won:
            return 0
        notice = booking.interval.starts_at - now
        return self._rule(booking.interval).refund_won(booking.price_won, notice)

    def _rule(self, interval: Interval) -> SplitRule:
        day = seoul_day(interval.starts_at)
        try:
            return self.rules[day]
        except KeyError:
            raise FailedPrecondition(
                "NO_SPLIT_RULE", f"scheme {self.terms.scheme} has no rule on {day}"
            ) from None
