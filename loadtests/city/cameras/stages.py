"""The sites on which scenes are played. The background leaves them alone, and stays away."""

from dataclasses import dataclass

from loadtests.city.cameras.kinds import Purpose
from loadtests.city.cameras.places import Point, bearing_to


@dataclass(frozen=True, slots=True)
class Stage:
    """A site of fixed id, name and place; its cameras look at `headings` (degrees)."""

    site_id: str
    name: str
    purpose: Purpose
    point: Point
    headings: tuple[float, ...]


_FRONT: Point = (37.72900, 127.06700)
_BACK: Point = (37.72938, 127.06748)  # 60 m north-east of the front

STATION = Stage(
    "living-0001",
    "의정부역 동부광장",
    Purpose.LIVING_AREA_SECURITY,
    (37.73842, 127.04700),
    (30.0, 150.0, 270.0),
)
BARS = Stage(
    "living-0002",
    "송산동 민락로데오거리",
    Purpose.LIVING_AREA_SECURITY,
    (37.74480, 127.09740),
    (0.0, 90.0, 180.0, 270.0),
)
SHOPS_FRONT = Stage(
    "living-0003",
    "신곡동 발곡상가 앞",
    Purpose.LIVING_AREA_SECURITY,
    _FRONT,
    (round(bearing_to(_FRONT, _BACK), 1), 200.0),
)
SHOPS_BACK = Stage(
    "living-0004",
    "신곡동 발곡상가 뒤",
    Purpose.LIVING_AREA_SECURITY,
    _BACK,
    (round(bearing_to(_BACK, _FRONT), 1), 20.0),
)
QUIET = Stage(
    "living-0005",
    "녹양동 녹양역 광장",
    Purpose.LIVING_AREA_SECURITY,
    (37.75930, 127.04220),
    (45.0, 225.0),
)
ALLEY = Stage(
    "living-0006",
    "호원동 회룡역 뒷골목",
    Purpose.LIVING_AREA_SECURITY,
    (37.72480, 127.04800),
    (10.0, 190.0),
)
STREAM = Stage(
    "living-0007",
    "호원동 중랑천 둔치",
    Purpose.LIVING_AREA_SECURITY,
    (37.71350, 127.05150),
    (80.0, 260.0),
)
PARK = Stage(
    "park-0001",
    "의정부동 직동근린공원 중앙광장",
    Purpose.PARK,
    (37.73300, 127.03480),
    (60.0, 240.0),
)
SCHOOL = Stage(
    "child-0001",
    "가능동 가능초등학교 정문",
    Purpose.CHILD_PROTECTION,
    (37.74750, 127.03300),
    (0.0, 120.0, 240.0),
)

STAGES = (STATION, BARS, SHOPS_FRONT, SHOPS_BACK, QUIET, ALLEY, STREAM, PARK, SCHOOL)
# Metres around a stage without any other site: more than a camera sees and more than the hundred
# metres within which emergency takes two alarms for one incident.
CLEARANCE = 300.0
