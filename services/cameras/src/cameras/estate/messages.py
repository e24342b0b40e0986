"""Between the protocol's messages and the domain."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from city.cameras.v1 import camera_pb2 as pb
from city.type.v1 import position_pb2
from city_backbone.errors import InvalidArgument
from city_backbone.geo import Point
from google.protobuf.timestamp_pb2 import Timestamp

from cameras.errors import Invalid
from cameras.estate.camera import Camera, camera
from cameras.estate.finding import Near
from cameras.estate.heartbeats import Outcome, Result
from cameras.estate.presence import PresenceStatus
from cameras.estate.site import Purpose, Site, checked_position, site

MAX_PER_REQUEST = 1_000
MAX_PROBLEMS = 1_000

M = TypeVar("M")
D = TypeVar("D", Site, Camera)

_PURPOSES = {pb.Purpose.Value(f"PURPOSE_{known.name}"): known for known in Purpose}
_PRESENCES = {pb.PresenceStatus.Value(f"PRESENCE_STATUS_{p.name}"): p for p in PresenceStatus}


def sites_from(messages: Sequence[pb.Site]) -> list[Site]:
    """Raises InvalidArgument naming the field, as `sites[3].name`."""
    return _all_from("sites", messages, _site_from, lambda known: ("site_id", known.site_id))


def cameras_from(messages: Sequence[pb.Camera]) -> list[Camera]:
    """Raises InvalidArgument naming the field, as `cameras[3].heading_degrees`."""
    return _all_from(
        "cameras", messages, _camera_from, lambda known: ("camera_id", known.camera_id)
    )


def _all_from(
    field: str,
    messages: Sequence[M],
    read: Callable[[M], D],
    identity: Callable[[D], tuple[str, str]],
) -> list[D]:
    if not 1 <= len(messages) <= MAX_PER_REQUEST:
        raise InvalidArgument(field, f"expected 1 to {MAX_PER_REQUEST}, got {len(messages)}")
    found: list[D] = []
    places: dict[str, int] = {}
    for index, message in enumerate(messages):
        try:
            known = read(message)
        except Invalid as error:
            raise InvalidArgument(f"{field}[{index}].{error.field}", error.expected) from error
        name, value = identity(known)
        first = places.setdefault(value, index)
        if first != index:
            raise InvalidArgument(
                f"{field}[{index}].{name}",
                f"expected each once, {value!r} stands at {first} already",
            )
        found.append(known)
    return found


def _site_from(message: pb.Site) -> Site:
    return site(
        site_id=message.site_id,
        name=message.name,
        purpose=_PURPOSES.get(message.purpose),
        position=_point(message.position) if message.HasField("position") else None,
    )


def _camera_from(message: pb.Camera) -> Camera:
    return camera(
        camera_id=message.camera_id,
        site_id=message.site_id,
        purpose=_PURPOSES.get(message.purpose),
        position=_point(message.position) if message.HasField("position") else None,
        heading_degrees=message.heading_degrees if message.HasField("heading_degrees") else None,
        field_of_view_degrees=message.field_of_view_degrees,
        range_metres=message.range_metres,
        retention_days=message.retention_days,
        stream_address=message.stream_address,
    )


def purpose_from(number: pb.Purpose.ValueType) -> Purpose | None:
    """None when unspecified. Raises InvalidArgument for a number that we do not know."""
    if number and number not in _PURPOSES:
        raise InvalidArgument("purpose", f"expected a known purpose, got {number}")
    return _PURPOSES.get(number)


def presence_from(number: pb.PresenceStatus.ValueType) -> PresenceStatus | None:
    """None when unspecified. Raises InvalidArgument for a number that we do not know."""
    if number and number not in _PRESENCES:
        raise InvalidArgument("presence", f"expected a known presence, got {number}")
    return _PRESENCES.get(number)


def point_from(request: pb.FindNearRequest) -> Point:
    """Raises InvalidArgument naming the part that is wrong."""
    try:
        return checked_position(
            _point(request.point) if request.HasField("point") else None, "point"
        )
    except Invalid as error:
        raise InvalidArgument(error.field, error.expected) from error


def _point(message: position_pb2.Position) -> Point:
    return Point(message.latitude, message.longitude)


def camera_message(known: Camera, *, stream_address: bool) -> pb.Camera:
    """stream_address: whether the caller may be told it."""
    heard = known.presence.last_heard_at
    message = pb.Camera(
        camera_id=known.camera_id,
        site_id=known.site_id,
        purpose=pb.Purpose.Value(f"PURPOSE_{known.purpose.name}"),
        position=position_pb2.Position(
            latitude=known.position.latitude, longitude=known.position.longitude
        ),
        heading_degrees=known.heading_degrees,
        field_of_view_degrees=known.field_of_view_degrees,
        range_metres=known.range_metres,
        retention_days=known.retention_days,
        stream_address=known.stream_address if stream_address else "",
        retired=known.retired,
        presence=pb.PresenceStatus.Value(f"PRESENCE_STATUS_{known.presence.status.name}"),
    )
    if heard is not None:
        message.last_heard_at.FromDatetime(heard)
    return message


def near_message(near: Near, *, stream_address: bool) -> pb.NearCamera:
    return pb.NearCamera(
        camera=camera_message(near.camera, stream_address=stream_address),
        distance_metres=near.distance_metres,
        looks_at_point=near.looks_at_point,
    )


def heartbeat_from(message: pb.Heartbeat) -> tuple[str, datetime | None]:
    """camera_id and sent_at, None where there is no usable time."""
    return message.camera_id, _time(message.sent_at) if message.HasField("sent_at") else None


def _time(message: Timestamp) -> datetime | None:
    try:
        return message.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def heartbeats_answer(results: Iterable[Result]) -> pb.SendHeartbeatsResponse:
    """Counts, and the first of the refusals."""
    answer = pb.SendHeartbeatsResponse()
    for index, result in enumerate(results):
        if result.outcome is not Outcome.REFUSED:
            answer.accepted += 1
            continue
        answer.refused += 1
        if len(answer.problems) < MAX_PROBLEMS:
            answer.problems.add(index=index, field=result.field, message=result.message)
    return answer
