"""Cameras: where they stand, where they look and where their stream is."""

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from city_backbone.geo import Point

from cameras.errors import Invalid
from cameras.estate.geometry import sees
from cameras.estate.presence import Presence
from cameras.estate.site import Purpose, check_id, checked_position, checked_purpose

MAX_RANGE_METRES = 10_000
MAX_RETENTION_DAYS = 3_650
MAX_ADDRESS = 1_000
# Vendors also take them from the query and even from the path: user=admin_password=1.
_CREDENTIALS = re.compile(r"(user(name)?|pass(word|wd)?|pwd|auth|token)=", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Camera:
    """Degrees clockwise from north, metres, days. Build with `camera`, which checks.

    heading_degrees is None for one that looks all around.
    """

    camera_id: str
    site_id: str
    purpose: Purpose
    position: Point
    heading_degrees: float | None
    field_of_view_degrees: float
    range_metres: float
    retention_days: int
    stream_address: str = field(repr=False)
    retired: bool = False
    presence: Presence = field(default_factory=Presence)

    def looks_at(self, point: Point) -> bool:
        """The point lies in its field of view and range."""
        return sees(
            self.position,
            self.heading_degrees,
            self.field_of_view_degrees,
            self.range_metres,
            point,
        )


def camera(
    *,
    camera_id: str,
    site_id: str,
    purpose: Purpose | None,
    position: Point | None,
    heading_degrees: float | None,
    field_of_view_degrees: float,
    range_metres: float,
    retention_days: int,
    stream_address: str,
) -> Camera:
    """A checked camera; None stands for what the caller could not name.

    Raises Invalid naming the first wrong field.
    """
    check_id("camera_id", camera_id)
    check_id("site_id", site_id)
    checked = checked_purpose(purpose), checked_position(position)
    if heading_degrees is not None and not 0 <= heading_degrees < 360:
        raise Invalid("heading_degrees", f"expected 0 to below 360, got {heading_degrees:g}")
    if not 0 < field_of_view_degrees <= 360:
        raise Invalid(
            "field_of_view_degrees", f"expected above 0 to 360, got {field_of_view_degrees:g}"
        )
    if not 0 < range_metres <= MAX_RANGE_METRES:
        raise Invalid(
            "range_metres", f"expected above 0 to {MAX_RANGE_METRES}, got {range_metres:g}"
        )
    if not 1 <= retention_days <= MAX_RETENTION_DAYS:
        raise Invalid("retention_days", f"expected 1 to {MAX_RETENTION_DAYS}, got {retention_days}")
    _check_address(stream_address)
    return Camera(
        camera_id,
        site_id,
        *checked,
        heading_degrees,
        field_of_view_degrees,
        range_metres,
        retention_days,
        stream_address,
    )


def _check_address(address: str) -> None:
    """What is wrong is never quoted: it may hold a password."""
    if len(address) > MAX_ADDRESS:
        raise Invalid("stream_address", f"expected at most {MAX_ADDRESS} characters")
    if not address.isprintable() or " " in address:
        raise Invalid("stream_address", "expected an rtsp or rtsps URL, without spaces")
    try:
        parts = urlsplit(address)
        complete = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise Invalid("stream_address", "expected an rtsp or rtsps URL") from None
    if parts.scheme not in ("rtsp", "rtsps") or not complete:
        raise Invalid("stream_address", "expected an rtsp or rtsps URL")
    if "@" in parts.netloc or _CREDENTIALS.search(address):
        raise Invalid("stream_address", "expected a URL without credentials")
