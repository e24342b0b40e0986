"""Idempotency keys: a mutating RPC takes effect once, however often it is called."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

from google.protobuf.message import Message

from city_backbone.database import Connection
from city_backbone.errors import IdempotencyConflict, InvalidArgument

M = TypeVar("M", bound=Message)


class Idempotency:
    """Keys of one department's database, kept as long as the inbox."""

    async def run(
        self,
        connection: Connection,
        *,
        key: str,
        method: str,
        caller: str,
        request: Message,
        response_type: type[M],
        effect: Callable[[], Awaitable[M]],
    ) -> M:
        """Run `effect` in the caller's transaction, or return what it returned the first time.

        A concurrent call with the same key waits for the first. Raises InvalidArgument for a key
        that is no UUID, IdempotencyConflict when it was used with another request.
        """
        try:
            identity = UUID(key)
        except ValueError:
            raise InvalidArgument("idempotency_key", f"expected a UUID, got {key!r}") from None
        digest = hashlib.sha256(request.SerializeToString(deterministic=True)).digest()
        claimed = await connection.execute(
            "insert into idempotency (key, method, caller, request_digest, response)"
            " values (%s, %s, %s, %s, '') on conflict do nothing returning key",
            (identity, method, caller, digest),
        )
        if await claimed.fetchone() is None:
            return await self._remembered(
                connection, identity, method, caller, digest, response_type
            )
        response = await effect()
        await connection.execute(
            "update idempotency set response = %s where key = %s",
            (response.SerializeToString(), identity),
        )
        return response

    async def _remembered(
        self,
        connection: Connection,
        identity: UUID,
        method: str,
        caller: str,
        digest: bytes,
        response_type: type[M],
    ) -> M:
        found = await connection.execute(
            "select method, caller, request_digest, response from idempotency where key = %s",
            (identity,),
        )
        row = await found.fetchone()
        if row is None or (row["method"], row["caller"], bytes(row["request_digest"])) != (
            method,
            caller,
            digest,
        ):
            raise IdempotencyConflict(
                "IDEMPOTENCY_KEY_REUSED",
                "idempotency_key: used before with another request; make a new key per change",
            )
        return response_type.FromString(bytes(row["response"]))
