"""A parking department of the tests' own: it keeps what it is told, and refuses as told."""

import asyncio
from collections import defaultdict
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import grpc
from city.parking.v1 import booking_pb2, lot_pb2, occupancy_pb2, vault_pb2
from city.parking.v1.booking_pb2_grpc import (
    BookingServiceServicer,
    add_BookingServiceServicer_to_server,
)
from city.parking.v1.lot_pb2_grpc import LotServiceServicer, add_LotServiceServicer_to_server
from city.parking.v1.occupancy_pb2_grpc import (
    OccupancyServiceServicer,
    add_OccupancyServiceServicer_to_server,
)
from city.parking.v1.vault_pb2_grpc import VaultServiceServicer, add_VaultServiceServicer_to_server
from city_backbone.errors import BackboneError
from city_backbone.rpc.status import to_status


class ParkingOffice(
    BookingServiceServicer, LotServiceServicer, OccupancyServiceServicer, VaultServiceServicer
):
    """`acts` are the calls in order, by method and what they are about; `refuse` and `lose` hold,
    by method, errors raised before, and codes sent after an act has been taken."""

    def __init__(self) -> None:
        self.acts: list[tuple[str, str]] = []
        self.keys: list[str] = []
        self.owners: dict[str, str] = {}
        self.vehicles: dict[str, str] = {}
        self.lots: dict[str, Any] = {}
        self.bays: dict[str, Any] = {}
        self.sensors: dict[str, str] = {}
        self.readings: list[tuple[str, bool, int]] = []
        self.held: dict[str, booking_pb2.Booking] = {}
        self.refuse: defaultdict[str, list[BackboneError]] = defaultdict(list)
        self.lose: defaultdict[str, list[grpc.StatusCode]] = defaultdict(list)
        self.seen: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def serve(self, server: grpc.aio.Server) -> None:
        """Before it starts."""
        add_BookingServiceServicer_to_server(self, server)
        add_LotServiceServicer_to_server(self, server)
        add_OccupancyServiceServicer_to_server(self, server)
        add_VaultServiceServicer_to_server(self, server)

    def of(self, *methods: str) -> list[tuple[str, str]]:
        """The acts by those methods."""
        return [act for act in self.acts if act[0] in methods]

    async def RegisterOwner(self, request: Any, context: Any) -> Any:
        await self._take("RegisterOwner", request, context, request.name)
        owner_id = str(uuid5(NAMESPACE_URL, request.idempotency_key))
        self.owners[owner_id] = request.name
        return vault_pb2.RegisterOwnerResponse(owner_id=owner_id)

    async def RegisterVehicle(self, request: Any, context: Any) -> Any:
        await self._take("RegisterVehicle", request, context, request.plate)
        vehicle_id = str(uuid5(NAMESPACE_URL, request.plate))
        self.vehicles[vehicle_id] = request.plate
        return vault_pb2.RegisterVehicleResponse(vehicle_id=vehicle_id)

    async def RegisterSharedLot(self, request: Any, context: Any) -> Any:
        await self._take("RegisterSharedLot", request, context, request.lot_id)
        self.lots[request.lot_id] = request
        return lot_pb2.RegisterSharedLotResponse()

    async def ImportLots(self, request: Any, context: Any) -> Any:
        await self._take("ImportLots", request, context, "")
        names = [lot.management_number for lot in request.lots]
        self.lots |= dict(zip(names, request.lots, strict=True))
        return lot_pb2.ImportLotsResponse(lot_ids=names)

    async def OfferBay(self, request: Any, context: Any) -> Any:
        await self._take("OfferBay", request, context, request.bay_id)
        self.bays[request.bay_id] = request
        return lot_pb2.OfferBayResponse()

    async def SearchBays(self, request: Any, context: Any) -> Any:
        await self._take("SearchBays", request, context, "")
        answer = lot_pb2.SearchBaysResponse()
        taken = {one.bay_id for one in self.held.values()}
        for bay_id in sorted(self.bays.keys() - taken)[:10]:
            answer.bays.add(bay=lot_pb2.Bay(bay_id=bay_id))
        return answer

    async def RegisterSensors(self, request: Any, context: Any) -> Any:
        await self._take("RegisterSensors", request, context, "")
        self.sensors |= {one.sensor_id: one.bay_id for one in request.sensors}
        return occupancy_pb2.RegisterSensorsResponse(registered=len(request.sensors))

    async def ReportOccupancy(self, requests: Any, context: Any) -> Any:
        readings = [one async for request in requests for one in request.readings]
        await self._take("ReportOccupancy", None, context, "")
        answer = occupancy_pb2.ReportOccupancyResponse()
        for one in readings:
            known = one.sensor_id in self.sensors
            answer.accepted += known
            answer.refused += not known
            if known:
                micros = one.observed_at.ToMicroseconds()
                self.readings.append((self.sensors[one.sensor_id], one.occupied, micros))
        return answer

    async def HoldBay(self, request: Any, context: Any) -> Any:
        return booking_pb2.HoldBayResponse(booking=await self._claim("HoldBay", request, context))

    async def BlockBay(self, request: Any, context: Any) -> Any:
        return booking_pb2.BlockBayResponse(booking=await self._claim("BlockBay", request, context))

    async def ConfirmBooking(self, request: Any, context: Any) -> Any:
        booking = await self._move("ConfirmBooking", request, context)
        return booking_pb2.ConfirmBookingResponse(booking=booking)

    async def CheckIn(self, request: Any, context: Any) -> Any:
        return booking_pb2.CheckInResponse(booking=await self._move("CheckIn", request, context))

    async def CheckOut(self, request: Any, context: Any) -> Any:
        booking = await self._move("CheckOut", request, context)
        self.held.pop(request.booking_id, None)
        return booking_pb2.CheckOutResponse(booking=booking)

    async def CancelBooking(self, request: Any, context: Any) -> Any:
        booking = await self._move("CancelBooking", request, context)
        self.held.pop(request.booking_id, None)
        return booking_pb2.CancelBookingResponse(booking=booking)

    async def GetBooking(self, request: Any, context: Any) -> Any:
        raise AssertionError("not called by the city")

    ListBookings = GetLot = ListLots = GetBay = ListBays = QuoteFee = GetBooking
    GetLotOccupancy = ListDisputes = GetDispute = ResolveDispute = GetBooking
    FindBlockingVehicles = VerifyRegister = GetBooking

    async def _claim(self, method: str, request: Any, context: Any) -> booking_pb2.Booking:
        booking_id = str(uuid5(NAMESPACE_URL, request.idempotency_key))
        booking = booking_pb2.Booking(
            booking_id=booking_id, bay_id=request.bay_id, interval=request.interval
        )

        def take() -> None:
            self.held[booking_id] = booking

        await self._take(method, request, context, request.bay_id, take)
        return booking

    async def _move(self, method: str, request: Any, context: Any) -> booking_pb2.Booking:
        booking = self.held.get(request.booking_id, booking_pb2.Booking())
        await self._take(method, request, context, booking.bay_id)
        return booking

    async def _take(
        self, method: str, request: Any, context: Any, about: str, effect: Any = None
    ) -> None:
        self.acts.append((method, about))
        if request is not None and hasattr(request, "idempotency_key"):
            self.keys.append(request.idempotency_key)
        if self.refuse[method]:
            await context.abort_with_status(to_status(self.refuse[method].pop(0), "parking"))
        if effect is not None:
            effect()
        self.seen[method].set()
        if self.lose[method]:
            await context.abort(self.lose[method].pop(0), "told to")
