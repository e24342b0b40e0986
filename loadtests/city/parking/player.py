"""Plays the alley into `parking`: residents, drivers and bay sensors, second by second."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator

import grpc
import structlog

from loadtests.city.calls import reason
from loadtests.city.errors import RefusedError
from loadtests.city.parking import wire
from loadtests.city.parking.alley import Bay, alley, specials
from loadtests.city.parking.drivers import Town
from loadtests.city.parking.fleet import Vehicle, fleet
from loadtests.city.parking.lots import LOTS
from loadtests.city.parking.office import Office
from loadtests.city.parking.street import Reading, Street
from loadtests.city.parking.trips import Load, Trip, beginning
from loadtests.city.tasks import tasks

_log = structlog.get_logger(__name__)

MAX_AT_ONCE = 500
"""Cars and owners under way; who comes then is left out, and counted."""
LATE_SECONDS = 5
"""Doings of seconds that are longer ago are left out, and counted."""
_REGISTRATIONS_AT_ONCE = 8
_REPORT_SECONDS = 30.0
_NOT_IN_THE_POLICY = "NOT_REGISTERED"


class ParkingPlayer:
    """Plays the model of `load` as time passes.

    What `parking` does not answer is asked again, the same; what begins meanwhile waits too, up to
    MAX_AT_ONCE. `now` gives seconds since 1970, `rest` waits seconds. `outcome` counts what was
    done and refused.
    """

    def __init__(
        self,
        office: Office,
        load: Load,
        *,
        now: Callable[[], float] = time.time,
        rest: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._office = office
        self._load = load
        self._now = now
        self._rest = rest
        self._bays = alley(load.seed)
        self._street = Street(self._bays)
        self._town = Town(office, self._street, self._told, now=now, rest=rest)
        self._owners: dict[str, str] = {}
        self._vehicles: dict[int, str] = {}
        self._driving: set[int] = set()
        self._under_way = 0
        self.outcome: Counter[str] = Counter()

    async def run(self) -> None:
        """Register, then play until cancelled. Raises RefusedError."""
        await self.register()
        async with tasks() as group:
            group.create_task(self.sense())
            group.create_task(self.drive())

    async def register(self) -> None:
        """Make owners, cars, alley, bays, sensors and public lots known; again changes nothing."""
        await self._office.register_alley(wire.alley_registration())
        await self._office.import_lots(wire.lots_import())
        await _some_at_once(self._register_bay(bay) for bay in self._bays)
        for request in wire.sensor_registrations(self._bays):
            await self._office.register_sensors(request)
        cars = enumerate(fleet(self._load.seed))
        await _some_at_once(self._register_vehicle(number, car) for number, car in cars)
        _log.info(
            "alley-registered",
            bays=len(self._bays),
            vehicles=len(self._vehicles),
            public_lots=len(LOTS),
        )

    async def sense(self) -> None:
        """Send each change within a second, and what is due to be repeated."""
        sent = int(self._now())
        while True:
            second = int(self._now())
            readings = self._street.changes()
            if second > sent:
                readings += self._street.repeats(second, round(self._now() * 1_000_000))
            sent = second
            if readings:
                await self._report(readings)
            await self._rest(1.0 - self._now() % 1.0)

    async def drive(self) -> None:
        """Begin each second's trips once the second is over."""
        begun = int(self._now())
        reported = self._now()
        async with tasks() as group:
            while True:
                second = int(self._now())
                for passed in range(begun, second):
                    self._begin(group, passed, late=passed < second - LATE_SECONDS)
                begun = second
                if self._now() - reported >= _REPORT_SECONDS:
                    reported = self._now()
                    _log.info("parking-played", under_way=self._under_way, **self.outcome)
                await self._rest(1.0 - self._now() % 1.0)

    def _begin(self, group: asyncio.TaskGroup, second: int, *, late: bool) -> None:
        found = beginning(self._load, second)
        if late:
            self.outcome["left_out"] += len(found.trips)
            return
        for trip in found.trips:
            if trip.vehicle in self._driving:
                self.outcome["left_out"] += 1
                continue
            self._driving.add(trip.vehicle)
            if not self._go(group, self._drive(trip)):
                self._driving.discard(trip.vehicle)
        for stray in found.strays:
            self._go(group, self._town.stand(stray, self._bays[stray.bay - 1].bay_id))
        for visit in found.visits:
            bay_id = self._bays[visit.bay - 1].bay_id
            if owner_id := self._owners.get(bay_id):
                self._go(group, self._town.visit(visit, bay_id, owner_id))

    def _go(self, group: asyncio.TaskGroup, doing: Coroutine[None, None, None]) -> bool:
        """False when there is no room for it."""
        if self._under_way >= MAX_AT_ONCE:
            doing.close()
            self.outcome["left_out"] += 1
            return False
        self._under_way += 1
        group.create_task(doing).add_done_callback(self._done)
        return True

    def _done(self, _: asyncio.Task[None]) -> None:
        self._under_way -= 1

    async def _drive(self, trip: Trip) -> None:
        try:
            await self._town.drive(trip, self._vehicles[trip.vehicle])
        finally:
            self._driving.discard(trip.vehicle)

    async def _register_bay(self, bay: Bay) -> None:
        owner_id = await self._office.register_owner(self._load.seed, bay.owner)
        try:
            await self._office.offer(bay, owner_id, specials(self._load.seed, bay, self._now()))
        except RefusedError as error:
            if error.code is not grpc.StatusCode.PERMISSION_DENIED or (
                reason(error) == _NOT_IN_THE_POLICY
            ):
                raise
            # Offered by the same owner so long ago that the key of their registration is forgotten.
            self.outcome["kept"] += 1
            return
        self._owners[bay.bay_id] = owner_id

    async def _register_vehicle(self, number: int, vehicle: Vehicle) -> None:
        self._vehicles[number] = await self._office.register_vehicle(self._load.seed, vehicle)

    async def _report(self, readings: tuple[Reading, ...]) -> None:
        answer = await self._office.report(readings)
        if answer.refused:
            # The sensors are not known there: its database is new.
            await self.register()
            answer = await self._office.report(readings)
        self.outcome["readings"] += answer.accepted
        self.outcome["readings_refused"] += answer.refused

    def _told(self, word: str) -> None:
        self.outcome[word] += 1


async def _some_at_once(doings: Iterator[Awaitable[None]]) -> None:
    """All of them, a few at a time. Raises the first failure."""

    async def work() -> None:
        for doing in doings:
            await doing

    async with tasks() as group:
        for _ in range(_REGISTRATIONS_AT_ONCE):
            group.create_task(work())
