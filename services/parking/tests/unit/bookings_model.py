"""Bays and their bookings in memory: the service's rules without its database.

The acts are the department's own (`Bay`); here they only get their claims from a dict, so that the
same story can be told to the model and to the service.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from city_backbone import errors
from city_backbone.events import event_id
from parking.bookings.bay import Bay, Sight
from parking.bookings.booking import LIVE, STAYING, Booking, Status
from parking.bookings.limits import Limits
from parking.bookings.tariff import Tariff
from parking.clock import seoul_day
from parking.interval import Interval
from parking.ledger import posting
from parking.ledger.sale import Sale
from parking.ledger.split import Shares, SplitRule
from parking.lots.terms import Terms

CALLER = "operator"
REFERENCE = "pg-0001"
_CODES: dict[type[Exception], str] = {
    errors.InvalidArgument: "INVALID_ARGUMENT",
    errors.NotFound: "NOT_FOUND",
    errors.FailedPrecondition: "FAILED_PRECONDITION",
    errors.Aborted: "ABORTED",
    errors.PermissionDenied: "PERMISSION_DENIED",
}


@dataclass(frozen=True)
class Call:
    """What somebody asks for; asked again it has the same key."""

    key: UUID
    act: str
    bay_id: str = ""
    interval: Interval | None = None
    who: UUID | None = None
    booking_id: UUID | None = None


Answer = Booking | str


def refusal(error: Exception) -> str:
    """The status, and the reason or the field."""
    word = getattr(error, "reason", getattr(error, "field", "NOT_FOUND"))
    return f"{_CODES[type(error)]}:{word}"


@dataclass
class Model:
    """`history` is every revision of every booking, in the order in which they came to be."""

    terms: dict[str, Terms]
    rules: Sequence[SplitRule]
    limits: Limits
    now: datetime
    bookings: dict[UUID, Booking] = field(default_factory=dict)
    history: list[Booking] = field(default_factory=list)
    lines: list[posting.Line] = field(default_factory=list)
    sights: dict[str, Sight] = field(default_factory=dict)
    answers: dict[UUID, Booking] = field(default_factory=dict)

    def ask(self, call: Call) -> Answer:
        if call.key in self.answers:
            return self.answers[call.key]
        try:
            answer = self._act(call)
        except tuple(_CODES) as error:
            return refusal(error)
        self.answers[call.key] = answer
        return answer

    def move(self, by: timedelta) -> None:
        self.now += by

    def sense(self, bay_id: str, occupied: bool) -> None:
        self.sights[bay_id] = Sight(*((None, self.now) if occupied else (self.now, None)))

    def put_in_service(self, bay_id: str, in_service: bool) -> None:
        self.terms[bay_id] = replace(self.terms[bay_id], in_service=in_service)

    def sweep(self) -> None:
        """All that is due, until nothing is."""
        moved = True
        while moved:
            moved = False
            for booking in list(self.bookings.values()):
                changed = self._bay(booking.bay_id, booking.interval).pass_on(booking)
                self._record(changed)
                moved = moved or bool(changed)
        soon = Interval(self.now, self.now + timedelta(minutes=1))
        for bay_id in self.terms:
            self._record(self._bay(bay_id, soon).departures())

    def rows(self) -> list[Booking]:
        return sorted(self.bookings.values(), key=lambda booking: booking.booking_id)

    def balances(self) -> dict[str, int]:
        totals: dict[str, int] = {}
        for line in self.lines:
            totals[line.account] = totals.get(line.account, 0) + line.amount_won
        return {account: won for account, won in totals.items() if won}

    def claims_now(self, bay_id: str) -> list[Booking]:
        """As bookings.store.current has them."""
        return [
            booking
            for booking in self.bookings.values()
            if booking.bay_id == bay_id
            and (
                booking.status in STAYING
                or (booking.at(self.now).status in LIVE and booking.interval.holds(self.now))
            )
        ]

    def _act(self, call: Call) -> Booking:
        if call.act in ("hold", "keep"):
            assert call.interval is not None
            assert call.who is not None
            self.limits.must_allow(call.interval, self.now)
            bay = self._bay(call.bay_id, call.interval)
            booking_id = event_id("booking", CALLER, call.key)
            return self._kept(getattr(bay, call.act)(booking_id, call.who, call.interval))
        known = self.bookings.get(call.booking_id) if call.booking_id else None
        if known is None:
            raise errors.NotFound("booking", str(call.booking_id))
        bay = self._bay(known.bay_id, known.interval)
        more: tuple[Any, ...] = (REFERENCE,) if call.act == "confirm" else ()
        return self._kept(getattr(bay, call.act)(known, *more))

    def _kept(self, changed: Sequence[Booking]) -> Booking:
        self._record(changed)
        return changed[-1]

    def _bay(self, bay_id: str, interval: Interval) -> Bay:
        about = Interval(interval.starts_at - self.limits.early, interval.ends_at)
        claims = [
            booking
            for booking in self.bookings.values()
            if booking.bay_id == bay_id
            and (
                booking.status in STAYING
                or (booking.status in LIVE and booking.interval.overlaps(about))
            )
        ]
        claims.sort(key=lambda booking: (booking.interval.starts_at, booking.booking_id))
        starts = [interval.starts_at, *(claim.interval.starts_at for claim in claims)]
        rules = {seoul_day(moment): self._rule(bay_id, moment) for moment in starts}
        tariff = Tariff(self.terms[bay_id], rules, self.limits.grace)
        sight = self.sights.get(bay_id, Sight())
        return Bay(claims, tariff, sight, self.limits, self.now)

    def _rule(self, bay_id: str, moment: datetime) -> SplitRule:
        scheme, day = self.terms[bay_id].scheme, seoul_day(moment)
        known = [rule for rule in self.rules if rule.scheme == scheme and rule.valid_from <= day]
        return max(known, key=lambda rule: rule.valid_from)

    def _record(self, changed: Sequence[Booking]) -> None:
        for booking in changed:
            self.bookings[booking.booking_id] = booking
            self.history.append(booking)
            if not booking.owners:
                self.lines.extend(self._posted(booking))

    def _posted(self, booking: Booking) -> Sequence[posting.Line]:
        terms = self.terms[booking.bay_id]
        at = booking.changed_at
        sale = Sale(
            booking.booking_id,
            booking.bay_id,
            booking.lot_id,
            terms.scheme,
            terms.operator,
            terms.district,
            terms.owner_id,
            booking.interval.starts_at,
        )
        rule = self._rule(booking.bay_id, booking.interval.starts_at)
        price, overstay, refund = booking.price_won, booking.overstay_won, booking.refund_won
        match booking.status:
            case Status.CONFIRMED:
                return posting.payment(sale, price, at).lines
            case Status.SETTLED:
                shares = rule.split(price + overstay)
                return posting.settlement(sale, price, overstay, shares, at).lines
            case Status.REFUNDED:
                shares = rule.split(price - refund) if refund < price else Shares(0, 0, 0)
                return posting.refund(sale, price, refund, shares, at).lines
        return ()


def prepaid_of(bookings: Iterable[Booking]) -> int:
    """What the account `prepaid` must hold: the prices of what is paid and not settled."""
    paid = (Status.CONFIRMED, Status.OCCUPIED, Status.OVERSTAYED)
    return sum(booking.price_won for booking in bookings if booking.status in paid)
