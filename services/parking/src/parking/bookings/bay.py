"""One bay at one moment: its claims, its terms and its sensor, and what may be done with them.

Every act returns the bookings it changes or makes, in the order in which they must be stored:
what gives way comes before what takes its place.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from city_backbone.errors import FailedPrecondition, InvalidArgument, PermissionDenied

from parking.bookings.booking import LIVE, STAYING, Booking, Reason, Status, hold, keep, taken
from parking.bookings.limits import Limits
from parking.bookings.tariff import Tariff
from parking.interval import Interval

# A car that has overstayed may be gone by then.
_SOON = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Sight:
    """What the bay's sensor says, and since when; nothing at all without one."""

    empty_since: datetime | None = None
    occupied_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Bay:
    """`claims`: live bookings that overlap what it is about, and all whose car is checked in."""

    claims: Sequence[Booking]
    tariff: Tariff
    sight: Sight
    limits: Limits
    now: datetime

    def hold(self, booking_id: UUID, vehicle_id: UUID, interval: Interval) -> list[Booking]:
        """Raises FailedPrecondition OUT_OF_SERVICE, CONTRACT_ONLY, NOT_OFFERED, BAY_OCCUPIED or
        NO_SPLIT_RULE, Aborted BAY_TAKEN."""
        terms = self.tariff.terms
        terms.must_be_bookable(interval)
        ended = self._room_for(interval, stronger=False)
        self._must_be_clear_by(interval)
        price_won = self.tariff.price_won(interval)
        held = hold(
            booking_id,
            terms.bay_id,
            terms.lot_id,
            vehicle_id,
            interval,
            price_won,
            self.now,
            self.limits,
        )
        return [*ended, held]

    def keep(self, booking_id: UUID, owner_id: UUID, interval: Interval) -> list[Booking]:
        """For its owner: holds give way. Raises PermissionDenied NOT_THE_OWNER, Aborted
        BAY_TAKEN."""
        terms = self.tariff.terms
        if terms.owner_id != owner_id:
            raise PermissionDenied("NOT_THE_OWNER", f"bay {terms.bay_id}: of another owner")
        ended = self._room_for(interval, stronger=True)
        return [*ended, keep(booking_id, terms.bay_id, terms.lot_id, interval, self.now)]

    def confirm(self, booking: Booking, payment_reference: str) -> list[Booking]:
        """Raises FailedPrecondition HOLD_EXPIRED, LIFE_CYCLE or OUT_OF_SERVICE, InvalidArgument
        without the reference of what was paid."""
        confirmed = booking.confirm(payment_reference, self.now)
        if not self.tariff.terms.in_service:
            raise FailedPrecondition("OUT_OF_SERVICE", f"bay {booking.bay_id}: out of service")
        if booking.price_won and not payment_reference:
            raise InvalidArgument("payment_reference", "expected one, as the price is not 0")
        return [confirmed]

    def check_in(self, booking: Booking) -> list[Booking]:
        """A car that arrives shows that the one before has left, unless the sensor has seen that
        one all the time.

        Raises FailedPrecondition TOO_EARLY, TOO_LATE, LIFE_CYCLE, HOLD_EXPIRED or BAY_OCCUPIED,
        and before its start Aborted BAY_TAKEN when somebody else has a claim until then.
        """
        arrived = booking.check_in(self.now, self.limits)
        if self.now < booking.interval.starts_at:
            early = Interval(self.now, booking.interval.starts_at)
            if any(claim.interval.overlaps(early) for claim in self._live(but=booking)):
                raise taken()
        if self._still_stands() and self.sight.occupied_since is not None:
            raise _occupied(booking.bay_id)
        return [*(self._gone(car) for car in self._overdue()), arrived]

    def check_out(self, booking: Booking) -> list[Booking]:
        """Raises FailedPrecondition LIFE_CYCLE, NO_SPLIT_RULE."""
        left = booking.leave(Reason.CHECKED_OUT, self.now, self.now)
        return [replace(left, overstay_won=self.tariff.overstay_won(booking, self.now))]

    def cancel(self, booking: Booking) -> list[Booking]:
        """Before check-in. The whole price comes back when its driver could not park: the car
        before still stands there, or the bay is out of service.

        Raises FailedPrecondition LIFE_CYCLE, HOLD_EXPIRED, TOO_LATE or NO_SPLIT_RULE.
        """
        if booking.owners or booking.status is not Status.CONFIRMED:
            return [booking.release(Reason.CANCELLED, self.now)]
        refund_won, reason = booking.price_won, Reason.CANCELLED
        if not self.tariff.terms.in_service:
            reason = Reason.OUT_OF_SERVICE
        elif booking.interval.starts_at - self.limits.early <= self.now and self._still_stands():
            reason = Reason.BAY_OCCUPIED
        else:
            refund_won = self.tariff.refund_won(booking, self.now)
        return [booking.refund(refund_won, reason, self.now)]

    def pass_on(self, booking: Booking) -> list[Booking]:
        """What the clock makes of it; nothing when nothing is due."""
        if booking.given_up(self.now, self.limits):
            until = booking.interval.ends_at + self.limits.overstay_limit
            given_up = booking.leave(Reason.OVERSTAY_LIMIT, None, self.now)
            return [replace(given_up, overstay_won=self.tariff.overstay_won(booking, until))]
        passed = booking.pass_on(self.now, self.limits)
        return [] if passed is booking else [passed]

    def departures(self) -> list[Booking]:
        """Cars past their end that the sensor has not seen for the departure grace."""
        since = self.sight.empty_since
        if since is None or self.now < since + self.limits.departure:
            return []
        return [self._gone(car) for car in self._overdue()]

    def _room_for(self, interval: Interval, *, stronger: bool) -> list[Booking]:
        """The holds that end for it: expired ones, and all when it is `stronger`."""
        ended = []
        for claim in self.claims:
            early = claim.status in STAYING and self.now < claim.interval.starts_at
            if early and interval.starts_at < claim.interval.starts_at:
                raise taken()  # the car stands there already
            if claim.status not in LIVE or not claim.interval.overlaps(interval):
                continue
            known = claim.at(self.now)
            if known.status is Status.HELD and stronger:
                known = known.release(Reason.OWNER_PRIORITY, self.now)
            if known.status in LIVE:
                raise taken()
            ended.append(known)
        return ended

    def _must_be_clear_by(self, interval: Interval) -> None:
        if interval.starts_at < self.now + _SOON and self._still_stands():
            raise _occupied(self.tariff.terms.bay_id)

    def _still_stands(self) -> bool:
        """Whether a car is there past its end, as far as anybody knows."""
        if self.sight.empty_since is not None:
            return False
        since = self.sight.occupied_since
        return any(since is None or since < car.interval.ends_at for car in self._overdue())

    def _gone(self, car: Booking) -> Booking:
        """It left without check-out: when the sensor saw that, else at the latest now."""
        left_at = self.now
        if self.sight.empty_since is not None:
            left_at = min(left_at, self.sight.empty_since)
        elif self.sight.occupied_since is not None:  # by the car that came after it
            left_at = min(left_at, self.sight.occupied_since)
        if car.checked_in_at is not None:
            left_at = max(left_at, car.checked_in_at)
        left = car.leave(Reason.LEFT_WITHOUT_CHECK_OUT, left_at, self.now)
        return replace(left, overstay_won=self.tariff.overstay_won(car, left_at))

    def _overdue(self) -> Iterable[Booking]:
        """Whose car is checked in though its interval has ended."""
        return (
            claim
            for claim in self.claims
            if claim.status in STAYING and claim.interval.ends_at <= self.now
        )

    def _live(self, but: Booking) -> Iterable[Booking]:
        return (
            claim
            for claim in self.claims
            if claim.at(self.now).status in LIVE and claim.booking_id != but.booking_id
        )


def _occupied(bay_id: str) -> FailedPrecondition:
    return FailedPrecondition("BAY_OCCUPIED", f"bay {bay_id}: the car before still stands there")
