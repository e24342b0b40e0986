"""On which terms a bay can be booked: what bookings must know of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from city_backbone.errors import FailedPrecondition
from city_backbone.geo import Point

from parking.interval import Interval
from parking.lots import bill
from parking.lots.availability import Availability
from parking.lots.fees import FeeKind, FeeSchedule
from parking.lots.hours import OperatingHours


class LotKind(StrEnum):
    """A lot of the city, or an alley of residents' bays."""

    PUBLIC = "PUBLIC"
    SHARED = "SHARED"


@dataclass(frozen=True, slots=True)
class Terms:
    """Of one bay. Of a SHARED one `fees` has the owner's price in it, and only it has windows."""

    bay_id: str
    lot_id: str
    lot_kind: LotKind
    scheme: str
    operator: str
    district: str
    owner_id: UUID | None
    position: Point
    in_service: bool
    hours: OperatingHours
    fees: FeeSchedule
    availability: Availability

    def price_won(self, interval: Interval) -> int:
        """Whole won. Raises FailedPrecondition CONTRACT_ONLY."""
        return bill.price_of(self.fees, self.hours, interval).won

    def fee_won_after(self, booked: Interval, until: datetime) -> int:
        """What the stay costs more when it goes on to `until`; 0 when it is not longer."""
        paid = bill.price_of(self.fees, self.hours, booked)
        return paid.at(until).won - paid.won

    def is_offered(self, interval: Interval) -> bool:
        """A bay of a public lot always is."""
        return self.lot_kind is LotKind.PUBLIC or self.availability.offered(interval)

    def must_be_bookable(self, interval: Interval) -> None:
        """Raises FailedPrecondition: OUT_OF_SERVICE, CONTRACT_ONLY or NOT_OFFERED."""
        if not self.in_service:
            raise FailedPrecondition("OUT_OF_SERVICE", f"bay {self.bay_id}: out of service")
        if self.fees.kind is FeeKind.CONTRACT:
            raise FailedPrecondition(
                "CONTRACT_ONLY", f"bay {self.bay_id}: for holders of a monthly pass alone"
            )
        if not self.is_offered(interval):
            raise FailedPrecondition(
                "NOT_OFFERED", f"bay {self.bay_id}: its owner does not offer all of the interval"
            )
