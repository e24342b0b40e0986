"""Between the protocol's messages and the part."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from city.health.v1 import person_pb2 as pb
from city_backbone.errors import InvalidArgument
from city_backbone.register import Verdict
from city_backbone.rpc.paging import page_size, page_token, parse_page_token

from health.measuring.messages import assessment_message, code, measurement_message
from health.messages import moment, timestamp, words
from health.people.store_follow_ups import FollowUp
from health.people.trend import Point, Question

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def question(request: pb.GetTrendRequest) -> Question:
    """Raises InvalidArgument."""
    # `from` is a keyword of Python.
    from_at = moment("from", getattr(request, "from")) if request.HasField("from") else None
    until_at = moment("until", request.until) if request.HasField("until") else None
    if from_at and until_at and from_at >= until_at:
        raise InvalidArgument("until", "expected a time after from")
    after = None
    match parse_page_token(request.page_token):
        case []:
            pass
        case [int(micros), str(identity)]:
            after = _moment(micros), _identity(identity)
        case _:
            raise _foreign()
    return Question(
        code("code", request.code), from_at, until_at, after, page_size(request.page_size)
    )


def trend_message(points: Sequence[Point], more: bool) -> pb.GetTrendResponse:
    shown = [
        pb.TrendPoint(
            measurement=measurement_message(point.measurement),
            assessment=assessment_message(point.assessment),
            kiosk_id=point.kiosk_id,
        )
        for point in points
    ]
    token = ""
    if more:
        taken_at, identity = points[-1].place
        token = page_token([_micros(taken_at), str(identity)])
    return pb.GetTrendResponse(points=shown, next_page_token=token)


def zone(request: pb.ListFollowUpsRequest) -> str:
    """Empty: all. Raises InvalidArgument."""
    return words("zone", request.zone, 40, empty=True)


def follow_ups_after(token: str) -> tuple[int, datetime, UUID] | None:
    """Raises InvalidArgument."""
    match parse_page_token(token):
        case []:
            return None
        case [int(priority), int(micros), str(identity)] if 0 <= priority <= 9:
            return priority, _moment(micros), _identity(identity)
        case _:
            raise _foreign()


def follow_ups_message(found: Sequence[FollowUp], more: bool) -> pb.ListFollowUpsResponse:
    token = ""
    if more:
        last = found[-1]
        token = page_token([last.priority, _micros(last.due_at), str(last.follow_up_id)])
    return pb.ListFollowUpsResponse(
        follow_ups=[follow_up_message(one) for one in found],
        next_page_token=token,
    )


def follow_up_message(one: FollowUp) -> pb.FollowUp:
    return pb.FollowUp(
        follow_up_id=str(one.follow_up_id),
        kind=pb.FollowUpKind.Value(f"FOLLOW_UP_KIND_{one.kind}"),
        zone=one.zone,
        priority=one.priority,
        due_at=timestamp(one.due_at),
    )


def verdict_message(verdict: Verdict) -> pb.VerifyRegisterResponse:
    return pb.VerifyRegisterResponse(
        intact=verdict.intact,
        first_bad_sequence=verdict.first_bad_sequence or 0,
        problem=verdict.problem or "",
        head=pb.RegisterHead(sequence=verdict.head.sequence, hash=verdict.head.hash),
    )


def _micros(given: datetime) -> int:
    return (given - _EPOCH) // _MICROSECOND


def _moment(micros: int) -> datetime:
    try:
        return _EPOCH + micros * _MICROSECOND
    except OverflowError:
        raise _foreign() from None


def _identity(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise _foreign() from None


def _foreign() -> InvalidArgument:
    return InvalidArgument("page_token", "expected a next_page_token of an earlier answer")
