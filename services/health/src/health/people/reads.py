"""Reads of personal data, as they stand in their register and in its seals."""

from uuid import UUID

from city_backbone.audit.act import Origin
from city_backbone.register import Entry

REGISTER = "personal-data-reads"
REGISTER_SEALED = "health.register-sealed.v1"

TREND_SHOWN = "trend-shown"
TREND_DENIED = "trend-denied"
CONTACT_SHOWN = "contact-shown"
CONTACT_DENIED = "contact-denied"


def read_entry(
    actor: str,
    action: str,
    person_id: UUID,
    at: Origin,
    reason: str,
    **details: str | int | bool | None,
) -> Entry:
    """Who read what of whom, from where and why. Nothing that is personal goes into `details`:
    no value, no code, no token. Append it last in the transaction that reads."""
    return Entry(
        actor=actor,
        action=action,
        subject=str(person_id),
        department=at.department,
        source_address=at.address,
        details={"reason": reason, **details},
    )
