"""A detection as an edge says it, and what is wrong with it; no I/O."""

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from cameras.directory import CameraPlace

KINDS = (
    "LOITERING",
    "INTRUSION",
    "ABANDONMENT",
    "FIGHT",
    "ARSON",
    "FALL",
    "DROWNING",
    "MISSING_PERSON",
    "FIRE",
)
MAX_TRACK_LENGTH = 64
MAX_AHEAD_MICROS = 5_000_000
# Less than alarms remember: what is sent again must find what it did.
MAX_BEHIND_MICROS = 7 * 24 * 3600 * 1_000_000


class Reason(StrEnum):
    """Why a detection is refused; names as in the protocol's DetectionProblemReason."""

    UNKNOWN_CAMERA = "UNKNOWN_CAMERA"
    RETIRED_CAMERA = "RETIRED_CAMERA"
    UNKNOWN_KIND = "UNKNOWN_KIND"
    INVALID_TRACK = "INVALID_TRACK"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    INVALID_TIME = "INVALID_TIME"
    FUTURE_TIME = "FUTURE_TIME"


class Box(NamedTuple):
    """Where in the picture, from the upper left; shares of its width and height, 0 to 1."""

    x: float
    y: float
    width: float
    height: float


class Detection(NamedTuple):
    """Not yet judged. kind: one of KINDS, else ""; detected_at: µs since 1970 UTC, else None."""

    camera_id: str
    kind: str
    track_id: str
    confidence: float
    box: Box | None
    detected_at: int | None


class Problem(NamedTuple):
    """The first thing that is wrong with a detection."""

    reason: Reason
    field: str
    message: str


def check(
    detection: Detection, places: Mapping[str, CameraPlace], now: int
) -> CameraPlace | Problem:
    """Where the camera is, when the detection is good. now: µs since 1970 UTC."""
    camera_id, kind, track_id, confidence, box, detected_at = detection
    place = places.get(camera_id)
    if place is None:
        return Problem(
            Reason.UNKNOWN_CAMERA,
            "camera_id",
            f"{camera_id[:64]!r}, expected the id of a registered camera",
        )
    if place.retired:
        return Problem(
            Reason.RETIRED_CAMERA, "camera_id", f"{camera_id!r} is retired, expected one in service"
        )
    if not kind:
        return Problem(Reason.UNKNOWN_KIND, "kind", "expected one of DetectionKind's, not 0")
    if not is_track(track_id):
        return Problem(
            Reason.INVALID_TRACK,
            "track_id",
            f"{track_id[:MAX_TRACK_LENGTH]!r}, expected 1 to {MAX_TRACK_LENGTH} printable ASCII"
            " characters",
        )
    if not 0.0 <= confidence <= 1.0:
        return Problem(Reason.OUT_OF_RANGE, "confidence", f"{confidence:g}, expected 0 to 1")
    if box is not None:
        for name, value in zip(Box._fields, box, strict=True):
            if not 0.0 <= value <= 1.0:
                return Problem(Reason.OUT_OF_RANGE, f"box.{name}", f"{value:g}, expected 0 to 1")
    if detected_at is None or detected_at < 0:
        return Problem(Reason.INVALID_TIME, "detected_at", "expected a time since 1970")
    if detected_at < now - MAX_BEHIND_MICROS:
        return Problem(
            Reason.INVALID_TIME,
            "detected_at",
            f"expected at most {MAX_BEHIND_MICROS // (24 * 3600 * 1_000_000)} days ago",
        )
    if detected_at > now + MAX_AHEAD_MICROS:
        ahead = math.ceil((detected_at - now) / 1e6)
        return Problem(
            Reason.FUTURE_TIME,
            "detected_at",
            f"{ahead} s ahead of the service's clock, expected at most"
            f" {MAX_AHEAD_MICROS // 1_000_000}",
        )
    return place


def is_track(value: str) -> bool:
    """1 to 64 printable ASCII characters."""
    return 0 < len(value) <= MAX_TRACK_LENGTH and value.isascii() and value.isprintable()
