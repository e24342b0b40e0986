"""What drivers and bay sensors ask of `parking`, at an alley of the load's own whose bays are
always offered.

Settings, ASSUMPTION: `bays` (1,000: so many trips may be under way at once), `zipf` and `hot_share`
(0: bays in turn, none twice at once), `search_metres` (400, as far as drivers walk).
"""

from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import grpc
import grpc.aio
from city.parking.v1 import booking_pb2, lot_pb2, occupancy_pb2, vault_pb2
from city.parking.v1.booking_pb2_grpc import BookingServiceStub
from city.parking.v1.lot_pb2_grpc import LotServiceStub
from city.parking.v1.occupancy_pb2_grpc import OccupancyServiceStub
from city.parking.v1.vault_pb2_grpc import VaultServiceStub
from city_backbone.events import event_id

from loadtests.city.cameras.places import Point, moved
from loadtests.city.cameras.wire import timestamp
from loadtests.city.parking import alley, rates, wire
from loadtests.city.parking.rates import BOOKED_MINUTES, BY_PRICE_SHARE, LEAD_SECONDS, WALK_METRES
from loadtests.city.seeded import draws
from loadtests.driver.operation import Operation, Outcome, World
from loadtests.driver.operations.calling import (
    connected,
    deadline,
    malformed_share,
    refused,
    skew,
    some_at_once,
    turned_down,
)

if TYPE_CHECKING:
    from city.parking.v1.booking_pb2_grpc import BookingServiceAsyncStub
    from city.parking.v1.lot_pb2_grpc import LotServiceAsyncStub
    from city.parking.v1.occupancy_pb2_grpc import OccupancyServiceAsyncStub
    from city.parking.v1.vault_pb2_grpc import VaultServiceAsyncStub

SEARCH = "parking.SearchBays"
TRIP = "parking.Trip"
OCCUPANCY = "parking.ReportOccupancy"
_LOT = "load-alley"
_PER_LANE = 50
_CARS = 200


def offers(name: str) -> bool:
    return name in (SEARCH, TRIP, OCCUPANCY)


def bay_id(number: int) -> str:
    return f"{_LOT}-{number:05}"


def _place(number: int) -> Point:
    lane, along = divmod(number, _PER_LANE)
    return moved(moved(alley.MIDDLE, 1_000 + 25 * lane, 0), 6.0 * along, 90)


async def prepare(world: World, names: Collection[str]) -> None:
    async with connected(world, "parking") as channel:
        lots: LotServiceAsyncStub = LotServiceStub(channel)
        vault: VaultServiceAsyncStub = VaultServiceStub(channel)
        seconds = deadline(world)
        shared = wire.alley_registration()
        shared.lot_id, shared.name = _LOT, "부하 시험 골목"
        shared.idempotency_key = ""
        await lots.RegisterSharedLot(wire.keyed(shared), timeout=seconds)
        owner = await vault.RegisterOwner(
            wire.keyed(vault_pb2.RegisterOwnerRequest(name="부하 시험", contact="010-0000-0000")),
            timeout=seconds,
        )
        numbers = range(bays(world))
        await some_at_once(
            lots.OfferBay(_offer(number, owner.owner_id), timeout=seconds) for number in numbers
        )
        sensors: OccupancyServiceAsyncStub = OccupancyServiceStub(channel)
        for first in range(0, len(numbers), wire.MESSAGE):
            request = occupancy_pb2.RegisterSensorsRequest()
            for number in numbers[first : first + wire.MESSAGE]:
                request.sensors.add(sensor_id=f"s-{bay_id(number)}", bay_id=bay_id(number))
            await sensors.RegisterSensors(wire.keyed(request), timeout=seconds)


def _offer(number: int, owner_id: str) -> lot_pb2.OfferBayRequest:
    request = lot_pb2.OfferBayRequest(
        bay_id=bay_id(number),
        lot_id=_LOT,
        owner_id=owner_id,
        position=wire.position(_place(number)),
        unit_fee_won=rates.MIN_UNIT_FEE_WON,
    )
    for day in range(1, 8):
        request.weekly_windows.add(
            weekday=lot_pb2.Weekday.ValueType(day), start_minute=0, end_minute=1_440
        )
    return wire.keyed(request)


