"""What the stage is given: the modelled city's detections at its normal rate, as real events."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count, islice

from cameras.alarms.alarm import Site
from cameras.directory import CameraPlace
from cameras.ingest.detection import Box, Detection
from cameras.ingest.facts import moment, object_detected
from city_backbone.events import OutgoingEvent

from loadtests.city.cameras.background import Load, detections
from loadtests.city.cameras.estate import estate

SEED = 1
EVENING = int(datetime(2026, 11, 20, 9, tzinfo=UTC).timestamp())
"""18:00 in Seoul, the busiest hour: about 400 a second."""
ALARMS_PER_HOUR = 600.0


def sites() -> dict[str, Site]:
    """The city's."""
    return {one.site_id: Site(one.site_id, one.name, *one.point) for one in estate(SEED).sites}


def at(scale: float) -> Load:
    """`scale` times the city's normal rate."""
    return Load(SEED, scale, ALARMS_PER_HOUR * scale)


def events(number: int, load: Load) -> list[OutgoingEvent]:
    """So many of what ingest lets in, in the order of time."""
    return list(islice(_events(load), number))


def _events(load: Load) -> Iterator[OutgoingEvent]:
    places = {
        one.camera_id: CameraPlace(one.camera_id, one.site_id, str(one.purpose), False)
        for one in estate(SEED).cameras
    }
    for second in count(EVENING):
        for one in detections(load, second):
            if one.fault is None:
                it = one.box
                box = None if it is None else Box(it.x, it.y, it.width, it.height)
                seen = Detection(
                    one.camera_id, str(one.kind), one.track_id, one.confidence, box, one.micros
                )
                received_at = moment(one.micros) + timedelta(milliseconds=40)
                yield object_detected(seen, places[one.camera_id], received_at)
