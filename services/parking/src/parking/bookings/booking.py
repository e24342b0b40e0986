"""The life of a booking: one bay, one half-open interval, from the hold to its settlement.

| from       | act                       | to                                          |
| ---------- | ------------------------- | ------------------------------------------- |
| (new)      |                           | HELD; the owner's own CONFIRMED, unpaid     |
| HELD       | CONFIRM                   | CONFIRMED, paid                             |
| HELD       | RELEASE                   | RELEASED                                    |
| HELD       | EXPIRE                    | EXPIRED                                     |
| CONFIRMED  | CHECK_IN                  | OCCUPIED                                    |
| CONFIRMED  | REFUND                    | REFUNDED                                    |
| CONFIRMED  | MISS, at its end          | SETTLED                                     |
| CONFIRMED  | RELEASE, the owner's own  | RELEASED                                    |
| OCCUPIED   | OVERSTAY                  | OVERSTAYED                                  |
| both       | LEAVE                     | SETTLED                                     |

A hold is live until just before `hold_expires_at`, whatever its stored status says.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from city_backbone.errors import Aborted, FailedPrecondition

from parking.bookings.limits import Limits
from parking.interval import Interval


class Status(StrEnum):
    """As in the contract."""

    HELD = "HELD"
    CONFIRMED = "CONFIRMED"
    OCCUPIED = "OCCUPIED"
    OVERSTAYED = "OVERSTAYED"
    SETTLED = "SETTLED"
    REFUNDED = "REFUNDED"
    EXPIRED = "EXPIRED"
    RELEASED = "RELEASED"


class Reason(StrEnum):
    """Why it ended as it did."""

    CHECKED_OUT = "CHECKED_OUT"
    LEFT_WITHOUT_CHECK_OUT = "LEFT_WITHOUT_CHECK_OUT"
    NO_SHOW = "NO_SHOW"
    OWNER_PRIORITY = "OWNER_PRIORITY"
    CANCELLED = "CANCELLED"
    HOLD_EXPIRED = "HOLD_EXPIRED"
    BAY_OCCUPIED = "BAY_OCCUPIED"
    OUT_OF_SERVICE = "OUT_OF_SERVICE"
    OVERSTAY_LIMIT = "OVERSTAY_LIMIT"
    TIME_IS_UP = "TIME_IS_UP"


class Act(StrEnum):
    """What moves a booking on."""

    CONFIRM = "CONFIRM"
    RELEASE = "RELEASE"
    EXPIRE = "EXPIRE"
    CHECK_IN = "CHECK_IN"
    REFUND = "REFUND"
    MISS = "MISS"
    OVERSTAY = "OVERSTAY"
    LEAVE = "LEAVE"


LIVE = frozenset({Status.HELD, Status.CONFIRMED, Status.OCCUPIED})
STAYING = frozenset({Status.OCCUPIED, Status.OVERSTAYED})

TRANSITIONS = {
    (Status.HELD, Act.CONFIRM): Status.CONFIRMED,
    (Status.HELD, Act.RELEASE): Status.RELEASED,
    (Status.HELD, Act.EXPIRE): Status.EXPIRED,
    (Status.CONFIRMED, Act.CHECK_IN): Status.OCCUPIED,
    (Status.CONFIRMED, Act.REFUND): Status.REFUNDED,
    (Status.CONFIRMED, Act.MISS): Status.SETTLED,
    (Status.OCCUPIED, Act.OVERSTAY): Status.OVERSTAYED,
    (Status.OCCUPIED, Act.LEAVE): Status.SETTLED,
    (Status.OVERSTAYED, Act.LEAVE): Status.SETTLED,
}
# There is nobody to check in, and nothing to pay.
OWNERS_TRANSITIONS = {(Status.CONFIRMED, Act.RELEASE): Status.RELEASED}


@dataclass(frozen=True, slots=True)
class Booking:
    """A claim on a bay; times aware UTC, amounts in won. The owner's own has no vehicle."""

    booking_id: UUID
    bay_id: str
    lot_id: str
    vehicle_id: UUID | None
    owners: bool
    interval: Interval
    status: Status
    price_won: int
    held_at: datetime
    hold_expires_at: datetime
    changed_at: datetime
    revision: int = 1
    overstay_won: int = 0
    refund_won: int = 0
    payment_reference: str = ""
    confirmed_at: datetime | None = None
    checked_in_at: datetime | None = None
    checked_out_at: datetime | None = None
    reason: str = ""

    def at(self, now: datetime) -> "Booking":
        """As it is at `now`: a hold ends by itself, even if nobody has written that down yet."""
        if self.status is Status.HELD and self.hold_expires_at <= now:
            return self._moved(Act.EXPIRE, self.hold_expires_at, reason=Reason.HOLD_EXPIRED)
        return self

    def confirm(self, payment_reference: str, now: datetime) -> "Booking":
        """Paid. Raises FailedPrecondition (HOLD_EXPIRED, LIFE_CYCLE), as the other acts do."""
        return self.at(now)._moved(
            Act.CONFIRM, now, confirmed_at=now, payment_reference=payment_reference
        )

    def release(self, reason: Reason, now: datetime) -> "Booking":
        """A hold, or the owner's own, is let go."""
        return self.at(now)._moved(Act.RELEASE, now, reason=reason)

    def check_in(self, now: datetime, limits: Limits) -> "Booking":
        """From a little before its start to before its end; else TOO_EARLY or TOO_LATE."""
        arrived = self.at(now)._moved(Act.CHECK_IN, now, checked_in_at=now)
        if now < self.interval.starts_at - limits.early:
            minutes = limits.early.total_seconds() / 60
            raise FailedPrecondition(
                "TOO_EARLY", f"booking: check-in opens {minutes:g} minutes before its start"
            )
        self._must_not_be_over(now)
        return arrived

    def refund(self, refund_won: int, reason: Reason, now: datetime) -> "Booking":
        """Cancelled after it was paid; TOO_LATE at its end, when it is a no-show."""
        refunded = self.at(now)._moved(Act.REFUND, now, refund_won=refund_won, reason=reason)
        self._must_not_be_over(now)
        return refunded

    def leave(self, reason: Reason, left_at: datetime | None, now: datetime) -> "Booking":
        """The car has left, or is given up: then nobody knows when it left."""
        return self._moved(Act.LEAVE, now, checked_out_at=left_at, reason=reason)

    def pass_on(self, now: datetime, limits: Limits) -> "Booking":
        """What the clock alone makes of it; itself when nothing is due. See also `given_up`."""
        over = self.interval.ends_at
        if self.status is Status.CONFIRMED and over <= now:
            if self.owners:
                return self._moved(Act.RELEASE, now, reason=Reason.TIME_IS_UP)
            return self._moved(Act.MISS, now, reason=Reason.NO_SHOW)
        if self.status is Status.OCCUPIED and over + limits.grace <= now:
            return self._moved(Act.OVERSTAY, now)
        return self.at(now)

    def given_up(self, now: datetime, limits: Limits) -> bool:
        """Whether it has overstayed to the limit."""
        until = self.interval.ends_at + limits.overstay_limit
        return self.status is Status.OVERSTAYED and until <= now

    def due_after(self, now: datetime, limits: Limits) -> datetime | None:
        """When the clock next makes a difference to it or its bay; None when never again."""
        start, end = self.interval.starts_at, self.interval.ends_at
        moves_on = {
            Status.HELD: self.hold_expires_at,
            Status.CONFIRMED: end,
            Status.OCCUPIED: end + limits.grace,
            Status.OVERSTAYED: end + limits.overstay_limit,
        }.get(self.status)
        if moves_on is None:
            return None
        return min([moves_on, *(moment for moment in (start, end) if now < moment)])

    def _must_not_be_over(self, now: datetime) -> None:
        if self.interval.ends_at <= now:
            raise FailedPrecondition("TOO_LATE", "booking: its interval has ended")

    def _moved(self, act: Act, now: datetime, **changes: Any) -> "Booking":
        known = OWNERS_TRANSITIONS if self.owners else TRANSITIONS
        try:
            status = known[self.status, act]
        except KeyError:
            raise self._cannot(act) from None
        return replace(self, status=status, revision=self.revision + 1, changed_at=now, **changes)

    def _cannot(self, act: Act) -> FailedPrecondition:
        if self.status is Status.EXPIRED:
            return FailedPrecondition("HOLD_EXPIRED", "booking: its hold has expired")
        whose = "the owner's own" if self.owners else "one"
        does = act.lower().replace("_", " ")
        return FailedPrecondition(
            "LIFE_CYCLE", f"booking: cannot {does} {whose} that is {self.status.lower()}"
        )


def hold(
    booking_id: UUID,
    bay_id: str,
    lot_id: str,
    vehicle_id: UUID,
    interval: Interval,
    price_won: int,
    now: datetime,
    limits: Limits,
) -> Booking:
    """A bay held for a vehicle, for a short while."""
    return Booking(
        booking_id=booking_id,
        bay_id=bay_id,
        lot_id=lot_id,
        vehicle_id=vehicle_id,
        owners=False,
        interval=interval,
        status=Status.HELD,
        price_won=price_won,
        held_at=now,
        hold_expires_at=min(now + limits.hold, interval.ends_at),
        changed_at=now,
    )


def keep(booking_id: UUID, bay_id: str, lot_id: str, interval: Interval, now: datetime) -> Booking:
    """The owner's own claim."""
    return Booking(
        booking_id=booking_id,
        bay_id=bay_id,
        lot_id=lot_id,
        vehicle_id=None,
        owners=True,
        interval=interval,
        status=Status.CONFIRMED,
        price_won=0,
        held_at=now,
        hold_expires_at=now,
        changed_at=now,
        confirmed_at=now,
    )


def taken() -> Aborted:
    """Of two claims, the later."""
    return Aborted("BAY_TAKEN", "interval: the bay is claimed then")
