"""The one way in: detections are checked, published and counted, whatever edge they came by."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from city_backbone.events import OutgoingEvent
from opentelemetry.metrics import Meter

from cameras.directory import CameraPlace, Directory
from cameras.ingest import facts
from cameras.ingest.detection import Detection, Problem, check

DETECTIONS_METRIC = "city.cameras.detections"  # by outcome (accepted, or why not), kind, source


class Publishes(Protocol):
    """The backbone's Direct."""

    async def publish(self, events: Sequence[OutgoingEvent]) -> None:
        """Returns when the broker has confirmed all. Raises Transient."""


class Intake:
    """A camera that is not known may have been registered a moment ago, by another replica too:
    before it is refused the directory is read again, at most once in `refresh_seconds`.
    """

    def __init__(
        self,
        directory: Directory,
        direct: Publishes,
        meter: Meter,
        clock: Callable[[], datetime],
        refresh_seconds: float,
    ) -> None:
        self._directory = directory
        self._direct = direct
        self._clock = clock
        self._counter = meter.create_counter(DETECTIONS_METRIC)
        self._refresh_seconds = refresh_seconds
        self._refreshing = asyncio.Lock()
        self._refreshed_at = float("-inf")

    async def take(
        self, detections: Sequence[Detection], source: str
    ) -> Sequence[tuple[int, Problem]]:
        """What was refused, by position; the others are on the topic when this returns.

        Raises Transient when the broker did not confirm: then all of it may be sent again.
        """
        if not detections:
            return []
        places = await self._places({detection.camera_id for detection in detections})
        received_at = self._clock()
        now = facts.micros(received_at)
        events: list[OutgoingEvent] = []
        refused: list[tuple[int, Problem]] = []
        outcomes: Counter[tuple[str, str]] = Counter()
        for position, detection in enumerate(detections):
            judged = check(detection, places, now)
            if isinstance(judged, Problem):
                refused.append((position, judged))
                outcomes[judged.reason.lower(), detection.kind] += 1
            else:
                events.append(facts.object_detected(detection, judged, received_at))
                outcomes["accepted", detection.kind] += 1
        if events:
            # Of one site in order of time: else one camera's newest makes the next one's too late.
            events.sort(key=lambda event: event.time)
            await self._direct.publish(events)
        for (outcome, kind), number in outcomes.items():
            self._counter.add(
                number, {"outcome": outcome, "kind": kind.lower() or "unknown", "source": source}
            )
        return refused

    async def place(self, camera_id: str) -> CameraPlace | None:
        """Where a camera is; None when it is not registered."""
        return (await self._places({camera_id})).get(camera_id)

    async def _places(self, camera_ids: set[str]) -> Mapping[str, CameraPlace]:
        places = await self._directory.places()
        if _in_service(camera_ids, places):
            return places
        async with self._refreshing:  # who waited here finds what the one before has read
            places = await self._directory.places()
            now = time.monotonic()
            if _in_service(camera_ids, places) or now < self._refreshed_at + self._refresh_seconds:
                return places
            self._refreshed_at = now
            self._directory.forget()
            return await self._directory.places()


def _in_service(camera_ids: set[str], places: Mapping[str, CameraPlace]) -> bool:
    """What another replica registered or put back in service is not known here yet."""
    return all((place := places.get(one)) is not None and not place.retired for one in camera_ids)
