"""Places, plates and questions of the vault's tests, and how they read a refusal."""

import math
import random
from uuid import UUID

import grpc
import grpc.aio
from city.parking.v1 import vault_pb2 as pb
from city.type.v1.position_pb2 import Position
from city_backbone.geo import Point
from google.rpc import error_details_pb2
from grpc_status import rpc_status

METRE = 1 / 111_195  # north, in degrees


def anywhere() -> Point:
    """A place far from every other test's."""
    return Point(random.uniform(-60, 60), random.uniform(-170, 170))


def north(point: Point, metres: float) -> Point:
    return Point(point.latitude + metres * METRE, point.longitude)


def east(point: Point, metres: float) -> Point:
    degrees = metres * METRE / math.cos(math.radians(point.latitude))
    return Point(point.latitude, point.longitude + degrees)


def new_plate() -> str:
    return f"{random.randint(100, 999)}가{random.randint(1000, 9999)}"


def new_contact() -> str:
    return f"010-{random.randint(1000, 9999)}-{random.randint(1000, 9999)}"


def around(
    point: Point, incident_id: UUID | str, metres: float = 100, requester: str = "119"
) -> pb.FindBlockingVehiclesRequest:
    return pb.FindBlockingVehiclesRequest(
        incident_id=str(incident_id),
        requester=requester,
        around=pb.Around(
            point=Position(latitude=point.latitude, longitude=point.longitude),
            radius_metres=metres,
        ),
    )


def of_plate(
    plate: str, incident_id: UUID | str, requester: str = "119"
) -> pb.FindBlockingVehiclesRequest:
    return pb.FindBlockingVehiclesRequest(
        incident_id=str(incident_id), requester=requester, plate=plate
    )


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
