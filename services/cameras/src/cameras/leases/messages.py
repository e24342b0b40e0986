"""Between the protocol's messages and the domain."""

import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from city.cameras.v1 import lease_pb2 as pb
from city.type.v1.position_pb2 import Position
from city_backbone.errors import InvalidArgument
from city_backbone.geo import Point
from city_backbone.register import Verdict
from city_backbone.rpc.paging import page_token, parse_page_token
from google.protobuf.timestamp_pb2 import Timestamp

from cameras.leases.lease import Ground, Lease, Status
from cameras.leases.scene import Shot

MAX_RADIUS_METRES = 5_000
MAX_SCENE_CAMERAS = 20
_MAX_REASON = 500
_MAX_KIND = 64
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_GROUNDS: dict[int, Ground] = {
    pb.LegalGround.Value(f"LEGAL_GROUND_{ground}"): ground for ground in Ground
}
_STATUSES: dict[int, Status] = {
    pb.LeaseStatus.Value(f"LEASE_STATUS_{status}"): status for status in Status
}


def timestamp(time: datetime | None) -> Timestamp | None:
    if time is None:
        return None
    message = Timestamp()
    message.FromDatetime(time)
    return message


def lease_message(lease: Lease) -> pb.Lease:
    """As it stands in `lease`: give it `Lease.at` the moment it is read."""
    waits = lease.status in (Status.REQUESTED, Status.PROVISIONAL)
    return pb.Lease(
        lease_id=str(lease.lease_id),
        camera_id=lease.camera_id,
        incident_id=str(lease.incident_id),
        ground=pb.LegalGround.Value(f"LEGAL_GROUND_{lease.ground}"),
        requester=lease.requester,
        requested_by=lease.requested_by,
        status=pb.LeaseStatus.Value(f"LEASE_STATUS_{lease.status}"),
        approver=lease.approver,
        approved_afterwards=lease.approved_afterwards,
        automatic=lease.automatic,
        requested_at=timestamp(lease.requested_at),
        starts_at=timestamp(lease.starts_at),
        ends_at=timestamp(lease.ends_at),
        approve_by=timestamp(lease.approve_by) if waits else None,
        reason=lease.reason,
    )


def identity(field: str, text: str) -> UUID:
    """Raises InvalidArgument."""
    try:
        return UUID(text)
    except ValueError:
        raise InvalidArgument(field, "expected a UUID") from None


def ground(value: int) -> Ground:
    """Raises InvalidArgument for one that is not on the list."""
    try:
        return _GROUNDS[value]
    except KeyError:
        raise InvalidArgument("ground", f"expected one of {', '.join(Ground)}") from None


def ground_name(value: int) -> str:
    """For what was asked, on the list or not."""
    return _GROUNDS.get(value, str(value))


def statuses(values: Iterable[int]) -> list[Status]:
    """Raises InvalidArgument."""
    try:
        return [_STATUSES[value] for value in values]
    except KeyError:
        raise InvalidArgument("statuses", f"expected any of {', '.join(Status)}") from None


def duration(request: pb.RequestLeaseRequest) -> timedelta:
    """Zero when it was not given. Raises InvalidArgument for what no clock can hold."""
    try:
        return request.duration.ToTimedelta()
    except (ValueError, OverflowError):
        raise InvalidArgument("duration", "expected a duration within the limits") from None


def reason(text: str) -> str:
    """Raises InvalidArgument: who takes video away says why."""
    words = text.strip()
    if not words or len(words) > _MAX_REASON or not words.isprintable():
        raise InvalidArgument("reason", f"expected 1 to {_MAX_REASON} printable characters")
    return words


def point(request: pb.LeaseSceneRequest) -> Point:
    """Raises InvalidArgument."""
    if not request.HasField("point"):
        raise InvalidArgument("point", "expected a position")
    place = request.point
    for name, value, limit in (
        ("latitude", place.latitude, 90),
        ("longitude", place.longitude, 180),
    ):
        if not math.isfinite(value) or abs(value) > limit:
            raise InvalidArgument(f"point.{name}", f"expected -{limit} to {limit} degrees")
    return Point(place.latitude, place.longitude)


def radius(metres: float) -> float:
    """Raises InvalidArgument."""
    if not 0 < metres <= MAX_RADIUS_METRES:
        raise InvalidArgument("radius_metres", f"expected above 0, at most {MAX_RADIUS_METRES}")
    return metres


def scene_limit(cameras: int) -> int:
    """Raises InvalidArgument."""
    if not 1 <= cameras <= MAX_SCENE_CAMERAS:
        raise InvalidArgument("limit", f"expected 1 to {MAX_SCENE_CAMERAS}")
    return cameras


def kind(text: str) -> str:
    """Raises InvalidArgument."""
    if not 1 <= len(text) <= _MAX_KIND or not text.isprintable():
        raise InvalidArgument("kind", f"expected 1 to {_MAX_KIND} printable characters")
    return text


def shot_message(shot: Shot) -> pb.SceneCamera:
    position = shot.sight.camera.position
    return pb.SceneCamera(
        lease=lease_message(shot.lease),
        position=Position(latitude=position.latitude, longitude=position.longitude),
        distance_metres=shot.sight.distance_metres,
        looks_at_point=shot.sight.looks_at_point,
        token=shot.text,
        token_expires_at=timestamp(shot.token.expires_at) if shot.token else None,
    )


def place_after(last: Lease) -> str:
    """The page token behind `last`."""
    return page_token([(last.requested_at - _EPOCH) // _MICROSECOND, str(last.lease_id)])


def place(token: str) -> tuple[datetime, UUID] | None:
    """Raises InvalidArgument for a token we did not make."""
    match parse_page_token(token):
        case []:
            return None
        case [int(micros), str(lease_id)]:
            try:
                return _EPOCH + micros * _MICROSECOND, UUID(lease_id)
            except (ValueError, OverflowError):
                pass
    raise InvalidArgument("page_token", "expected a next_page_token of the same method")


def verdict_message(verdict: Verdict) -> pb.VerifyRegisterResponse:
    return pb.VerifyRegisterResponse(
        intact=verdict.intact,
        first_bad_sequence=verdict.first_bad_sequence or 0,
        problem=verdict.problem or "",
        head=pb.RegisterHead(sequence=verdict.head.sequence, hash=verdict.head.hash),
    )
