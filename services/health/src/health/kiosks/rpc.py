"""city.health.v1.KioskService."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, TypeAlias

import grpc.aio
from city.health.v1 import kiosk_pb2 as pb
from city.health.v1 import kiosk_pb2_grpc
from city_backbone.database import Connection, Database
from city_backbone.errors import InvalidArgument, NotFound, Transient
from city_backbone.idempotency import Idempotency
from city_backbone.rpc.once import Once
from city_backbone.rpc.paging import page_size, page_token, parse_page_token

from health import messages
from health.kiosks import answers, requests, store
from health.kiosks.desk import Desk
from health.kiosks.pace import paced
from health.kiosks.stream import Stream

NAME = "city.health.v1.KioskService"
# A whole session, and what is sent again of it.
MAX_MESSAGES = 500

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class KioskServicer(kiosk_pb2_grpc.KioskServiceServicer):
    """Raises the backbone's errors; its server makes statuses of them.

    At most `most_streams` sessions are open at once, and each ends after `idle_seconds` of
    silence, so that kiosks leave room for other calls.
    """

    def __init__(
        self,
        database: Database,
        idempotency: Idempotency,
        desk: Desk,
        stopping: asyncio.Event,
        *,
        most_streams: int,
        idle_seconds: float,
    ) -> None:
        self._database = database
        self._once = Once(database, idempotency)
        self._desk = desk
        self._stopping = stopping
        self._most_streams = most_streams
        self._idle_seconds = idle_seconds
        self._open = 0

    async def RegisterKiosks(
        self, request: pb.RegisterKiosksRequest, context: Context
    ) -> pb.RegisterKiosksResponse:
        kiosks = requests.kiosks(request.kiosks)

        async def effect(connection: Connection) -> pb.RegisterKiosksResponse:
            await store.save(connection, kiosks)
            return pb.RegisterKiosksResponse(registered=len(kiosks))

        return await self._once(request, context, pb.RegisterKiosksResponse, effect)

    async def GetKiosk(self, request: pb.GetKioskRequest, context: Context) -> pb.GetKioskResponse:
        kiosk_id = messages.name("kiosk_id", request.kiosk_id)
        async with self._database.transaction() as connection:
            found = await store.find(connection, kiosk_id)
        if found is None:
            raise NotFound("kiosk", kiosk_id)
        return pb.GetKioskResponse(kiosk=answers.kiosk(found))

    async def ListKiosks(
        self, request: pb.ListKiosksRequest, context: Context
    ) -> pb.ListKiosksResponse:
        size, after = page_size(request.page_size), _after(request.page_token)
        zone = messages.words("zone", request.zone, 40, empty=True)
        async with self._database.transaction() as connection:
            found = await store.page(connection, zone, after, size + 1)
        response = pb.ListKiosksResponse(kiosks=[answers.kiosk(one) for one in found[:size]])
        if len(found) > size:
            response.next_page_token = page_token([found[size - 1].kiosk_id])
        return response

    async def Session(
        self, request_iterator: AsyncIterator[pb.SessionRequest], context: Context
    ) -> AsyncIterator[pb.SessionResponse]:
        """One transaction per message: a stream that is cut off keeps what was answered."""
        if self._open >= self._most_streams:
            raise Transient("too many sessions are open: try again")
        self._open += 1
        try:
            stream = Stream(self._desk)
            async with aclosing(
                paced(request_iterator, MAX_MESSAGES, self._idle_seconds, self._stopping)
            ) as coming:
                async for request in coming:
                    yield await stream.answer(request)
        finally:
            self._open -= 1


def _after(token: str) -> str:
    """The id that the last page ended with; empty for the first."""
    match parse_page_token(token):
        case []:
            return ""
        case [str(after)] if after.isascii() and after.isprintable():
            return after
        case _:
            raise InvalidArgument("page_token", "expected a next_page_token of the same method")
