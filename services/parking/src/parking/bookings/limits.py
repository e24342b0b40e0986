"""How long bookings may be, and how long the clock lets each state last."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from city_backbone.errors import InvalidArgument

from parking.interval import Interval
from parking.settings import BookingSettings

# So much a caller's clock and way may take: "from now on" is still now.
_BEGUN = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Limits:
    """As the settings say."""

    hold: timedelta
    shortest: timedelta
    longest: timedelta
    ahead: timedelta
    early: timedelta
    grace: timedelta
    overstay_limit: timedelta
    departure: timedelta

    def must_allow(self, interval: Interval, now: datetime) -> None:
        """Raises InvalidArgument for one that began, or is too short, long or far ahead."""
        if interval.starts_at < now - _BEGUN:
            raise InvalidArgument("interval.starts_at", "expected a time from now on")
        if interval.starts_at > now + self.ahead:
            raise InvalidArgument(
                "interval.starts_at", f"expected at most {self.ahead.days} days ahead"
            )
        if not self.shortest <= interval.length <= self.longest:
            minutes, hours = self.shortest.total_seconds() / 60, self.longest.total_seconds() / 3600
            raise InvalidArgument(
                "interval.ends_at",
                f"expected {minutes:g} minutes to {hours:g} hours after starts_at",
            )


def limits(settings: BookingSettings) -> Limits:
    return Limits(
        hold=timedelta(seconds=settings.hold_seconds),
        shortest=timedelta(minutes=settings.min_minutes),
        longest=timedelta(hours=settings.max_hours),
        ahead=timedelta(days=settings.max_ahead_days),
        early=timedelta(minutes=settings.early_check_in_minutes),
        grace=timedelta(minutes=settings.overstay_grace_minutes),
        overstay_limit=timedelta(hours=settings.overstay_limit_hours),
        departure=timedelta(seconds=settings.departure_grace_seconds),
    )
