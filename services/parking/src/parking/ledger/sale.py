"""What the books know of a booking whose money they keep."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Sale:
    """One booking of one bay. `starts_at` is aware; its Seoul day says which split rule counts."""

    booking_id: UUID
    bay_id: str
    lot_id: str
    scheme: str
    operator: str
    district: str
    owner_id: UUID | None
    starts_at: datetime