@asynccontextmanager
async def open(world: World, names: Collection[str]) -> AsyncIterator[Mapping[str, Operation]]:
    async with connected(world, "parking") as channel:
        made: dict[str, Operation] = {
            SEARCH: Search(channel, world),
            OCCUPANCY: Occupancy(channel, world),
        }
        if TRIP in names:
            made[TRIP] = Trip(channel, world, await _cars(channel, world))
        yield {name: one for name, one in made.items() if name in names}


async def _cars(channel: grpc.aio.Channel, world: World) -> list[str]:
    """Ids of vehicles; the same for every shard."""
    vault: VaultServiceAsyncStub = VaultServiceStub(channel)
    found: dict[int, str] = {}

    async def register(number: int) -> None:
        request = vault_pb2.RegisterVehicleRequest(
            plate=f"00하{1_000 + number}", contact="010-0000-0000"
        )
        answer = await vault.RegisterVehicle(wire.keyed(request), timeout=deadline(world))
        found[number] = answer.vehicle_id

    await some_at_once(register(number) for number in range(_CARS))
    return [found[number] for number in range(_CARS)]


class Search:
    """Bays within a walk that are free for a while that begins now."""

    name = SEARCH

    def __init__(self, channel: grpc.aio.Channel, world: World) -> None:
        self._stub: LotServiceAsyncStub = LotServiceStub(channel)
        self._seed = world.seed
        self._skew = skew(world, "bays", bays(world))
        self._metres = world.number("search_metres", WALK_METRES)
        self._deadline = deadline(world)

    async def __call__(self, intended: datetime, number: int) -> Outcome:
        draw = draws(self._seed, self.name, number)
        near = self._skew(draw)
        minutes = draw.choices(tuple(BOOKED_MINUTES), tuple(BOOKED_MINUTES.values()))[0]
        request = wire.search(
            _place(near),
            self._metres,
            _interval(intended, minutes),
            by_price=draw.random() < BY_PRICE_SHARE,
        )
        try:
            await self._stub.SearchBays(request, timeout=self._deadline)
        except grpc.aio.AioRpcError as error:
            return refused(error, bay_id(near))
        return Outcome("ok", key=bay_id(near))


@dataclass
class _Way:
    """How far a trip came, and its events that are acknowledged."""

    step: str = "HoldBay"
    acknowledged: tuple[str, ...] = ()

    def note(self, booking: booking_pb2.Booking) -> None:
        key = booking.booking_id
        self.acknowledged += (str(event_id("booking-changed", key, booking.revision)),)


