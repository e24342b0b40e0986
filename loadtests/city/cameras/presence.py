"""When cameras give signs of life, and when they fall silent for a while."""

from collections.abc import Mapping
from functools import lru_cache

from loadtests.city.cameras.estate import Camera, estate
from loadtests.city.cameras.rates import (
    HEARTBEAT_SECONDS,
    OUTAGE_SECONDS,
    OUTAGE_SHARE_OF_HOURS,
    SLOWEST_HEARTBEAT_SECONDS,
)
from loadtests.city.seeded import draws


def heartbeats(seed: int, rate: float, second: int) -> tuple[Camera, ...]:
    """Cameras that send a heartbeat in that epoch second.

    Each does once in HEARTBEAT_SECONDS at the normal `rate` of 1, spread evenly; below it more
    seldom, down to once in SLOWEST_HEARTBEAT_SECONDS.
    """
    interval = round(min(HEARTBEAT_SECONDS / rate, SLOWEST_HEARTBEAT_SECONDS)) if rate else 0
    due = estate(seed).cameras[second % interval :: interval] if interval else ()
    return tuple(camera for camera in due if not silent(seed, camera.camera_id, second))


def silent(seed: int, camera_id: str, second: int) -> bool:
    """Whether the camera is dead at that epoch second. A stage's camera never is."""
    hour = second // 3600
    for began in (hour - 1, hour):
        outage = _outages(seed, began).get(camera_id)
        if outage is not None and outage[0] <= second < outage[1]:
            return True
    return False


@lru_cache(maxsize=8)
def _outages(seed: int, hour: int) -> Mapping[str, tuple[float, float]]:
    """Begin and end, epoch seconds, of the outages that begin in the hour, by camera."""
    draw = draws(seed, "outage", hour)
    outages = {}
    for site in estate(seed).background:
        for camera in site.cameras:
            if draw.random() < OUTAGE_SHARE_OF_HOURS:
                begin = (hour + draw.random()) * 3600
                outages[camera.camera_id] = (begin, begin + draw.uniform(*OUTAGE_SECONDS))
    return outages
