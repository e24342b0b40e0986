"""Times on the wire: Seoul time without separators."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

SEOUL = ZoneInfo("Asia/Seoul")
_EXPECTED = "expected a Seoul time yyyyMMddHHmmss of the years 1970 to 2199"
_SECONDS = re.compile(r"[0-9]{14}", re.ASCII)
_MILLISECONDS = re.compile(r"[0-9]{17}", re.ASCII)


def seconds(instant: datetime) -> str:
    """`yyyyMMddHHmmss`."""
    return f"{instant.astimezone(SEOUL):%Y%m%d%H%M%S}"


def milliseconds(instant: datetime) -> str:
    """`yyyyMMddHHmmssSSS`."""
    return f"{seconds(instant)}{instant.microsecond // 1000:03d}"


def parse(text: str) -> datetime:
    """Aware UTC from either form. Raises ValueError."""
    if _MILLISECONDS.fullmatch(text):
        fraction = timedelta(milliseconds=int(text[14:]))
    elif _SECONDS.fullmatch(text):
        fraction = timedelta()
    else:
        raise ValueError(_EXPECTED)
    try:
        local = datetime.strptime(text[:14], "%Y%m%d%H%M%S").replace(tzinfo=SEOUL) + fraction
    except (ValueError, OverflowError):
        raise ValueError(_EXPECTED) from None
    if not 1970 <= local.year < 2200:
        raise ValueError(_EXPECTED)
    return local.astimezone(UTC)
