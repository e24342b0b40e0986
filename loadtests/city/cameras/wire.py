"""The model's estate, heartbeats and detections as messages of city.cameras.v1."""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from city.cameras.v1 import camera_pb2, detection_pb2
from city.type.v1 import position_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from loadtests.city.cameras.estate import Camera, Site
from loadtests.city.cameras.kinds import Detection, Kind, Purpose
from loadtests.city.cameras.places import Point

_NAMESPACE = uuid.UUID("0b8f1f0e-4f86-5a0d-9d0b-3a3f4f9d6c52")
_MICROS = 1_000_000
MESSAGE = 1_000
"""The most that one message or registration holds."""

_Item = TypeVar("_Item")

PURPOSES = {p: camera_pb2.Purpose.Value(f"PURPOSE_{p}") for p in Purpose}
KINDS = {k: detection_pb2.DetectionKind.Value(f"DETECTION_KIND_{k}") for k in Kind}


def idempotency_key(*parts: object) -> str:
    """The same parts make the same key."""
    return str(uuid.uuid5(_NAMESPACE, "/".join(map(str, parts))))


def chunks(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    """The items in order, `size` at a time."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def site_registrations(sites: Sequence[Site]) -> list[camera_pb2.RegisterSitesRequest]:
    """All sites, MESSAGE a request; the same sites make the same idempotency keys."""
    requests = []
    for chunk in chunks(sites, MESSAGE):
        request = camera_pb2.RegisterSitesRequest()
        for site in chunk:
            request.sites.add(
                site_id=site.site_id,
                name=site.name,
                purpose=PURPOSES[site.purpose],
                position=_position(site.point),
            )
        request.idempotency_key = idempotency_key(
            "sites", request.SerializeToString(deterministic=True).hex()
        )
        requests.append(request)
    return requests


def camera_registrations(cameras: Sequence[Camera]) -> list[camera_pb2.RegisterCamerasRequest]:
    """All cameras, MESSAGE a request; the same cameras make the same idempotency keys."""
    requests = []
    for chunk in chunks(cameras, MESSAGE):
        request = camera_pb2.RegisterCamerasRequest()
        for camera in chunk:
            request.cameras.add(
                camera_id=camera.camera_id,
                site_id=camera.site_id,
                purpose=PURPOSES[camera.purpose],
                position=_position(camera.point),
                heading_degrees=camera.heading,
                field_of_view_degrees=camera.view,
                range_metres=camera.reach,
                retention_days=camera.retention_days,
                stream_address=camera.stream_address,
            )
        request.idempotency_key = idempotency_key(
            "cameras", request.SerializeToString(deterministic=True).hex()
        )
        requests.append(request)
    return requests


def heartbeat_message(cameras: Iterable[Camera], micros: int) -> camera_pb2.SendHeartbeatsRequest:
    """One message of a SendHeartbeats call; sent at `micros` since 1970 UTC."""
    sent_at = timestamp(micros)
    return camera_pb2.SendHeartbeatsRequest(
        heartbeats=[
            camera_pb2.Heartbeat(camera_id=camera.camera_id, sent_at=sent_at) for camera in cameras
        ]
    )


def detection_message(found: Iterable[Detection]) -> detection_pb2.PublishDetectionsRequest:
    """One message of a PublishDetections call."""
    request = detection_pb2.PublishDetectionsRequest()
    for one in found:
        sent = request.detections.add(
            camera_id=one.camera_id,
            kind=KINDS[one.kind],
            track_id=one.track_id,
            confidence=one.confidence,
            detected_at=timestamp(one.micros),
        )
        if one.box is not None:
            sent.box.x, sent.box.y = one.box.x, one.box.y
            sent.box.width, sent.box.height = one.box.width, one.box.height
    return request


def timestamp(micros: int) -> Timestamp:
    """Microseconds since 1970 UTC."""
    seconds, rest = divmod(micros, _MICROS)
    return Timestamp(seconds=seconds, nanos=rest * 1000)


def _position(point: Point) -> position_pb2.Position:
    return position_pb2.Position(latitude=point[0], longitude=point[1])
