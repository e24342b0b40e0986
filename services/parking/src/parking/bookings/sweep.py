"""What the clock does to bookings: holds expire, nobody came, nobody left, intervals begin and end.

When it is due is written in the row, so what passed while no replica ran is done by the next one.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog
from city_backbone.database import Connection
from city_backbone.errors import FailedPrecondition

from parking.bookings import store
from parking.bookings.bays import Bays
from parking.bookings.booking import Booking
from parking.bookings.journal import Journal
from parking.bookings.limits import Limits
from parking.lots.store import lock_terms
from parking.lots.terms import Terms
from parking.occupancy.store import seen_empty

log = structlog.get_logger()

# Whoever wants one of these bays waits for all of them.
_AT_ONCE = 50
# A booking whose money cannot be split, until somebody puts a rule, holds up no other.
_LATER = timedelta(minutes=1)


class Sweep:
    """Bays are locked first, as by who calls; those that others hold wait for the next turn."""

    def __init__(
        self, bays: Bays, journal: Journal, limits: Limits, clock: Callable[[], datetime]
    ) -> None:
        self._bays = bays
        self._journal = journal
        self._limits = limits
        self._clock = clock
        self._after = ""

    async def pass_on(self, connection: Connection) -> bool:
        """Move on what is due; whether there may be more of it.

        Bays whose claim has begun or ended get their status, also when the booking stays as it is.
        """
        bay_ids = await store.lock_due_bays(connection, self._clock(), _AT_ONCE)
        if not bay_ids:
            return False
        terms = await lock_terms(connection, bay_ids)
        now = self._clock()  # under the locks, so that it comes after who had them before
        due = await store.lock_due(connection, bay_ids, now, _AT_ONCE)
        for booking in due:
            await self._pass_on(connection, booking, terms[booking.bay_id], now)
        await self._journal.refresh(connection, bay_ids, now)
        return len(due) == _AT_ONCE

    async def depart(self, connection: Connection) -> bool:
        """Settle cars past their end that their sensor saw leave; whether there are more to see.

        All bays with such cars are looked at in turn, a page at a time.
        """
        page = await store.overdue_bays(connection, self._clock(), self._after, _AT_ONCE)
        more = len(page) == _AT_ONCE
        self._after = page[-1] if more else ""
        empty = await seen_empty(connection, page) if page else {}
        until = self._clock() - self._limits.departure
        gone = [bay_id for bay_id, since in empty.items() if since <= until]
        if not gone:
            return more
        bay_ids = await store.lock_free_bays(connection, gone)
        known = await lock_terms(connection, bay_ids)
        now = self._clock()
        for bay_id, terms in known.items():
            claims = await store.lock_staying(connection, bay_id)
            bay = await self._bays.read(connection, terms, claims, now, now)
            await self._record(connection, bay.departures, [], terms, now)
        await self._journal.refresh(connection, bay_ids, now)
        return more

    async def _pass_on(
        self, connection: Connection, booking: Booking, terms: Terms, now: datetime
    ) -> None:
        starts_at = booking.interval.starts_at
        bay = await self._bays.read(connection, terms, [booking], starts_at, now)
        changed = await self._record(
            connection, lambda: bay.pass_on(booking), [booking], terms, now
        )
        if not changed:
            await store.put_off(
                connection, booking.booking_id, booking.due_after(now, self._limits)
            )

    async def _record(
        self,
        connection: Connection,
        act: Callable[[], Sequence[Booking]],
        waiting: Sequence[Booking],
        terms: Terms,
        now: datetime,
    ) -> bool:
        """Whether all is done with them; what cannot be is left as it was, for later."""
        try:
            async with connection.transaction():
                changed = act()
                if changed:
                    await self._journal.record(connection, changed, terms, now)
                return bool(changed)
        except FailedPrecondition as error:
            log.warning("booking cannot be settled", bay_id=terms.bay_id, reason=error.reason)
            for booking in waiting:
                await store.put_off(connection, booking.booking_id, now + _LATER)
            return True
