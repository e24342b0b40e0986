"""Where the modelled stations stand: nine neighbourhoods of Sejong (세종특별자치시), WGS 84."""

import math
from dataclasses import dataclass

_METRES_PER_DEGREE = 111_320.0


@dataclass(frozen=True, slots=True)
class Dong:
    """A neighbourhood: `slug` for ids, Korean name, degrees north and east of about its middle."""

    slug: str
    name: str
    latitude: float
    longitude: float


# Real names; the positions are read off a map to about 300 m.
DONGS = (
    Dong("goun", "고운동", 36.5140, 127.2330),
    Dong("areum", "아름동", 36.5125, 127.2460),
    Dong("dodam", "도담동", 36.5145, 127.2590),
    Dong("jongchon", "종촌동", 36.5025, 127.2480),
    Dong("saerom", "새롬동", 36.4855, 127.2490),
    Dong("hansol", "한솔동", 36.4740, 127.2525),
    Dong("daepyeong", "대평동", 36.4705, 127.2735),
    Dong("boram", "보람동", 36.4795, 127.2890),
    Dong("sodam", "소담동", 36.4850, 127.3010),
)


def metres_between(one: Dong, other: Dong) -> float:
    """Flat distance; within a city it is right to a metre."""
    north = (other.latitude - one.latitude) * _METRES_PER_DEGREE
    east = (other.longitude - one.longitude) * _METRES_PER_DEGREE
    return math.hypot(north, east * math.cos(math.radians(one.latitude)))


def moved(dong: Dong, north_metres: float, east_metres: float) -> tuple[float, float]:
    """Degrees north and east of a point that far from the dong's middle, to about 1 m."""
    latitude = dong.latitude + north_metres / _METRES_PER_DEGREE
    per_degree = _METRES_PER_DEGREE * math.cos(math.radians(dong.latitude))
    return round(latitude, 5), round(dong.longitude + east_metres / per_degree, 5)
