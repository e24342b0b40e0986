"""Drivers, stray cars and owners: what each does from first to last."""

from collections.abc import Awaitable, Callable

import grpc
from city.parking.v1 import booking_pb2, lot_pb2

from loadtests.city.calls import reason
from loadtests.city.errors import RefusedError
from loadtests.city.parking import wire
from loadtests.city.parking.office import Office
from loadtests.city.parking.rates import LEAD_SECONDS, Habit
from loadtests.city.parking.street import Street
from loadtests.city.parking.trips import Stray, Trip, Visit

_TRIES = 3
# What ends the driver's trip, not the playing.
_REFUSALS = frozenset(
    {
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
    }
)


class Town:
    """Where drivers drive. `told` hears, in a word, of all that is done and refused.

    `now` gives seconds since 1970, `rest` waits seconds.
    """

    def __init__(
        self,
        office: Office,
        street: Street,
        told: Callable[[str], None],
        *,
        now: Callable[[], float],
        rest: Callable[[float], Awaitable[None]],
    ) -> None:
        self._office = office
        self._street = street
        self._told = told
        self._now = now
        self._rest = rest

    async def drive(self, trip: Trip, vehicle_id: str) -> None:
        """Search, hold, pay, come, park, go; or what the trip's habit makes of it.

        Raises RefusedError for a refusal that no driver can be the reason of.
        """
        try:
            booking = await self._hold(trip, vehicle_id)
            if booking is not None:
                await self._go_on(trip, booking)
        except RefusedError as error:
            self._shrug(error)

    async def stand(self, stray: Stray, bay_id: str) -> None:
        """A car without a booking."""
        if not self._street.arrive(bay_id, self._micros()):
            return
        self._told("stray")
        await self._rest(stray.seconds)
        self._street.leave(bay_id, self._micros())

    async def visit(self, visit: Visit, bay_id: str, owner_id: str) -> None:
        """An owner takes the own bay for a while and gives it back. Raises RefusedError."""
        wanted = _from_now(self._now(), LEAD_SECONDS, visit.minutes)
        try:
            booking = await self._office.block(bay_id, owner_id, wanted, visit.visit_id)
            self._told("blocked")
            if self._street.arrive(bay_id, self._micros()):
                await self._rest(visit.seconds)
                self._street.leave(bay_id, self._micros())
            await self._office.cancel(booking.booking_id)
            self._told("given_back")
        except RefusedError as error:
            self._shrug(error)

    async def _hold(self, trip: Trip, vehicle_id: str) -> booking_pb2.Booking | None:
        for attempt in range(_TRIES):
            wanted = _from_now(self._now(), max(trip.ahead, LEAD_SECONDS), trip.minutes)
            found = await self._office.search(
                wire.search(trip.goal, trip.walk_metres, wanted, by_price=trip.by_price)
            )
            if not found:
                self._told("full")
                return None
            chosen = found[min(attempt, len(found) - 1)]
            try:
                held = await self._office.hold(
                    chosen.bay.bay_id, vehicle_id, wanted, trip.trip_id, attempt
                )
            except RefusedError as error:
                self._shrug(error)
                continue
            self._told("held")
            return held
        return None

    async def _go_on(self, trip: Trip, booking: booking_pb2.Booking) -> None:
        if trip.habit is Habit.FORGETS:
            return
        await self._rest(trip.decide)
        if trip.habit is Habit.RELEASES:
            await self._cancel(booking, "released")
            return
        await self._office.confirm(booking.booking_id)
        self._told("confirmed")
        if trip.habit is Habit.STAYS_AWAY:
            return
        await self._rest(trip.come)
        if trip.habit is Habit.CANCELS:
            await self._cancel(booking, "cancelled")
        elif not self._street.arrive(booking.bay_id, self._micros()):
            await self._cancel(booking, "found_taken")
        else:
            await self._park(trip, booking)

    async def _park(self, trip: Trip, booking: booking_pb2.Booking) -> None:
        """The car stands in the bay, and leaves it whatever the office says."""
        try:
            await self._office.check_in(booking.booking_id)
            self._told("checked_in")
            await self._rest(trip.stay)
            if trip.habit is Habit.SLIPS_AWAY:
                return
            await self._office.check_out(booking.booking_id)
            self._told("checked_out")
            await self._rest(trip.linger)
        finally:
            self._street.leave(booking.bay_id, self._micros())

    async def _cancel(self, booking: booking_pb2.Booking, word: str) -> None:
        await self._office.cancel(booking.booking_id)
        self._told(word)

    def _micros(self) -> int:
        return round(self._now() * 1_000_000)

    def _shrug(self, error: RefusedError) -> None:
        if error.code not in _REFUSALS:
            raise error
        self._told(reason(error).lower())


def _from_now(now: float, ahead: float, minutes: int) -> lot_pb2.Interval:
    start = int(now + ahead) + 1
    return wire.interval(start, start + minutes * 60)
