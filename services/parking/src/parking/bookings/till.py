"""What a booking's new status does to its money, and the rules that say so."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from city_backbone.database import Connection
from city_backbone.errors import FailedPrecondition

from parking.bookings.booking import Booking, Status
from parking.bookings.tariff import Tariff
from parking.clock import seoul_day
from parking.ledger.books import Books
from parking.ledger.sale import Sale
from parking.ledger.split import SplitRule
from parking.lots.terms import Terms


class Till:
    """Posts to the books. Each posting happens once per booking."""

    def __init__(self, books: Books, grace: timedelta) -> None:
        self._books = books
        self._grace = grace

    async def tariff(
        self, connection: Connection, terms: Terms, starts: Iterable[datetime]
    ) -> Tariff:
        """With the rules of the bookings that start then, as far as there are any."""
        rules: dict[date, SplitRule] = {}
        for day, starts_at in {seoul_day(moment): moment for moment in starts}.items():
            try:
                rules[day] = await self._books.rule(connection, terms.scheme, starts_at)
            except FailedPrecondition:
                continue  # the tariff refuses what would need it
        return Tariff(terms, rules, self._grace)

    async def post(self, connection: Connection, booking: Booking, terms: Terms) -> None:
        """Of a booking that has just become what it is; the owner's own costs nothing.

        Raises FailedPrecondition NO_SPLIT_RULE or NO_OWNER when its money could not be split.
        """
        sale = Sale(
            booking_id=booking.booking_id,
            bay_id=booking.bay_id,
            lot_id=booking.lot_id,
            scheme=terms.scheme,
            operator=terms.operator,
            district=terms.district,
            owner_id=terms.owner_id,
            starts_at=booking.interval.starts_at,
        )
        price_won, at = booking.price_won, booking.changed_at
        match booking.status:
            case Status.CONFIRMED:
                await self._books.pay(connection, sale, price_won, at)
            case Status.SETTLED:
                await self._books.settle(connection, sale, price_won, booking.overstay_won, at)
            case Status.REFUNDED:
                await self._books.refund(connection, sale, price_won, booking.refund_won, at)
