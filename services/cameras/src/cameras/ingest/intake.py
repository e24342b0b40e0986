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

    async def publish(self, events: Sequence[OutgoingEvent], *, yields: bool = False) -> None:
        """Returns when the broker has confirmed all. Raises Transient."""


class Urgent(Protocol):
    """The alarm rules."""

    def __call__(self, kind: str, purpose: str, at: int, confidence: float) -> bool:
        """Whether an alarm that 112 or 119 may wait for can come of it. at: µs since 1970 UTC."""


class Intake:
    """A camera that is not known may have been registered a moment ago, by another replica too:
    before it is refused the directory is read again, at most once in `refresh_seconds`.

    What is `urgent`, and what its sender does not keep, goes to the broker before the rest.
    """

    def __init__(
        self,
        directory: Directory,
        direct: Publishes,
        urgent: Urgent,
        meter: Meter,
        clock: Callable[[], datetime],
        refresh_seconds: float,
    ) -> None:
        self._directory = directory
        self._direct = direct
        self._urgent = urgent
        self._clock = clock
        self._counter = meter.create_counter(DETECTIONS_METRIC)
        self._refresh_seconds = refresh_seconds
        self._refreshing = asyncio.Lock()
        self._refreshed_at = float("-inf")

    async def take(
        self,
        detections: Sequence[Detection],
        source: str,
        admit: Callable[[], None] | None = None,
    ) -> Sequence[tuple[int, Problem]]:
        """What was refused, by position; the others are on the topic when this returns.

        Raises Transient when the broker did not confirm: then all of it may be sent again. When
        the sender keeps it until then, what has nothing urgent asks `admit` first, which raises
        Overloaded, and yields to others at the broker.
        """
        if not detections:
            return []
        places = await self._places({detection.camera_id for detection in detections})
        received_at = self._clock()
        now = facts.micros(received_at)
        events: list[OutgoingEvent] = []
        refused: list[tuple[int, Problem]] = []
        outcomes: Counter[tuple[str, str]] = Counter()
        yields = admit is not None
        for position, detection in enumerate(detections):
            judged = check(detection, places, now)
            if isinstance(judged, Problem):
                refused.append((position, judged))
                outcomes[judged.reason.lower(), detection.kind] += 1
            else:
                events.append(facts.object_detected(detection, judged, received_at))
                yields = yields and not self._is_urgent(detection, judged)
                outcomes["accepted", detection.kind] += 1
        if events:
            if yields and admit is not None:
                admit()
            # Of one site in order of time: else one camera's newest makes the next one's too late.
            events.sort(key=lambda event: event.time)
            await self._direct.publish(events, yields=yields)
        for (outcome, kind), number in outcomes.items():
            self._counter.add(
                number, {"outcome": outcome, "kind": kind.lower() or "unknown", "source": source}
            )
        return refused

    def _is_urgent(self, detection: Detection, place: CameraPlace) -> bool:
        assert detection.detected_at is not None
        return self._urgent(
            detection.kind, place.purpose, detection.detected_at, detection.confidence
        )

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
