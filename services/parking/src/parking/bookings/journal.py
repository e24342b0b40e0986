"""Bookings that changed: the row, its money, the event and the bay's status, all or none."""

from collections.abc import Sequence
from datetime import datetime

from city_backbone.database import Connection
from city_backbone.errors import IdempotencyConflict
from city_backbone.outbox import Outbox

from parking.bookings import store
from parking.bookings.booking import Booking
from parking.bookings.facts import booking_changed
from parking.bookings.limits import Limits
from parking.bookings.till import Till
from parking.lots.terms import Terms
from parking.occupancy.bay_states import BayStates


class Journal:
    """Writes in the caller's transaction, which holds the locks of the bays."""

    def __init__(self, outbox: Outbox, till: Till, states: BayStates, limits: Limits) -> None:
        self._outbox = outbox
        self._till = till
        self._states = states
        self._limits = limits

    async def record(
        self, connection: Connection, changed: Sequence[Booking], terms: Terms, now: datetime
    ) -> None:
        """Bookings of one bay, each one revision further or new, in this order.

        Raises Aborted (BAY_TAKEN), IdempotencyConflict and what the till refuses. The bays'
        statuses are left to `refresh`.
        """
        for booking in changed:
            due_at = booking.due_after(now, self._limits)
            if booking.revision > 1:
                await store.save(connection, booking, due_at)
            elif not await store.add(connection, booking, due_at):
                # The key outlived what is kept of keys.
                raise IdempotencyConflict(
                    "IDEMPOTENCY_KEY_REUSED",
                    "idempotency_key: used before; make a new key per booking",
                )
            await self._till.post(connection, booking, terms)
        await self._outbox.add(connection, [booking_changed(booking) for booking in changed])

    async def refresh(self, connection: Connection, bay_ids: Sequence[str], now: datetime) -> None:
        """What the bays' bookings and the time make of their statuses."""
        await self._states.refresh(connection, bay_ids, now)
