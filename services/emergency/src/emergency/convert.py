"""Between the domain and the messages of city.emergency.v1; checks what callers send."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from math import isfinite
from uuid import UUID

from city.emergency.v1 import emergency_pb2 as pb
from city.type.v1.position_pb2 import Position as PositionMessage
from city_backbone.errors import InvalidArgument
from google.protobuf.timestamp_pb2 import Timestamp

from emergency.domain.incident import Facts, Grade, Incident, Position, Status
from emergency.store import Change
from emergency.store_rooms import Delivery

_KIND = re.compile(r"[A-Za-z0-9]+([._-][A-Za-z0-9]+)*", re.ASCII)
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_CLOCK_SKEW = timedelta(minutes=5)
_STATUS = {
    pb.INCIDENT_STATUS_OCCURRED: Status.OCCURRED,
    pb.INCIDENT_STATUS_CHANGED: Status.CHANGED,
    pb.INCIDENT_STATUS_CLEARED: Status.CLEARED,
    pb.INCIDENT_STATUS_CANCELLED: Status.CANCELLED,
    pb.INCIDENT_STATUS_COMPLETED: Status.COMPLETED,
}
_GRADE = {
    pb.INCIDENT_GRADE_URGENT: Grade.URGENT,
    pb.INCIDENT_GRADE_NORMAL: Grade.NORMAL,
}
_STATUS_MESSAGE = {status: message for message, status in _STATUS.items()}
_GRADE_MESSAGE = {grade: message for message, grade in _GRADE.items()}


def incident_id(text: str) -> UUID:
    """Raises InvalidArgument."""
    try:
        return UUID(text)
    except ValueError:
        raise InvalidArgument("incident_id", "expected a UUID") from None


def status(value: int, field: str = "status") -> Status:
    """Raises InvalidArgument for one that is unspecified or unknown."""
    for message, known in _STATUS.items():
        if message == value:
            return known
    raise InvalidArgument(field, "expected one of OCCURRED, CHANGED, CLEARED, CANCELLED, COMPLETED")


def grade(value: int) -> Grade | None:
    """None for unspecified. Raises InvalidArgument for an unknown one."""
    if value == pb.INCIDENT_GRADE_UNSPECIFIED:
        return None
    for message, known in _GRADE.items():
        if message == value:
            return known
    raise InvalidArgument("grade", "expected URGENT or NORMAL")


def kind(value: str) -> str:
    """Raises InvalidArgument."""
    if len(value) > 60 or not _KIND.fullmatch(value):
        raise InvalidArgument("kind", "expected up to 60 letters, digits and . _ - between them")
    return value


def text(field: str, value: str, longest: int, required: bool = False) -> str:
    """Trimmed. Raises InvalidArgument."""
    value = value.strip()
    if "\x00" in value:
        raise InvalidArgument(field, "expected text without NUL")
    if len(value) > longest or (required and not value):
        raise InvalidArgument(field, f"expected {1 if required else 0} to {longest} characters")
    return value


def reported(request: pb.ReportIncidentRequest) -> Facts:
    """What a report says. Raises InvalidArgument."""
    grade_ = grade(request.grade)
    if grade_ is None:
        raise InvalidArgument("grade", "expected URGENT or NORMAL")
    return Facts(
        grade=grade_,
        title=text("title", request.title, 200, required=True),
        description=text("description", request.description, 4000),
        place=text("place", request.place, 200),
        position=_position(request.position) if request.HasField("position") else None,
    )


def occurred_at(request: pb.ReportIncidentRequest) -> datetime:
    """Aware UTC; now when left out. Raises InvalidArgument."""
    now = datetime.now(UTC)
    if not request.HasField("occurred_at"):
        return now
    try:
        value = request.occurred_at.ToDatetime(tzinfo=UTC)
    except ValueError:
        raise InvalidArgument("occurred_at", "expected a valid timestamp") from None
    if not _EARLIEST <= value <= now + _CLOCK_SKEW:
        raise InvalidArgument("occurred_at", "expected a time since 1970 and not in the future")
    return value


def incident(
    one: Incident, history: Sequence[Change] = (), deliveries: Sequence[Delivery] = ()
) -> pb.Incident:
    """As callers see it."""
    facts = one.facts
    position = facts.position
    return pb.Incident(
        incident_id=str(one.id),
        kind=one.kind,
        status=_STATUS_MESSAGE[one.status],
        grade=_GRADE_MESSAGE[facts.grade],
        title=facts.title,
        description=facts.description,
        place=facts.place,
        position=PositionMessage(latitude=position.latitude, longitude=position.longitude)
        if position
        else None,
        occurred_at=_timestamp(one.occurred_at),
        changed_at=_timestamp(one.changed_at),
        revision=one.revision,
        source=one.source.name,
        source_reference=one.source.reference,
        history=[_change(change) for change in history],
        deliveries=[_delivery(delivery) for delivery in deliveries],
        police_code=facts.police_code,
        desks=facts.desks,
        items=facts.items,
    )


def _change(change: Change) -> pb.IncidentChange:
    return pb.IncidentChange(
        revision=change.revision,
        status=_STATUS_MESSAGE[change.status],
        grade=_GRADE_MESSAGE[change.grade],
        description=change.description,
        changed_at=_timestamp(change.changed_at),
        changed_by=change.changed_by,
    )


def _delivery(delivery: Delivery) -> pb.RoomDelivery:
    return pb.RoomDelivery(
        room=delivery.room,
        acknowledged_revision=delivery.acknowledged_revision,
        pending=delivery.pending,
        last_error=delivery.last_error,
    )


def _position(message: PositionMessage) -> Position:
    for name, value, bound in (
        ("latitude", message.latitude, 90),
        ("longitude", message.longitude, 180),
    ):
        if not isfinite(value) or abs(value) > bound:
            raise InvalidArgument(f"position.{name}", f"expected -{bound} to {bound} degrees")
    return Position(message.latitude, message.longitude)


def _timestamp(instant: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(instant)
    return stamp
