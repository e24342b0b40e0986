"""Where a bay's sensor and its bookings disagree, and since when. See services/parking/README.md.

A disagreement becomes a dispute when it has lasted for the grace time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from city_backbone.events import event_id

from parking.bookings.booking import STAYING, Booking, Status
from parking.interval import Interval
from parking.lots.terms import LotKind, Terms
from parking.occupancy.sensor import Seen

_MOMENT = timedelta(microseconds=1)
_FIRST_STEP_BACK = timedelta(hours=1)
# So often it is seen whether an alley's bay with somebody's car is offered meanwhile.
_OFFERED_EVERY = timedelta(minutes=1)


class Kind(StrEnum):
    """As in the contract."""

    OCCUPIED_WITHOUT_BOOKING = "OCCUPIED_WITHOUT_BOOKING"
    EMPTY_THOUGH_CHECKED_IN = "EMPTY_THOUGH_CHECKED_IN"
    OCCUPIED_AFTER_CHECK_OUT = "OCCUPIED_AFTER_CHECK_OUT"
    BLOCKED_BY_OVERSTAY = "BLOCKED_BY_OVERSTAY"


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Of a bay; booking_id None: no booking is concerned."""

    kind: Kind
    booking_id: UUID | None
    since: datetime

    def dispute_id(self, bay_id: str) -> UUID:
        """The same disagreement has the same id, whoever finds it."""
        since = self.since.astimezone(UTC).isoformat()
        return event_id("dispute", bay_id, self.kind, since, self.booking_id or "")


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known of a bay at a moment.

    bookings: as bookings.store.current gives them; last: the last one that was checked in and is
    settled; owners_over: when the owner's own last claim was over.
    """

    terms: Terms
    seen: Seen | None
    bookings: Sequence[Booking] = ()
    last: Booking | None = None
    owners_over: datetime | None = None

    @property
    def car(self) -> bool:
        """The sensor sees one."""
        return self.seen is not None and self.seen.occupied

    @property
    def staying(self) -> list[Booking]:
        """Checked in, overstayed or not."""
        return [booking for booking in self.bookings if booking.status in STAYING]

    def claim(self, now: datetime) -> Booking | None:
        """Who claims the bay at `now` and is not checked in."""
        claims = (
            booking
            for booking in self.bookings
            if booking.status not in STAYING and booking.interval.holds(now)
        )
        return next(claims, None)


def disagreements(situation: Situation, now: datetime) -> list[Disagreement]:
    """All there are at `now`, however short they have lasted."""
    return [
        *_empty_though_checked_in(situation),
        *_blocked_by_overstay(situation, now),
        *_occupied_after_check_out(situation),
        *_occupied_without_booking(situation, now),
    ]


def next_look(
    situation: Situation, found: Sequence[Disagreement], now: datetime, grace: timedelta
) -> datetime | None:
    """When time alone can make a dispute; None: only when the sensor or a booking changes."""
    moments = [one.since + grace for one in found if now < one.since + grace]
    shared = situation.terms.lot_kind is LotKind.SHARED
    if shared and situation.car and not situation.staying:
        moments.append(now + min(grace, _OFFERED_EVERY))
    return min(moments, default=None)


def _empty_though_checked_in(situation: Situation) -> list[Disagreement]:
    seen = situation.seen
    if seen is None or seen.occupied:
        return []
    return [
        Disagreement(
            Kind.EMPTY_THOUGH_CHECKED_IN,
            booking.booking_id,
            max(seen.since, booking.checked_in_at),
        )
        for booking in situation.staying
        if booking.status is Status.OCCUPIED and booking.checked_in_at is not None
    ]


def _blocked_by_overstay(situation: Situation, now: datetime) -> list[Disagreement]:
    """Without a sensor a car stays until it is checked out."""
    claim = situation.claim(now)
    overstayed = any(one.status is Status.OVERSTAYED for one in situation.staying)
    still_there = situation.seen is None or situation.car
    if not overstayed or not still_there or claim is None or claim.status is not Status.CONFIRMED:
        return []
    return [Disagreement(Kind.BLOCKED_BY_OVERSTAY, claim.booking_id, claim.interval.starts_at)]


def _occupied_after_check_out(situation: Situation) -> list[Disagreement]:
    if not _stayed_on(situation):
        return []
    last = situation.last
    assert last is not None
    assert last.checked_out_at is not None
    return [Disagreement(Kind.OCCUPIED_AFTER_CHECK_OUT, last.booking_id, last.checked_out_at)]


def _occupied_without_booking(situation: Situation, now: datetime) -> list[Disagreement]:
    """In a public lot only what keeps somebody from a confirmed booking: walk-ins are normal."""
    if situation.seen is None or not situation.car or situation.staying:
        return []
    terms, claim = situation.terms, situation.claim(now)
    arrived = max([situation.seen.since, *_overs(situation)])
    if claim is not None:
        disputed = not claim.owners and (
            terms.lot_kind is LotKind.SHARED or claim.status is Status.CONFIRMED
        )
        since = max(arrived, claim.interval.starts_at)
        kind = Kind.OCCUPIED_WITHOUT_BOOKING
        return [Disagreement(kind, claim.booking_id, since)] if disputed else []
    if (
        terms.lot_kind is LotKind.PUBLIC
        or not terms.in_service
        or _stayed_on(situation)
        or not terms.is_offered(Interval(now, now + _MOMENT))
    ):
        return []
    return [Disagreement(Kind.OCCUPIED_WITHOUT_BOOKING, None, _offered_since(terms, arrived, now))]


def _stayed_on(situation: Situation) -> bool:
    """The car of the last booking has not left since its check-out, and nobody checked in."""
    seen, last = situation.seen, situation.last
    return (
        seen is not None
        and seen.occupied
        and not situation.staying
        and last is not None
        and last.checked_out_at is not None
        and seen.since <= last.checked_out_at
    )


def _overs(situation: Situation) -> list[datetime]:
    """When those who might be there by right were over."""
    last = situation.last
    settled = None if last is None else last.checked_out_at or last.changed_at
    return [end for end in (situation.owners_over, settled) if end is not None]


def _offered_since(terms: Terms, earliest: datetime, now: datetime) -> datetime:
    """From when on, but not before `earliest`, the bay has been offered without a break.

    It is offered at `now`. Exact to a microsecond; looks no farther back than it must.
    """
    if earliest >= now:
        return earliest
    offered, step = now, _FIRST_STEP_BACK
    while True:
        start = max(earliest, now - step)
        if not terms.is_offered(Interval(start, now + _MOMENT)):
            break
        offered = start
        if start == earliest:
            return earliest
        step *= 2
    not_offered = start
    while offered - not_offered > _MOMENT:
        between = not_offered + (offered - not_offered) / 2
        if terms.is_offered(Interval(between, now + _MOMENT)):
            offered = between
        else:
            not_offered = between
    return offered
