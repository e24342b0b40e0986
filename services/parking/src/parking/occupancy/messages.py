"""Between the protocol's messages and the domain. Raises InvalidArgument naming the field."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from city.parking.v1 import occupancy_pb2 as pb
from city_backbone.errors import InvalidArgument
from city_backbone.rpc.paging import page_token, parse_page_token
from google.protobuf.timestamp_pb2 import Timestamp

from parking.messages import name, timestamp
from parking.occupancy.count import LotState
from parking.occupancy.dispute import Dispute
from parking.occupancy.readings import Outcome, Result, Sent
from parking.occupancy.sensors import Watch

MAX_SENSORS = 1_000
MAX_PROBLEMS = 20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def watches(messages: Sequence[pb.BaySensor]) -> list[Watch]:
    """Each sensor and each bay once."""
    if not 1 <= len(messages) <= MAX_SENSORS:
        raise InvalidArgument("sensors", f"expected 1 to {MAX_SENSORS}, got {len(messages)}")
    found = [
        Watch(
            name(f"sensors[{index}].sensor_id", message.sensor_id),
            name(f"sensors[{index}].bay_id", message.bay_id),
        )
        for index, message in enumerate(messages)
    ]
    _each_once("sensor_id", [one.sensor_id for one in found])
    _each_once("bay_id", [one.bay_id for one in found])
    return found


def _each_once(field: str, values: Sequence[str]) -> None:
    places: dict[str, int] = {}
    for index, value in enumerate(values):
        first = places.setdefault(value, index)
        if first != index:
            raise InvalidArgument(
                f"sensors[{index}].{field}",
                f"expected each once, {value!r} stands at {first} already",
            )


def sent(message: pb.OccupancyReading) -> Sent:
    """What is wrong with it is found when it is taken in."""
    observed_at = _time(message.observed_at) if message.HasField("observed_at") else None
    return Sent(message.sensor_id, message.occupied, observed_at)


def _time(message: Timestamp) -> datetime | None:
    try:
        return message.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def add_results(
    answer: pb.ReportOccupancyResponse, first_index: int, results: Sequence[Result]
) -> None:
    """Counts, and the first of the refusals."""
    for index, result in enumerate(results, first_index):
        match result.outcome:
            case Outcome.ACCEPTED:
                answer.accepted += 1
            case Outcome.REPEATED:
                answer.repeated += 1
            case Outcome.REFUSED:
                answer.refused += 1
                if len(answer.problems) < MAX_PROBLEMS:
                    answer.problems.add(index=index, field=result.field, message=result.message)


def lot_message(lot: LotState) -> pb.GetLotOccupancyResponse:
    """Its count is there."""
    assert lot.count is not None
    return pb.GetLotOccupancyResponse(
        lot_id=lot.lot_id,
        bays=lot.count.bays,
        occupied=lot.count.occupied,
        reserved=lot.count.reserved,
        free=lot.count.free,
        changed_at=timestamp(lot.changed_at),
    )


def dispute_message(dispute: Dispute) -> pb.Dispute:
    return pb.Dispute(
        dispute_id=str(dispute.dispute_id),
        kind=pb.DisputeKind.Value(f"DISPUTE_KIND_{dispute.kind}"),
        bay_id=dispute.bay_id,
        lot_id=dispute.lot_id,
        booking_id="" if dispute.booking_id is None else str(dispute.booking_id),
        since=timestamp(dispute.since),
        opened_at=timestamp(dispute.opened_at),
        evidence=[
            pb.DisputeEvidence(at=timestamp(one.at), source=one.source, said=one.said)
            for one in dispute.evidence
        ],
        resolved_at=timestamp(dispute.resolved_at),
        resolved_by=dispute.resolved_by,
        resolution=dispute.resolution,
    )


def place_after(last: Dispute) -> str:
    """The page token behind `last`."""
    return page_token([(last.opened_at - _EPOCH) // _MICROSECOND, str(last.dispute_id)])


def place(token: str) -> tuple[datetime, UUID] | None:
    match parse_page_token(token):
        case []:
            return None
        case [int(micros), str(dispute_id)]:
            try:
                return _EPOCH + micros * _MICROSECOND, UUID(dispute_id)
            except (ValueError, OverflowError):
                pass
    raise InvalidArgument("page_token", "expected a next_page_token of the same method")
