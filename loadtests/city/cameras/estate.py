"""The estate of the control centre, a function of the seed."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

from loadtests.city.cameras.kinds import Purpose
from loadtests.city.cameras.places import DONGS, Dong, Point, inside, metres_between, moved
from loadtests.city.cameras.rates import (
    ALL_AROUND_SHARE,
    ALL_AROUND_VIEW,
    ESTATE,
    MAX_CAMERAS_PER_SITE,
    METRES_FROM_MIDDLE,
    MIN_METRES_BETWEEN_SITES,
    RETENTION_DAYS,
    STAGE_RANGE,
    STAGE_VIEW,
    VIEWS,
)
from loadtests.city.cameras.stages import CLEARANCE, STAGES, Stage
from loadtests.city.seeded import draws

_WORDS = {
    Purpose.LIVING_AREA_SECURITY: ("living", "생활방범"),
    Purpose.PARK: ("park", "근린공원"),
    Purpose.VEHICLE: ("vehicle", "차량방범"),
    Purpose.CHILD_PROTECTION: ("child", "어린이보호구역"),
}


@dataclass(frozen=True, slots=True)
class Camera:
    """Degrees and metres; `heading` is None for one that looks all around."""

    camera_id: str
    site_id: str
    purpose: Purpose
    point: Point
    heading: float | None
    view: float
    reach: float
    retention_days: int
    stream_address: str


@dataclass(frozen=True, slots=True)
class Site:
    """A place and the cameras around it that look at it; `dong` is None for a stage."""

    site_id: str
    name: str
    purpose: Purpose
    point: Point
    dong: str | None
    cameras: tuple[Camera, ...]


@dataclass(frozen=True)
class Estate:
    """All sites, in order of purpose, then id."""

    sites: tuple[Site, ...]

    @cached_property
    def cameras(self) -> tuple[Camera, ...]:
        return tuple(camera for site in self.sites for camera in site.cameras)

    @cached_property
    def background(self) -> tuple[Site, ...]:
        """Sites on which no scene is played."""
        return tuple(site for site in self.sites if site.dong is not None)

    @cached_property
    def by_id(self) -> dict[str, Site]:
        return {site.site_id: site for site in self.sites}


@lru_cache(maxsize=4)
def estate(seed: int) -> Estate:
    """898 sites with 3,038 cameras, by purpose as ESTATE says, inside the city's outline."""
    placed: list[Point] = []
    sites = [site for purpose in Purpose for site in _sites(seed, purpose, placed)]
    return Estate(tuple(sites))


def _sites(seed: int, purpose: Purpose, placed: list[Point]) -> Iterator[Site]:
    prefix, word = _WORDS[purpose]
    count, cameras = ESTATE[purpose]
    stages = [stage for stage in STAGES if stage.purpose is purpose]
    yield from map(_staged, stages)
    draw = draws(seed, "estate", purpose)
    left = cameras - sum(len(stage.headings) for stage in stages)
    numbers: Counter[str] = Counter()
    for number, cameras_here in enumerate(
        _shared_out(draw, left, count - len(stages)), start=len(stages) + 1
    ):
        dong = draw.choices(DONGS, [dong.share for dong in DONGS])[0]
        point = _place(draw, dong, placed)
        placed.append(point)
        numbers[dong.name] += 1
        site_id = f"{prefix}-{number:04}"
        yield Site(
            site_id=site_id,
            name=f"{dong.name} {word} {numbers[dong.name]}",
            purpose=purpose,
            point=point,
            dong=dong.name,
            cameras=tuple(_cameras(draw, site_id, purpose, point, cameras_here)),
        )


def _staged(stage: Stage) -> Site:
    cameras = tuple(
        _camera(stage.site_id, number, stage.purpose, stage.point, heading, STAGE_VIEW, STAGE_RANGE)
        for number, heading in enumerate(stage.headings, start=1)
    )
    return Site(stage.site_id, stage.name, stage.purpose, stage.point, None, cameras)


def _shared_out(draw: random.Random, cameras: int, sites: int) -> list[int]:
    """`cameras` over `sites`: one each, the rest at random, at most MAX_CAMERAS_PER_SITE."""
    counts = [1] * sites
    open_sites = list(range(sites))
    for _ in range(cameras - sites):
        index = draw.randrange(len(open_sites))
        counts[open_sites[index]] += 1
        if counts[open_sites[index]] == MAX_CAMERAS_PER_SITE:
            open_sites[index] = open_sites[-1]
            open_sites.pop()
    return counts


def _place(draw: random.Random, dong: Dong, placed: list[Point]) -> Point:
    while True:
        away = dong.radius * draw.random() ** 0.5
        point = moved(dong.middle, away, draw.uniform(0, 360))
        if (
            inside(point)
            and all(metres_between(point, stage.point) > CLEARANCE for stage in STAGES)
            and all(metres_between(point, other) > MIN_METRES_BETWEEN_SITES for other in placed)
        ):
            return point


def _cameras(
    draw: random.Random, site_id: str, purpose: Purpose, point: Point, count: int
) -> Iterator[Camera]:
    first = draw.uniform(0, 360)
    views, reaches = VIEWS[purpose]
    for number in range(1, count + 1):
        heading = round((first + 360 * number / count + draw.uniform(-20, 20)) % 360, 1) % 360
        view, reach = round(draw.uniform(*views)), round(draw.uniform(*reaches))
        if draw.random() < ALL_AROUND_SHARE[purpose]:
            yield _camera(site_id, number, purpose, point, None, ALL_AROUND_VIEW, reach)
        else:
            yield _camera(site_id, number, purpose, point, heading, view, reach)


def _camera(
    site_id: str,
    number: int,
    purpose: Purpose,
    point: Point,
    heading: float | None,
    view: float,
    reach: float,
) -> Camera:
    camera_id = f"{site_id}-{number}"
    return Camera(
        camera_id=camera_id,
        site_id=site_id,
        purpose=purpose,
        # It looks across what the site is about.
        point=point if heading is None else moved(point, METRES_FROM_MIDDLE, heading + 180),
        heading=heading,
        view=view,
        reach=reach,
        retention_days=RETENTION_DAYS,
        stream_address=f"rtsp://{camera_id}.cctv.example:554/main",
    )
