"""What every event's words, places and times are held to."""

from datetime import datetime

_LONGEST = 500
_YEARS = range(1970, 2200)


def clean(text: str) -> str:
    """Words are cut and cleaned, never a reason to refuse: somebody waits for help."""
    return text.replace("\x00", "").strip()[:_LONGEST]


def on_earth(latitude: float, longitude: float) -> bool:
    """Whether both are degrees."""
    return abs(latitude) <= 90 and abs(longitude) <= 180


def in_years(moment: datetime) -> bool:
    """Whether it is of the years 1970 to 2199."""
    return moment.year in _YEARS
