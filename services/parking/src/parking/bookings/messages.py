"""Between the protocol's messages and the domain. Raises InvalidArgument naming the field."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from city.parking.v1 import booking_pb2 as pb
from city_backbone.errors import InvalidArgument
from city_backbone.rpc.paging import page_token, parse_page_token

from parking.bookings.booking import Booking, Status
from parking.messages import interval_message, timestamp, words

_MOST_REFERENCE = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_STATUSES: dict[int, Status] = {
    pb.BookingStatus.Value(f"BOOKING_STATUS_{status}"): status for status in Status
}


def booking_message(booking: Booking) -> pb.Booking:
    """As it stands in `booking`: give it `Booking.at` the moment it is read."""
    return pb.Booking(
        booking_id=str(booking.booking_id),
        bay_id=booking.bay_id,
        lot_id=booking.lot_id,
        vehicle_id="" if booking.vehicle_id is None else str(booking.vehicle_id),
        interval=interval_message(booking.interval),
        status=pb.BookingStatus.Value(f"BOOKING_STATUS_{booking.status}"),
        revision=booking.revision,
        price_won=booking.price_won,
        overstay_won=booking.overstay_won,
        refund_won=booking.refund_won,
        held_at=timestamp(booking.held_at),
        hold_expires_at=None if booking.owners else timestamp(booking.hold_expires_at),
        confirmed_at=timestamp(booking.confirmed_at),
        checked_in_at=timestamp(booking.checked_in_at),
        checked_out_at=timestamp(booking.checked_out_at),
        reason=booking.reason,
        owners=booking.owners,
    )


def payment_reference(text: str) -> str:
    return words("payment_reference", text, _MOST_REFERENCE, empty=True)


def statuses(values: Iterable[int]) -> list[Status]:
    try:
        return [_STATUSES[value] for value in values]
    except KeyError:
        raise InvalidArgument("statuses", f"expected any of {', '.join(Status)}") from None


def place_after(last: Booking) -> str:
    """The page token behind `last`."""
    return page_token([(last.held_at - _EPOCH) // _MICROSECOND, str(last.booking_id)])


def place(token: str) -> tuple[datetime, UUID] | None:
    """Raises also for a token we did not make."""
    match parse_page_token(token):
        case []:
            return None
        case [int(micros), str(booking_id)]:
            try:
                return _EPOCH + micros * _MICROSECOND, UUID(booking_id)
            except (ValueError, OverflowError):
                pass
    raise InvalidArgument("page_token", "expected a next_page_token of the same method")
