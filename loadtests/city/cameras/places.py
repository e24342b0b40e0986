"""Uijeongbu (의정부시), WGS 84: the city's outline and its neighbourhoods."""

import math
from dataclasses import dataclass
from typing import TypeAlias

Point: TypeAlias = tuple[float, float]
"""Degrees north and east."""

METRES_PER_DEGREE = 111_320.0
SEOUL_SECONDS = 9 * 3600

# ASSUMPTION: drawn by hand around the built-up city to about 500 m, clockwise from the north; the
# mountains of the real outline (도봉산, 수락산) have no cameras and are left out.
OUTLINE: tuple[Point, ...] = (
    (37.7780, 127.0450),
    (37.7750, 127.0750),
    (37.7680, 127.1020),
    (37.7530, 127.1180),
    (37.7340, 127.1140),
    (37.7240, 127.0920),
    (37.7120, 127.0800),
    (37.6960, 127.0660),
    (37.6880, 127.0480),
    (37.6950, 127.0320),
    (37.7160, 127.0240),
    (37.7330, 127.0150),
    (37.7530, 127.0130),
    (37.7690, 127.0260),
)


@dataclass(frozen=True, slots=True)
class Dong:
    """A neighbourhood: Korean name, its middle, radius in metres, its share of the sites."""

    name: str
    middle: Point
    radius: float
    share: float


# Real names. Middles are about those of the public car parks there (the parking standard data
# set), to about 300 m; radius and share are ASSUMPTION (about the share of the people).
DONGS = (
    Dong("의정부동", (37.7400, 127.0470), 1_000, 0.15),
    Dong("호원동", (37.7125, 127.0455), 1_300, 0.18),
    Dong("장암동", (37.7240, 127.0590), 800, 0.08),
    Dong("신곡동", (37.7325, 127.0640), 1_100, 0.17),
    Dong("송산동", (37.7440, 127.0920), 1_400, 0.17),
    Dong("자금동", (37.7520, 127.0680), 1_100, 0.08),
    Dong("가능동", (37.7495, 127.0370), 900, 0.07),
    Dong("녹양동", (37.7590, 127.0385), 800, 0.05),
    Dong("흥선동", (37.7430, 127.0310), 800, 0.05),
)


def metres_between(one: Point, other: Point) -> float:
    """Flat distance; within a city it is right to a metre."""
    north = (other[0] - one[0]) * METRES_PER_DEGREE
    east = (other[1] - one[1]) * METRES_PER_DEGREE
    return math.hypot(north, east * math.cos(math.radians(one[0])))


def moved(point: Point, metres: float, bearing: float) -> Point:
    """The point `metres` away at `bearing` degrees clockwise from north, to about 0.1 m."""
    north = metres * math.cos(math.radians(bearing))
    east = metres * math.sin(math.radians(bearing))
    per_degree = METRES_PER_DEGREE * math.cos(math.radians(point[0]))
    return round(point[0] + north / METRES_PER_DEGREE, 6), round(point[1] + east / per_degree, 6)


def bearing_to(one: Point, other: Point) -> float:
    """Degrees clockwise from north, 0 to below 360, from one point to the other."""
    north = other[0] - one[0]
    east = (other[1] - one[1]) * math.cos(math.radians(one[0]))
    return math.degrees(math.atan2(east, north)) % 360.0


def inside(point: Point) -> bool:
    """Whether the point lies within OUTLINE."""
    north, east = point
    within = False
    for (north1, east1), (north2, east2) in zip(OUTLINE, OUTLINE[1:] + OUTLINE[:1], strict=True):
        if (north1 > north) != (north2 > north):
            crossing = east1 + (north - north1) / (north2 - north1) * (east2 - east1)
            within ^= east < crossing
    return within
