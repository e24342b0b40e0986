"""Context of an incident in words: the cameras that look at it and the air around it.

What could not be found out is said, with the reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from emergency.domain.incident import Grade, Position
from emergency.domain.scsns import seoul

CAMERAS = "카메라"
AIR = "대기질"


@dataclass(frozen=True, slots=True)
class Missing:
    """It could not be found out; `again` when it may be later."""

    reason: str
    again: bool = True

    def __str__(self) -> str:
        return f"확인 불가: {self.reason}"


@dataclass(frozen=True, slots=True)
class NearCamera:
    """A camera and its distance from the incident, metres."""

    camera_id: str
    distance_metres: float


@dataclass(frozen=True, slots=True)
class LeasedCamera:
    """A camera whose video a room may see until `until`, aware UTC; the token is a secret."""

    near: NearCamera
    position: Position
    looks: bool
    token: str = field(repr=False)
    until: datetime


@dataclass(frozen=True, slots=True)
class Air:
    """The newest assessed hour of a station; `mean` of its worst pollutant with its unit.

    `index` is the CAI, None when it could not be computed.
    """

    dong: str
    position: Position
    hour_end: datetime
    index: int | None
    grade: str
    mean: str


Cameras = Sequence[NearCamera] | Missing


def cameras_text(cameras: Cameras, metres: float) -> str:
    """Nearest first, for example `living-0001-1 (12 m), park-0003-2 (40 m)`."""
    if isinstance(cameras, Missing):
        return str(cameras)
    listed = ", ".join(f"{one.camera_id} ({one.distance_metres:.0f} m)" for one in cameras)
    return listed or f"반경 {metres:g} m 안에 없음"


def air_text(air: Air | Missing | None, metres: float) -> str:
    """For example `보람동 CAI 112 나쁨 (PM10 132 µg/m³)`."""
    if isinstance(air, Missing):
        return str(air)
    if air is None:
        return f"반경 {metres:g} m 안에 최근 측정값 없음"
    index = "CAI 없음" if air.index is None else f"CAI {air.index} {air.grade}".strip()
    return f"{air.dong} {index} ({air.mean})" if air.mean else f"{air.dong} {index}"


def video_items(cameras: Sequence[LeasedCamera], metres: float) -> dict[str, str]:
    """Items of the answer to the room that asked for video: it holds secrets."""
    items = {CAMERAS: cameras_text([one.near for one in cameras], metres)}
    for number, one in enumerate(cameras, 1):
        key = f"{CAMERAS} {number}"
        near, place = one.near, one.position
        looks = "지점을 비춤" if one.looks else "주변"
        items[key] = f"{near.camera_id} ({near.distance_metres:.0f} m, {looks})"
        if not one.token:
            items[f"{key} 영상"] = "제공 불가"
            continue
        items[f"{key} 위치"] = f"{place.latitude:.6f},{place.longitude:.6f}"
        items[f"{key} 토큰"] = one.token
        items[f"{key} 시한"] = seoul.seconds(one.until)
    return items


def ground(kind: str, grade: Grade) -> str:
    """The legal ground of a room's request for video, as `cameras` names it.

    119구조·구급 for 119; for 112 life, body or property at risk when it is urgent, else the
    investigation of a crime (개인정보 보호법 제18조제2항제3호, 제7호).
    """
    if kind.startswith("119"):
        return "RESCUE"
    return "LIFE_OR_BODY" if grade is Grade.URGENT else "CRIME_INVESTIGATION"
