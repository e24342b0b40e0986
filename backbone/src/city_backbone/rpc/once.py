"""Mutating RPCs: one transaction, one effect per idempotency key."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

import grpc.aio
from google.protobuf.message import Message

from city_backbone.database import Connection, Database
from city_backbone.idempotency import Idempotency
from city_backbone.rpc.identity import caller

M = TypeVar("M", bound=Message)


class Once:
    """Of one service. Give it requests that have an `idempotency_key`."""

    def __init__(self, database: Database, idempotency: Idempotency) -> None:
        self._database = database
        self._idempotency = idempotency

    async def __call__(
        self,
        request: Message,
        context: "grpc.aio.ServicerContext[Any, Any]",
        response_type: type[M],
        effect: Callable[[Connection], Awaitable[M]],
    ) -> M:
        """What `effect` returns, or returned the first time. Raises as Idempotency.run does."""
        async with self._database.transaction() as connection:
            return await self._idempotency.run(
                connection,
                key=cast(Any, request).idempotency_key,
                method=request.DESCRIPTOR.name.removesuffix("Request"),
                caller=caller(context),
                request=request,
                response_type=response_type,
                effect=lambda: effect(connection),
            )
