"""city.parking.v1.OccupancyService."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeAlias

import grpc.aio
from city.parking.v1 import occupancy_pb2 as pb
from city.parking.v1 import occupancy_pb2_grpc
from city_backbone.audit.account import account
from city_backbone.database import Connection, Database
from city_backbone.errors import FailedPrecondition, InvalidArgument, NotFound
from city_backbone.idempotency import Idempotency
from city_backbone.rpc.once import Once
from city_backbone.rpc.paging import page_size

from parking.messages import identity, name, words
from parking.occupancy import messages, sensors, store_disputes, store_lots
from parking.occupancy.bay_states import BayStates
from parking.occupancy.readings import Readings

NAME = "city.parking.v1.OccupancyService"
MAX_READINGS_PER_CALL = 100_000
MAX_READINGS_PER_MESSAGE = 1_000
MAX_RESOLUTION = 500

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class OccupancyServicer(occupancy_pb2_grpc.OccupancyServiceServicer):
    """Raises the backbone's errors; its server makes statuses of them."""

    def __init__(
        self,
        database: Database,
        idempotency: Idempotency,
        bay_states: BayStates,
        readings: Readings,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._once = Once(database, idempotency)
        self._bay_states = bay_states
        self._readings = readings
        self._clock = clock

    async def RegisterSensors(
        self, request: pb.RegisterSensorsRequest, context: Context
    ) -> pb.RegisterSensorsResponse:
        watches = messages.watches(request.sensors)

        async def effect(connection: Connection) -> pb.RegisterSensorsResponse:
            await sensors.register(connection, self._bay_states, watches, self._clock)
            return pb.RegisterSensorsResponse(registered=len(watches))

        return await self._once(request, context, pb.RegisterSensorsResponse, effect)

    async def ReportOccupancy(
        self, request_iterator: AsyncIterator[pb.ReportOccupancyRequest], context: Context
    ) -> pb.ReportOccupancyResponse:
        """One transaction per message: a call that is cut off keeps what went before."""
        answer = pb.ReportOccupancyResponse()
        total = 0
        async for request in request_iterator:
            if len(request.readings) > MAX_READINGS_PER_MESSAGE:
                raise InvalidArgument(
                    "readings", f"expected at most {MAX_READINGS_PER_MESSAGE} in a message"
                )
            if total + len(request.readings) > MAX_READINGS_PER_CALL:
                raise InvalidArgument(
                    "readings", f"expected at most {MAX_READINGS_PER_CALL} in a call"
                )
            sent = [messages.sent(reading) for reading in request.readings]
            if not sent:
                continue
            async with self._database.transaction() as connection:
                results = await self._readings.take(connection, sent)
            self._readings.count(results)
            messages.add_results(answer, total, results)
            total += len(results)
        return answer

    async def GetLotOccupancy(
        self, request: pb.GetLotOccupancyRequest, context: Context
    ) -> pb.GetLotOccupancyResponse:
        """Of a lot that was never told of, counted now."""
        lot_id = name("lot_id", request.lot_id)
        async with self._database.transaction() as connection:
            lot = (await store_lots.find(connection, [lot_id])).get(lot_id)
            if lot is None:
                raise NotFound("lot", lot_id)
            if lot.count is None:
                counts = await store_lots.count(connection, [lot_id])
                lot = replace(lot, count=counts[lot_id])
        return messages.lot_message(lot)

    async def ListDisputes(
        self, request: pb.ListDisputesRequest, context: Context
    ) -> pb.ListDisputesResponse:
        lot_id = request.lot_id and name("lot_id", request.lot_id)
        size, before = page_size(request.page_size), messages.place(request.page_token)
        async with self._database.transaction() as connection:
            found = await store_disputes.newest(
                connection, request.open_only, lot_id, before, size + 1
            )
        page = found[:size]
        return pb.ListDisputesResponse(
            disputes=[messages.dispute_message(one) for one in page],
            next_page_token=messages.place_after(page[-1]) if len(found) > size else "",
        )

    async def GetDispute(
        self, request: pb.GetDisputeRequest, context: Context
    ) -> pb.GetDisputeResponse:
        dispute_id = identity("dispute_id", request.dispute_id)
        async with self._database.transaction() as connection:
            dispute = await store_disputes.find(connection, dispute_id)
        if dispute is None:
            raise NotFound("dispute", request.dispute_id)
        return pb.GetDisputeResponse(dispute=messages.dispute_message(dispute))

    async def ResolveDispute(
        self, request: pb.ResolveDisputeRequest, context: Context
    ) -> pb.ResolveDisputeResponse:
        dispute_id = identity("dispute_id", request.dispute_id)
        resolved_by = account("resolved_by", request.resolved_by)
        resolution = words("resolution", request.resolution, MAX_RESOLUTION)

        async def effect(connection: Connection) -> pb.ResolveDisputeResponse:
            dispute = await store_disputes.lock(connection, dispute_id)
            if dispute is None:
                raise NotFound("dispute", request.dispute_id)
            if dispute.resolved_at is not None:
                raise FailedPrecondition("RESOLVED", "dispute: it is resolved already")
            resolved = replace(
                dispute,
                resolved_at=self._clock(),
                resolved_by=resolved_by,
                resolution=resolution,
            )
            await store_disputes.save(connection, resolved)
            return pb.ResolveDisputeResponse(dispute=messages.dispute_message(resolved))

        return await self._once(request, context, pb.ResolveDisputeResponse, effect)
