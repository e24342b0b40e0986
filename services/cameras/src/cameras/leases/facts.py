"""The part's event, in the form of its schema under events/."""

from datetime import date, datetime

from city_backbone.events import OutgoingEvent, event_id
from city_backbone.register import Head

REGISTER_SEALED = "cameras.register-sealed.v1"


def register_sealed(register: str, day: date, head: Head, sealed_at: datetime) -> OutgoingEvent:
    """Once per register and day."""
    return OutgoingEvent(
        REGISTER_SEALED,
        register,
        event_id("register-sealed", register, day.isoformat()),
        sealed_at,
        {
            "register": register,
            "day": day,
            "sequence": head.sequence,
            "head_hash": head.hash,
            "sealed_at": sealed_at,
        },
    )
