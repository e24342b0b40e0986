"""The part's event, in the form of its schema under events/."""

from city_backbone.events import OutgoingEvent, event_id

from parking.bookings.booking import Booking

BOOKING_CHANGED = "parking.booking-changed.v1"


def booking_changed(booking: Booking) -> OutgoingEvent:
    """Once per booking and revision."""
    key = str(booking.booking_id)
    return OutgoingEvent(
        BOOKING_CHANGED,
        key,
        event_id("booking-changed", key, booking.revision),
        booking.changed_at,
        {
            "booking_id": key,
            "bay_id": booking.bay_id,
            "lot_id": booking.lot_id,
            "revision": booking.revision,
            "status": booking.status,
            "starts_at": booking.interval.starts_at,
            "ends_at": booking.interval.ends_at,
            "owners": booking.owners,
            "price_won": booking.price_won,
            "overstay_won": booking.overstay_won,
            "refund_won": booking.refund_won,
            "reason": booking.reason,
            "changed_at": booking.changed_at,
        },
    )
