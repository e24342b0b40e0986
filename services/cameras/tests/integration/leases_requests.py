"""What tests of leases ask for, and how they read a refusal."""

import itertools
import random
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import grpc
from cameras.estate.camera import Camera, camera
from cameras.estate.site import Purpose, Site, site
from city.cameras.v1 import lease_pb2 as pb
from city.type.v1.position_pb2 import Position
from city_backbone.geo import Point
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2
from grpc_status import rpc_status

# About one metre north, in degrees.
METRE = 1 / 111_195
_numbers = itertools.count()


def anywhere() -> Point:
    """A place far from every other test's."""
    return Point(random.uniform(-60, 60), random.uniform(-170, 170))


def camera_at(point: Point, name: str | None = None, heading: float | None = None) -> Camera:
    camera_id = name or f"park-{uuid4().hex[:12]}-{next(_numbers)}"
    return camera(
        camera_id=camera_id,
        site_id=f"site-{camera_id}"[:64],
        purpose=Purpose.PARK,
        position=point,
        heading_degrees=heading,
        field_of_view_degrees=90,
        range_metres=500,
        retention_days=30,
        stream_address=f"rtsp://camera.city.example/{camera_id}",
    )


def site_of(one: Camera) -> Site:
    return site(site_id=one.site_id, name="공원", purpose=one.purpose, position=one.position)


def asking(camera_id: str, incident_id: UUID | str, /, **changes: Any) -> pb.RequestLeaseRequest:
    fields: dict[str, Any] = {
        "idempotency_key": str(uuid4()),
        "camera_id": camera_id,
        "incident_id": str(incident_id),
        "ground": pb.LEGAL_GROUND_CRIME_INVESTIGATION,
        "requester": "kim",
        "duration": Duration(seconds=1800),
    }
    return pb.RequestLeaseRequest(**{**fields, **changes})


def scene_request(point: Point, incident_id: UUID | str, /, **changes: Any) -> pb.LeaseSceneRequest:
    fields: dict[str, Any] = {
        "incident_id": str(incident_id),
        "kind": "112UC001",
        "point": Position(latitude=point.latitude, longitude=point.longitude),
        "ground": pb.LEGAL_GROUND_CRIME_INVESTIGATION,
        "room": "room-112",
        "radius_metres": 150.0,
        "limit": 8,
    }
    return pb.LeaseSceneRequest(**{**fields, **changes})


def reason(error: grpc.aio.AioRpcError) -> str:
    """The status, and what google.rpc.ErrorInfo or the bad field says."""
    status = rpc_status.from_call(error)
    said: list[str] = []
    for detail in status.details if status else ():
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        if detail.Unpack(bad):
            said = [violation.field for violation in bad.field_violations]
        elif detail.Unpack(info):
            said = [info.reason]
    return ":".join([error.code().name, *said])


def names(leases: Sequence[pb.Lease]) -> list[str]:
    return [lease.lease_id for lease in leases]
