"""city.parking.v1.BookingService."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

import grpc.aio
from city.parking.v1 import booking_pb2 as pb
from city.parking.v1 import booking_pb2_grpc
from city_backbone.database import Connection, Database
from city_backbone.errors import NotFound
from city_backbone.events import event_id
from city_backbone.idempotency import Idempotency
from city_backbone.rpc.identity import caller
from city_backbone.rpc.once import Once
from city_backbone.rpc.paging import page_size

from parking import messages as fields
from parking.bookings import messages, store
from parking.bookings.desk import Desk

NAME = "city.parking.v1.BookingService"

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class BookingServicer(booking_pb2_grpc.BookingServiceServicer):
    """Raises the backbone's errors; its server makes statuses of them."""

    def __init__(
        self,
        database: Database,
        idempotency: Idempotency,
        desk: Desk,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._once = Once(database, idempotency)
        self._desk = desk
        self._clock = clock

    async def HoldBay(self, request: pb.HoldBayRequest, context: Context) -> pb.HoldBayResponse:
        bay_id = fields.name("bay_id", request.bay_id)
        vehicle_id = fields.identity("vehicle_id", request.vehicle_id)
        interval = fields.interval("interval", request.interval)

        async def effect(connection: Connection) -> pb.HoldBayResponse:
            held = await self._desk.hold(
                connection, _new_id(request, context), bay_id, vehicle_id, interval
            )
            return pb.HoldBayResponse(booking=messages.booking_message(held))

        return await self._once(request, context, pb.HoldBayResponse, effect)

    async def ConfirmBooking(
        self, request: pb.ConfirmBookingRequest, context: Context
    ) -> pb.ConfirmBookingResponse:
        booking_id = fields.identity("booking_id", request.booking_id)
        reference = messages.payment_reference(request.payment_reference)

        async def effect(connection: Connection) -> pb.ConfirmBookingResponse:
            confirmed = await self._desk.confirm(connection, booking_id, reference)
            return pb.ConfirmBookingResponse(booking=messages.booking_message(confirmed))

        return await self._once(request, context, pb.ConfirmBookingResponse, effect)

    async def CheckIn(self, request: pb.CheckInRequest, context: Context) -> pb.CheckInResponse:
        booking_id = fields.identity("booking_id", request.booking_id)

        async def effect(connection: Connection) -> pb.CheckInResponse:
            arrived = await self._desk.check_in(connection, booking_id)
            return pb.CheckInResponse(booking=messages.booking_message(arrived))

        return await self._once(request, context, pb.CheckInResponse, effect)

    async def CheckOut(self, request: pb.CheckOutRequest, context: Context) -> pb.CheckOutResponse:
        booking_id = fields.identity("booking_id", request.booking_id)

        async def effect(connection: Connection) -> pb.CheckOutResponse:
            left = await self._desk.check_out(connection, booking_id)
            return pb.CheckOutResponse(booking=messages.booking_message(left))

        return await self._once(request, context, pb.CheckOutResponse, effect)

    async def CancelBooking(
        self, request: pb.CancelBookingRequest, context: Context
    ) -> pb.CancelBookingResponse:
        booking_id = fields.identity("booking_id", request.booking_id)

        async def effect(connection: Connection) -> pb.CancelBookingResponse:
            ended = await self._desk.cancel(connection, booking_id)
            return pb.CancelBookingResponse(booking=messages.booking_message(ended))

        return await self._once(request, context, pb.CancelBookingResponse, effect)

    async def BlockBay(self, request: pb.BlockBayRequest, context: Context) -> pb.BlockBayResponse:
        bay_id = fields.name("bay_id", request.bay_id)
        owner_id = fields.identity("owner_id", request.owner_id)
        interval = fields.interval("interval", request.interval)

        async def effect(connection: Connection) -> pb.BlockBayResponse:
            kept = await self._desk.keep(
                connection, _new_id(request, context), bay_id, owner_id, interval
            )
            return pb.BlockBayResponse(booking=messages.booking_message(kept))

        return await self._once(request, context, pb.BlockBayResponse, effect)

    async def GetBooking(
        self, request: pb.GetBookingRequest, context: Context
    ) -> pb.GetBookingResponse:
        booking_id = fields.identity("booking_id", request.booking_id)
        async with self._database.transaction() as connection:
            found = await store.find(connection, booking_id)
        if found is None:
            raise NotFound("booking", request.booking_id)
        return pb.GetBookingResponse(booking=messages.booking_message(found.at(self._clock())))

    async def ListBookings(
        self, request: pb.ListBookingsRequest, context: Context
    ) -> pb.ListBookingsResponse:
        wanted = store.Wanted(
            bay_id=request.bay_id and fields.name("bay_id", request.bay_id),
            lot_id=request.lot_id and fields.name("lot_id", request.lot_id),
            vehicle_id=fields.identity("vehicle_id", request.vehicle_id)
            if request.vehicle_id
            else None,
            statuses=messages.statuses(request.statuses),
        )
        size, before = page_size(request.page_size), messages.place(request.page_token)
        now = self._clock()
        async with self._database.transaction() as connection:
            found = await store.newest(connection, wanted, before, now, size + 1)
        page = found[:size]
        return pb.ListBookingsResponse(
            bookings=[messages.booking_message(booking.at(now)) for booking in page],
            next_page_token=messages.place_after(page[-1]) if len(found) > size else "",
        )


def _new_id(request: pb.HoldBayRequest | pb.BlockBayRequest, context: Context) -> UUID:
    """The key is a UUID by now: the effect runs behind it."""
    return event_id("booking", caller(context), UUID(request.idempotency_key))
