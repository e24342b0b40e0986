"""The time, and Seoul's calendar day."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

SEOUL = ZoneInfo("Asia/Seoul")


def utc_now() -> datetime:
    """Aware UTC."""
    return datetime.now(UTC)


def seoul_day(moment: datetime) -> date:
    """The calendar day of `moment` in Seoul."""
    return moment.astimezone(SEOUL).date()