class Trip:
    """Hold, confirm, check in, check out, one after the other: four calls.

    That somebody else has the bay is a right answer, and common once the keys are skewed. A
    malformed one names a bay as none can be called.
    """

    name = TRIP

    def __init__(self, channel: grpc.aio.Channel, world: World, cars: list[str]) -> None:
        self._stub: BookingServiceAsyncStub = BookingServiceStub(channel)
        self._seed = world.seed
        self._skew = skew(world, "bays", bays(world))
        self._malformed = malformed_share(world)
        self._cars = cars
        self._deadline = deadline(world)

    async def __call__(self, intended: datetime, number: int) -> Outcome:
        draw = draws(self._seed, self.name, number)
        bay = number % self._skew.population if self._skew.even else self._skew(draw)
        minutes = draw.choices(tuple(BOOKED_MINUTES), tuple(BOOKED_MINUTES.values()))[0]
        way = _Way()
        if draw.random() < self._malformed:
            return await self._refused(bay_id(bay).upper(), _interval(intended, minutes), number)
        try:
            await self._drive(way, bay_id(bay), _interval(intended, minutes), intended, number)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.ABORTED and way.step == "HoldBay":
                return Outcome("ok", "taken by somebody else", key=bay_id(bay))
            outcome = refused(error, bay_id(bay))
            return Outcome(
                outcome.status, f"{way.step}: {outcome.detail}", way.acknowledged, outcome.key
            )
        return Outcome("ok", "", way.acknowledged, bay_id(bay))

    async def _refused(self, bay: str, interval: lot_pb2.Interval, number: int) -> Outcome:
        try:
            await self._stub.HoldBay(
                booking_pb2.HoldBayRequest(
                    idempotency_key=str(uuid4()),
                    bay_id=bay,
                    vehicle_id=self._cars[number % len(self._cars)],
                    interval=interval,
                ),
                timeout=self._deadline,
            )
        except grpc.aio.AioRpcError as error:
            return turned_down(error, bay)
        return Outcome("failed", "held though malformed", key=bay)

    async def _drive(
        self, way: _Way, bay: str, interval: lot_pb2.Interval, intended: datetime, number: int
    ) -> None:
        seconds, keys = self._deadline, self._keys(intended, number)
        held = await self._stub.HoldBay(
            booking_pb2.HoldBayRequest(
                idempotency_key=next(keys),
                bay_id=bay,
                vehicle_id=self._cars[number % len(self._cars)],
                interval=interval,
            ),
            timeout=seconds,
        )
        way.note(held.booking)
        booking, way.step = held.booking.booking_id, "ConfirmBooking"
        paid = await self._stub.ConfirmBooking(
            booking_pb2.ConfirmBookingRequest(
                idempotency_key=next(keys), booking_id=booking, payment_reference=f"pg-{booking}"
            ),
            timeout=seconds,
        )
        way.note(paid.booking)
        way.step = "CheckIn"
        come = await self._stub.CheckIn(
            booking_pb2.CheckInRequest(idempotency_key=next(keys), booking_id=booking),
            timeout=seconds,
        )
        way.note(come.booking)
        way.step = "CheckOut"
        gone = await self._stub.CheckOut(
            booking_pb2.CheckOutRequest(idempotency_key=next(keys), booking_id=booking),
            timeout=seconds,
        )
        way.note(gone.booking)

    def _keys(self, intended: datetime, number: int) -> Iterator[str]:
        # A run of the same seed is another day: its bookings are others.
        draw = draws(self._seed, self.name, number, intended.isoformat())
        while True:
            yield str(UUID(int=draw.getrandbits(128), version=4))


class Occupancy:
    """A sensor tells that a car came, or that it has gone. A malformed reading is of a sensor that
    nobody knows, and must be refused by field."""

    name = OCCUPANCY

    def __init__(self, channel: grpc.aio.Channel, world: World) -> None:
        self._stub: OccupancyServiceAsyncStub = OccupancyServiceStub(channel)
        self._seed = world.seed
        self._skew = skew(world, "bays", bays(world))
        self._malformed = malformed_share(world)
        self._deadline = deadline(world)

    async def __call__(self, intended: datetime, number: int) -> Outcome:
        draw = draws(self._seed, self.name, number)
        turn, bay = divmod(number, self._skew.population)
        if not self._skew.even:
            turn, bay = number, self._skew(draw)
        bad = draw.random() < self._malformed
        message = occupancy_pb2.ReportOccupancyRequest()
        message.readings.add(
            sensor_id=f"gone-{bay_id(bay)}" if bad else f"s-{bay_id(bay)}",
            occupied=turn % 2 == 0,
            observed_at=timestamp(round(intended.timestamp() * 1_000_000)),
        )
        try:
            answer = await self._stub.ReportOccupancy(iter((message,)), timeout=self._deadline)
        except grpc.aio.AioRpcError as error:
            return refused(error, bay_id(bay))
        if bad and answer.refused == 1 and answer.problems[0].field:
            told = f"malformed, refused: {answer.problems[0].field}"
            return Outcome("ok", told, key=bay_id(bay))
        if bad or answer.refused:
            return Outcome("failed", f"malformed: {bad}; {answer}"[:300], key=bay_id(bay))
        return Outcome("ok", key=bay_id(bay))


def _interval(intended: datetime, minutes: int) -> lot_pb2.Interval:
    # Not the instant itself: a call that comes late must still be right.
    begin = intended.timestamp() + LEAD_SECONDS + 25
    return wire.interval(begin, begin + minutes * 60)


def bays(world: World) -> int:
    return int(world.number("bays", 1_000))
