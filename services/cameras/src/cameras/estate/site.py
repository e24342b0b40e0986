"""Sites: places of the control centre, each with a purpose."""

import math
import re
from dataclasses import dataclass
from enum import StrEnum

from city_backbone.geo import Point

from cameras.errors import Invalid

MAX_NAME = 100
_ID = re.compile(r"[a-z0-9-]{1,64}")


def is_id(text: str) -> bool:
    """1 to 64 of a-z, 0-9 and hyphen."""
    return _ID.fullmatch(text) is not None


class Purpose(StrEnum):
    """Names as in the events' schemas: 생활방범, 공원, 차량방범, 어린이보호."""

    LIVING_AREA_SECURITY = "LIVING_AREA_SECURITY"
    PARK = "PARK"
    VEHICLE = "VEHICLE"
    CHILD_PROTECTION = "CHILD_PROTECTION"


@dataclass(frozen=True, slots=True)
class Site:
    """Build with `site`, which checks."""

    site_id: str
    name: str
    purpose: Purpose
    position: Point


def site(*, site_id: str, name: str, purpose: Purpose | None, position: Point | None) -> Site:
    """A checked site; None stands for what the caller could not name.

    Raises Invalid naming the first wrong field.
    """
    check_id("site_id", site_id)
    if not 1 <= len(name) <= MAX_NAME or name != name.strip() or not name.isprintable():
        raise Invalid(
            "name", f"expected 1 to {MAX_NAME} printable characters, none blank at the ends"
        )
    return Site(site_id, name, checked_purpose(purpose), checked_position(position))


def check_id(field: str, text: str) -> None:
    """Raises Invalid."""
    if not is_id(text):
        raise Invalid(field, f"expected 1 to 64 of a-z, 0-9 and hyphen, got {text[:80]!r}")


def checked_purpose(purpose: Purpose | None) -> Purpose:
    """Raises Invalid."""
    if purpose is None:
        raise Invalid("purpose", f"expected one of {', '.join(Purpose)}")
    return purpose


def checked_position(position: Point | None, field: str = "position") -> Point:
    """Raises Invalid naming `field` or its part."""
    if position is None:
        raise Invalid(field, "expected a latitude and a longitude")
    for name, value, limit in (
        ("latitude", position.latitude, 90),
        ("longitude", position.longitude, 180),
    ):
        if not math.isfinite(value) or abs(value) > limit:
            raise Invalid(f"{field}.{name}", f"expected -{limit} to {limit} degrees, got {value:g}")
    return position
