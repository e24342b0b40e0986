"""The probe of a detection: an arson at a place of its own, whose last detection makes it an alarm
at once."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from city.cameras.v1 import camera_pb2, detection_pb2
from city.cameras.v1.camera_pb2_grpc import CameraServiceStub
from city.cameras.v1.detection_pb2_grpc import DetectionServiceStub
from city.type.v1.position_pb2 import Position
from google.protobuf.timestamp_pb2 import Timestamp

from loadtests.latency.probing import CALL_SECONDS, Sent, not_before, traced, untraced

if TYPE_CHECKING:
    import grpc.aio
    from city.cameras.v1.camera_pb2_grpc import CameraServiceAsyncStub
    from city.cameras.v1.detection_pb2_grpc import DetectionServiceAsyncStub

SITES = 2_000
# Two probes at one place would be merged into one incident.
REST_SECONDS = 125.0
_PER_ROW = 25
_APART_METRES = 250.0
_METRES_PER_DEGREE = 111_320.0
_CORNER = (37.60, 127.20)
_BEFORE = (3.01, 2.5, 2.0, 1.5, 1.0, 0.5)
_CHUNK = 200


def _sites() -> Iterator[camera_pb2.Site]:
    for number in range(SITES):
        row, column = divmod(number, _PER_ROW)
        latitude = _CORNER[0] + row * _APART_METRES / _METRES_PER_DEGREE
        width = _METRES_PER_DEGREE * math.cos(math.radians(latitude))
        longitude = _CORNER[1] + column * _APART_METRES / width
        yield camera_pb2.Site(
            site_id=f"probe-{number:04}",
            name=f"측정 지점 {number}",
            purpose=camera_pb2.PURPOSE_LIVING_AREA_SECURITY,
            position=Position(latitude=latitude, longitude=longitude),
        )


class Arson:
    """Of `cameras`, each at a site with one camera."""

    department = "cameras"

    def __init__(self, channel: "grpc.aio.Channel") -> None:
        self._cameras: CameraServiceAsyncStub = CameraServiceStub(channel)
        self._detections: DetectionServiceAsyncStub = DetectionServiceStub(channel)

    def must_fit(self, count: int, per_second: float) -> None:
        """Raises ValueError."""
        if count / per_second > REST_SECONDS and SITES / per_second < REST_SECONDS:
            raise ValueError(f"per_second: expected at most {SITES / REST_SECONDS:.1f}")

    async def prepare(self) -> None:
        sites = list(_sites())
        for first in range(0, SITES, _CHUNK):
            chunk = sites[first : first + _CHUNK]
            await self._cameras.RegisterSites(
                camera_pb2.RegisterSitesRequest(idempotency_key=str(uuid4()), sites=chunk),
                timeout=CALL_SECONDS,
            )
            own = [
                camera_pb2.Camera(
                    camera_id=f"{site.site_id}-1",
                    site_id=site.site_id,
                    purpose=site.purpose,
                    position=site.position,
                    field_of_view_degrees=360,
                    range_metres=50,
                    retention_days=30,
                    stream_address=f"rtsp://cameras.example/{site.site_id}",
                )
                for site in chunk
            ]
            await self._cameras.RegisterCameras(
                camera_pb2.RegisterCamerasRequest(idempotency_key=str(uuid4()), cameras=own),
                timeout=CALL_SECONDS,
            )

    async def send(self, number: int, due: float) -> tuple[str, Sent]:
        camera, track = f"probe-{number % SITES:04}-1", f"probe-{number}-{uuid4().hex[:8]}"
        now = datetime.now(UTC)
        with untraced():
            await self._publish(camera, track, [now - timedelta(seconds=s) for s in _BEFORE])
        sent = Sent(not_before(due))
        with traced() as trace_id:
            await self._publish(camera, track, [now])
        return trace_id, sent

    async def _publish(self, camera: str, track: str, times: list[datetime]) -> None:
        found = []
        for at in times:
            stamp = Timestamp()
            stamp.FromDatetime(at)
            found.append(
                detection_pb2.Detection(
                    camera_id=camera,
                    kind=detection_pb2.DETECTION_KIND_ARSON,
                    track_id=track,
                    confidence=0.95,
                    detected_at=stamp,
                )
            )
        message = detection_pb2.PublishDetectionsRequest(detections=found)
        answer = await self._detections.PublishDetections(iter((message,)), timeout=CALL_SECONDS)
        if answer.refused:
            raise RuntimeError(f"{camera}: {answer.problems[0].message}")
