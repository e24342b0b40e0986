"""What residents, drivers and sensors ask of `parking`, by RPC."""

from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, TypeVar

import grpc
from city.parking.v1 import booking_pb2, lot_pb2, occupancy_pb2
from city.parking.v1.booking_pb2_grpc import BookingServiceStub
from city.parking.v1.lot_pb2_grpc import LotServiceStub
from city.parking.v1.occupancy_pb2_grpc import OccupancyServiceStub
from city.parking.v1.vault_pb2_grpc import VaultServiceStub

from loadtests.city.calls import Calls, Rpc
from loadtests.city.errors import RefusedError
from loadtests.city.parking import wire
from loadtests.city.parking.alley import Bay, Owner, Special
from loadtests.city.parking.fleet import Vehicle
from loadtests.city.parking.street import Reading

if TYPE_CHECKING:
    from city.parking.v1.booking_pb2_grpc import BookingServiceAsyncStub
    from city.parking.v1.lot_pb2_grpc import LotServiceAsyncStub
    from city.parking.v1.occupancy_pb2_grpc import OccupancyServiceAsyncStub
    from city.parking.v1.vault_pb2_grpc import VaultServiceAsyncStub

_Request = TypeVar("_Request")
_Answer = TypeVar("_Answer")
DEPARTMENT = "parking"


class Office:
    """The department behind one channel. Each act is repeated, the same, until it is answered.

    A repeated act is the same act. Everything raises RefusedError for a refusal; somebody else was
    faster (ABORTED) is one.
    """

    def __init__(self, channel: grpc.aio.Channel, calls: Calls) -> None:
        self._bookings: BookingServiceAsyncStub = BookingServiceStub(channel)
        self._lots: LotServiceAsyncStub = LotServiceStub(channel)
        self._occupancy: OccupancyServiceAsyncStub = OccupancyServiceStub(channel)
        self._vault: VaultServiceAsyncStub = VaultServiceStub(channel)
        self._calls = calls

    async def register_owner(self, seed: int, owner: Owner) -> str:
        """The owner's id."""
        request = wire.owner_registration(seed, owner)
        answer = await self._call("RegisterOwner", self._vault.RegisterOwner, request)
        return answer.owner_id

    async def register_vehicle(self, seed: int, vehicle: Vehicle) -> str:
        """The vehicle's id."""
        request = wire.vehicle_registration(seed, vehicle)
        answer = await self._call("RegisterVehicle", self._vault.RegisterVehicle, request)
        return answer.vehicle_id

    async def register_alley(self, request: lot_pb2.RegisterSharedLotRequest) -> None:
        await self._call("RegisterSharedLot", self._lots.RegisterSharedLot, request)

    async def offer(self, bay: Bay, owner_id: str, specials: Sequence[Special]) -> None:
        await self.offer_bay(wire.offer(bay, owner_id, specials))

    async def offer_bay(self, request: lot_pb2.OfferBayRequest) -> None:
        await self._call("OfferBay", self._lots.OfferBay, request)

    async def import_lots(self, request: lot_pb2.ImportLotsRequest) -> Sequence[str]:
        """The lots' ids, in the order given."""
        answer = await self._call("ImportLots", self._lots.ImportLots, request)
        return list(answer.lot_ids)

    async def register_sensors(self, request: occupancy_pb2.RegisterSensorsRequest) -> None:
        await self._call("RegisterSensors", self._occupancy.RegisterSensors, request)

    async def search(self, request: lot_pb2.SearchBaysRequest) -> Sequence[lot_pb2.FoundBay]:
        """Best first."""
        answer = await self._call("SearchBays", self._lots.SearchBays, request)
        return list(answer.bays)

    async def bays_of(self, lot_id: str) -> Sequence[lot_pb2.Bay]:
        """At most a thousand, in the order of ids."""
        request = lot_pb2.ListBaysRequest(lot_id=lot_id, page_size=1_000)
        answer = await self._call("ListBays", self._lots.ListBays, request)
        return list(answer.bays)

    async def hold(
        self, bay_id: str, vehicle_id: str, interval: lot_pb2.Interval, *purpose: object
    ) -> booking_pb2.Booking:
        request = booking_pb2.HoldBayRequest(
            bay_id=bay_id, vehicle_id=vehicle_id, interval=interval
        )
        answer = await self._call("HoldBay", self._bookings.HoldBay, wire.keyed(request, *purpose))
        return answer.booking

    async def block(
        self, bay_id: str, owner_id: str, interval: lot_pb2.Interval, *purpose: object
    ) -> booking_pb2.Booking:
        request = booking_pb2.BlockBayRequest(bay_id=bay_id, owner_id=owner_id, interval=interval)
        answer = await self._call(
            "BlockBay", self._bookings.BlockBay, wire.keyed(request, *purpose)
        )
        return answer.booking

    async def booking(self, booking_id: str) -> booking_pb2.Booking:
        request = booking_pb2.GetBookingRequest(booking_id=booking_id)
        return (await self._call("GetBooking", self._bookings.GetBooking, request)).booking

    async def confirm(self, booking_id: str) -> booking_pb2.Booking:
        """Pay."""
        request = booking_pb2.ConfirmBookingRequest(
            booking_id=booking_id, payment_reference=f"pg-{booking_id}"
        )
        answer = await self._call(
            "ConfirmBooking", self._bookings.ConfirmBooking, wire.keyed(request)
        )
        return answer.booking

    async def check_in(self, booking_id: str) -> booking_pb2.Booking:
        request = wire.keyed(booking_pb2.CheckInRequest(booking_id=booking_id))
        return (await self._call("CheckIn", self._bookings.CheckIn, request)).booking

    async def check_out(self, booking_id: str) -> booking_pb2.Booking:
        request = wire.keyed(booking_pb2.CheckOutRequest(booking_id=booking_id))
        return (await self._call("CheckOut", self._bookings.CheckOut, request)).booking

    async def cancel(self, booking_id: str) -> booking_pb2.Booking:
        request = wire.keyed(booking_pb2.CancelBookingRequest(booking_id=booking_id))
        answer = await self._call("CancelBooking", self._bookings.CancelBooking, request)
        return answer.booking

    async def report(self, readings: Sequence[Reading]) -> occupancy_pb2.ReportOccupancyResponse:
        """All in one call; sent again, whole, until it is answered."""

        def send(
            sent: Sequence[Reading], *, timeout: float
        ) -> Awaitable[occupancy_pb2.ReportOccupancyResponse]:
            return self._occupancy.ReportOccupancy(wire.reports(sent), timeout=timeout)

        return await self._call("ReportOccupancy", send, readings)

    async def _call(self, method: str, rpc: Rpc[_Request, _Answer], request: _Request) -> _Answer:
        async def once(asked: _Request, *, timeout: float) -> _Answer:
            try:
                return await rpc(asked, timeout=timeout)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.ABORTED:
                    raise
                # Who was faster stays faster: asking again would not help.
                raise RefusedError(
                    DEPARTMENT, method, error.code(), str(error.details())
                ) from error

        return await self._calls(method, once, request)
