"""Reads a bay as it is now, under its lock."""

from collections.abc import Callable, Sequence
from datetime import datetime

from city_backbone.database import Connection
from city_backbone.errors import NotFound

from parking.bookings import store
from parking.bookings.bay import Bay, Sight
from parking.bookings.booking import STAYING, Booking
from parking.bookings.limits import Limits
from parking.bookings.till import Till
from parking.interval import Interval
from parking.lots.store import lock_terms
from parking.lots.terms import Terms
from parking.occupancy.store import seen_empty, seen_occupied


class Bays:
    """The time is read when the lock is there: who waited for it comes after who had it."""

    def __init__(self, till: Till, limits: Limits, clock: Callable[[], datetime]) -> None:
        self._till = till
        self._limits = limits
        self._clock = clock

    async def lock(self, connection: Connection, bay_id: str, interval: Interval) -> Bay:
        """For an act on a booking of this interval. Raises NotFound."""
        terms = (await lock_terms(connection, [bay_id])).get(bay_id)
        if terms is None:
            raise NotFound("bay", bay_id)
        about = Interval(interval.starts_at - self._limits.early, interval.ends_at)
        claims = await store.lock_claims(connection, bay_id, about)
        return await self.read(connection, terms, claims, interval.starts_at, self._clock())

    async def read(
        self,
        connection: Connection,
        terms: Terms,
        claims: Sequence[Booking],
        starts_at: datetime,
        now: datetime,
    ) -> Bay:
        """For an act on a booking that starts then. The bay and the claims must be locked."""
        staying = [claim for claim in claims if claim.status in STAYING]
        starts = [starts_at, *(claim.interval.starts_at for claim in staying)]
        return Bay(
            claims=claims,
            tariff=await self._till.tariff(connection, terms, starts),
            sight=await _sight(connection, terms.bay_id) if staying else Sight(),
            limits=self._limits,
            now=now,
        )


async def _sight(connection: Connection, bay_id: str) -> Sight:
    empty = await seen_empty(connection, [bay_id])
    occupied = await seen_occupied(connection, [bay_id])
    return Sight(empty.get(bay_id), occupied.get(bay_id))
