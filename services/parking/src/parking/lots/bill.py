"""What a stay has cost so far."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from city_backbone.errors import FailedPrecondition

from parking.clock import seoul_day
from parking.interval import Interval
from parking.lots.fees import FeeKind, FeeSchedule
from parking.lots.hours import MINUTES_OF_DAY, OperatingHours, minute_of


@dataclass(frozen=True, slots=True)
class Bill:
    """A stay, priced up to `until`. Open with `opened`, go on with `at`.

    Only time within the operating hours is charged. Basic time counts once per stay, not once per
    day. A calendar day in Seoul costs what its time adds to the metered price, and never more
    than the day pass. So a stay that goes on is never cheaper than it was.
    """

    schedule: FeeSchedule
    hours: OperatingHours
    until: datetime
    charged: timedelta = timedelta(0)
    charged_before_today: timedelta = timedelta(0)
    earlier_days_won: int = 0

    @property
    def won(self) -> int:
        return self.earlier_days_won + self.schedule.day_won(
            self.schedule.metered_won(self.charged)
            - self.schedule.metered_won(self.charged_before_today)
        )

    def at(self, moment: datetime) -> "Bill":
        """Gone on to `moment`, in as many steps as one likes: the bill is the same."""
        bill = self
        while bill.until < moment:
            bill = bill._gone_on(moment)
        return bill

    def _gone_on(self, moment: datetime) -> "Bill":
        """To `moment`, at most to midnight, which closes the day."""
        today = seoul_day(self.until)
        midnight = minute_of(today, MINUTES_OF_DAY)
        until = min(moment, midnight)
        bill = replace(
            self,
            until=until,
            charged=self.charged + self.hours.charged(today, Interval(self.until, until)),
        )
        if until < midnight:
            return bill
        return replace(bill, charged_before_today=bill.charged, earlier_days_won=bill.won)


def opened(schedule: FeeSchedule, hours: OperatingHours, starts_at: datetime) -> Bill:
    """Raises FailedPrecondition for a lot of contract holders alone: it sells no stays."""
    if schedule.kind is FeeKind.CONTRACT:
        raise FailedPrecondition("CONTRACT_ONLY", "fees: for holders of a monthly pass alone")
    return Bill(schedule, hours, starts_at)


def price_of(schedule: FeeSchedule, hours: OperatingHours, stay: Interval) -> Bill:
    """Of the whole stay. Raises FailedPrecondition as `opened` does."""
    return opened(schedule, hours, stay.starts_at).at(stay.ends_at)
