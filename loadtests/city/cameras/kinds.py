"""What cameras are for and what their analytics see, by the names of city.cameras.v1."""

from dataclasses import dataclass
from enum import StrEnum


class Purpose(StrEnum):
    """생활방범, 공원, 차량방범, 어린이보호."""

    LIVING_AREA_SECURITY = "LIVING_AREA_SECURITY"
    PARK = "PARK"
    VEHICLE = "VEHICLE"
    CHILD_PROTECTION = "CHILD_PROTECTION"


class Kind(StrEnum):
    """배회, 침입, 유기, 싸움, 방화, 쓰러짐, 익수, 실종자, 화재."""

    LOITERING = "LOITERING"
    INTRUSION = "INTRUSION"
    ABANDONMENT = "ABANDONMENT"
    FIGHT = "FIGHT"
    ARSON = "ARSON"
    FALL = "FALL"
    DROWNING = "DROWNING"
    MISSING_PERSON = "MISSING_PERSON"
    FIRE = "FIRE"


class Fault(StrEnum):
    """What is wrong with a malformed detection; `cameras` refuses each."""

    UNKNOWN_CAMERA = "unknown camera"
    OUT_OF_RANGE = "confidence out of range"
    NO_TRACK = "no track"
    FUTURE = "from the future"


@dataclass(frozen=True, slots=True)
class Box:
    """Shares of the picture, 0 to 1, from the upper left."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Detection:
    """What a camera sends. `micros` is when it was seen, microseconds since 1970 UTC.

    `fault` is the model's own knowledge, not sent.
    """

    camera_id: str
    kind: Kind
    track_id: str
    confidence: float
    box: Box | None
    micros: int
    fault: Fault | None = None
