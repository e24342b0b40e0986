"""city.parking.v1.LotService."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeAlias

import grpc.aio
from city.parking.v1 import lot_pb2 as pb
from city.parking.v1 import lot_pb2_grpc
from city_backbone.database import Connection, Database
from city_backbone.errors import InvalidArgument, NotFound
from city_backbone.idempotency import Idempotency
from city_backbone.rpc.once import Once
from city_backbone.rpc.paging import page_size, page_token, parse_page_token

from parking import messages
from parking.clock import seoul_day
from parking.lots import answers, quoting, requests, searching, store, store_lots
from parking.lots.alleys import Alleys
from parking.lots.importing import Importing

NAME = "city.parking.v1.LotService"

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class LotServicer(lot_pb2_grpc.LotServiceServicer):
    """Raises the backbone's errors; its server makes statuses of them."""

    def __init__(
        self,
        database: Database,
        idempotency: Idempotency,
        importing: Importing,
        alleys: Alleys,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._once = Once(database, idempotency)
        self._importing = importing
        self._alleys = alleys
        self._clock = clock

    async def ImportLots(
        self, request: pb.ImportLotsRequest, context: Context
    ) -> pb.ImportLotsResponse:
        lots = requests.public_lots(request.lots, seoul_day(self._clock()))

        async def effect(connection: Connection) -> pb.ImportLotsResponse:
            return pb.ImportLotsResponse(lot_ids=await self._importing.take(connection, lots))

        return await self._once(request, context, pb.ImportLotsResponse, effect)

    async def RegisterSharedLot(
        self, request: pb.RegisterSharedLotRequest, context: Context
    ) -> pb.RegisterSharedLotResponse:
        lot = requests.shared_lot(request)

        async def effect(connection: Connection) -> pb.RegisterSharedLotResponse:
            saved = await self._alleys.register(connection, lot)
            return pb.RegisterSharedLotResponse(lot=answers.lot(saved))

        return await self._once(request, context, pb.RegisterSharedLotResponse, effect)

    async def OfferBay(self, request: pb.OfferBayRequest, context: Context) -> pb.OfferBayResponse:
        offer = requests.offer(request)

        async def effect(connection: Connection) -> pb.OfferBayResponse:
            return pb.OfferBayResponse(bay=answers.bay(await self._alleys.offer(connection, offer)))

        return await self._once(request, context, pb.OfferBayResponse, effect)

    async def GetLot(self, request: pb.GetLotRequest, context: Context) -> pb.GetLotResponse:
        lot_id = messages.name("lot_id", request.lot_id)
        async with self._database.transaction() as connection:
            found = await store_lots.find(connection, lot_id)
        if found is None:
            raise NotFound("lot", lot_id)
        return pb.GetLotResponse(lot=answers.lot(found))

    async def ListLots(self, request: pb.ListLotsRequest, context: Context) -> pb.ListLotsResponse:
        size, after = page_size(request.page_size), _after(request.page_token)
        kind = requests.lot_kind(request.kind)
        async with self._database.transaction() as connection:
            found = await store_lots.page(connection, kind, after, size + 1)
        response = pb.ListLotsResponse(lots=[answers.lot(one) for one in found[:size]])
        if len(found) > size:
            response.next_page_token = page_token([found[size - 1].lot.lot_id])
        return response

    async def GetBay(self, request: pb.GetBayRequest, context: Context) -> pb.GetBayResponse:
        bay_id = messages.name("bay_id", request.bay_id)
        async with self._database.transaction() as connection:
            found = await store.terms(connection, [bay_id])
        if bay_id not in found:
            raise NotFound("bay", bay_id)
        return pb.GetBayResponse(bay=answers.bay(found[bay_id]))

    async def ListBays(self, request: pb.ListBaysRequest, context: Context) -> pb.ListBaysResponse:
        lot_id = messages.name("lot_id", request.lot_id)
        size, after = page_size(request.page_size), _after(request.page_token)
        async with self._database.transaction() as connection:
            found = await store.page(connection, lot_id, after, size + 1)
        response = pb.ListBaysResponse(bays=[answers.bay(one) for one in found[:size]])
        if len(found) > size:
            response.next_page_token = page_token([found[size - 1].bay_id])
        return response

    async def QuoteFee(self, request: pb.QuoteFeeRequest, context: Context) -> pb.QuoteFeeResponse:
        stay = requests.priced_interval(request.interval)
        place = request.WhichOneof("place")
        if place is None:
            raise InvalidArgument("place", "expected lot_id or bay_id")
        name = messages.name(place, getattr(request, place))
        quote = quoting.quote_lot if place == "lot_id" else quoting.quote_bay
        async with self._database.transaction() as connection:
            bill = await quote(connection, name, stay)
        return pb.QuoteFeeResponse(fee_won=bill.won, charged_minutes=quoting.minutes(bill.charged))

    async def SearchBays(
        self, request: pb.SearchBaysRequest, context: Context
    ) -> pb.SearchBaysResponse:
        wanted = requests.wanted(request)
        async with self._database.transaction() as connection:
            found = await searching.search(connection, wanted, self._clock())
        return pb.SearchBaysResponse(bays=[answers.found_bay(one) for one in found])


def _after(token: str) -> str:
    """The id that the last page ended with; empty for the first."""
    match parse_page_token(token):
        case []:
            return ""
        case [str(after)] if after.isascii() and after.isprintable():
            return after
        case _:
            raise InvalidArgument("page_token", "expected a next_page_token of the same method")
