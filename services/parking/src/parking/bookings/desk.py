"""The acts on bookings. Each runs in its caller's transaction.

Locks are taken in one order, so that acts never wait for each other in a circle: idempotency key,
bay, bookings, the ledger's day.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from city_backbone.database import Connection
from city_backbone.errors import NotFound

from parking.bookings import store
from parking.bookings.bay import Bay
from parking.bookings.bays import Bays
from parking.bookings.booking import Booking
from parking.bookings.journal import Journal
from parking.bookings.limits import Limits
from parking.interval import Interval
from parking.vault.store import has_vehicle


class Desk:
    """Where bays are held, paid for, taken and given back. What a refusal raises must reach the
    transaction's end: nothing is left of the act then. Bay says which refusals there are."""

    def __init__(
        self, bays: Bays, journal: Journal, limits: Limits, clock: Callable[[], datetime]
    ) -> None:
        self._bays = bays
        self._journal = journal
        self._limits = limits
        self._clock = clock

    async def hold(
        self,
        connection: Connection,
        booking_id: UUID,
        bay_id: str,
        vehicle_id: UUID,
        interval: Interval,
    ) -> Booking:
        """Raises InvalidArgument, NotFound, FailedPrecondition, Aborted."""
        self._limits.must_allow(interval, self._clock())
        if not await has_vehicle(connection, vehicle_id):
            raise NotFound("vehicle", str(vehicle_id))
        bay = await self._bays.lock(connection, bay_id, interval)
        return await self._record(connection, bay, bay.hold(booking_id, vehicle_id, interval))

    async def keep(
        self,
        connection: Connection,
        booking_id: UUID,
        bay_id: str,
        owner_id: UUID,
        interval: Interval,
    ) -> Booking:
        """For the owner. Raises InvalidArgument, NotFound, PermissionDenied, Aborted."""
        self._limits.must_allow(interval, self._clock())
        bay = await self._bays.lock(connection, bay_id, interval)
        return await self._record(connection, bay, bay.keep(booking_id, owner_id, interval))

    async def confirm(
        self, connection: Connection, booking_id: UUID, payment_reference: str
    ) -> Booking:
        """Raises NotFound, InvalidArgument, FailedPrecondition."""
        bay, booking = await self._locked(connection, booking_id)
        return await self._record(connection, bay, bay.confirm(booking, payment_reference))

    async def check_in(self, connection: Connection, booking_id: UUID) -> Booking:
        """Raises NotFound, FailedPrecondition, Aborted."""
        bay, booking = await self._locked(connection, booking_id)
        return await self._record(connection, bay, bay.check_in(booking))

    async def check_out(self, connection: Connection, booking_id: UUID) -> Booking:
        """Raises NotFound, FailedPrecondition."""
        bay, booking = await self._locked(connection, booking_id)
        return await self._record(connection, bay, bay.check_out(booking))

    async def cancel(self, connection: Connection, booking_id: UUID) -> Booking:
        """Raises NotFound, FailedPrecondition."""
        bay, booking = await self._locked(connection, booking_id)
        return await self._record(connection, bay, bay.cancel(booking))

    async def _locked(self, connection: Connection, booking_id: UUID) -> tuple[Bay, Booking]:
        """The bay first: a booking never moves to another one."""
        known = await store.find(connection, booking_id)
        if known is None:
            raise NotFound("booking", str(booking_id))
        bay = await self._bays.lock(connection, known.bay_id, known.interval)
        locked = await store.lock(connection, booking_id)
        assert locked is not None  # bookings are never removed
        return bay, locked

    async def _record(
        self, connection: Connection, bay: Bay, changed: Sequence[Booking]
    ) -> Booking:
        """The last one is what the act was about."""
        terms = bay.tariff.terms
        await self._journal.record(connection, changed, terms, bay.now)
        await self._journal.refresh(connection, [terms.bay_id], bay.now)
        return changed[-1]
