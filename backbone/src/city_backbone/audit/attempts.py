"""An act and its entry in the register, allowed or not, in one transaction.

A refusal commits with its entry and is raised afterwards; if the entry cannot be written, the
caller is told UNAVAILABLE and nothing happened.
"""

from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVar

from google.protobuf.any_pb2 import Any as Outcome
from google.protobuf.message import Message

from city_backbone.audit.act import REFUSALS, Attempt
from city_backbone.audit.outcome import done, refused, settle
from city_backbone.database import Connection, Database
from city_backbone.errors import IdempotencyConflict, InvalidArgument
from city_backbone.idempotency import Idempotency
from city_backbone.register import Register

M = TypeVar("M", bound=Message)

Effect: TypeAlias = Callable[[Connection], Awaitable[Message]]


class Attempts:
    """Runs what a caller tries. An effect raises refusals before it has written anything."""

    def __init__(self, database: Database, idempotency: Idempotency, register: Register) -> None:
        self._database = database
        self._idempotency = idempotency
        self._register = register

    async def make(self, attempt: Attempt, response_type: type[M], effect: Effect) -> M:
        """Each call is an act of its own. Raises the refusal."""
        async with self._database.transaction() as connection:
            outcome = await self._registered(connection, attempt, effect)
        return settle(outcome, response_type)

    async def once(
        self,
        attempt: Attempt,
        method: str,
        request: Message,
        key: str,
        response_type: type[M],
        effect: Effect,
    ) -> M:
        """One act per idempotency key: a repeat is told the same, and is not registered again.

        Raises the refusal, also for a key that is malformed or was used for something else.
        """
        async with self._database.transaction() as connection:
            try:
                outcome = await self._idempotency.run(
                    connection,
                    key=key,
                    method=method,
                    caller=attempt.at.department,
                    request=request,
                    response_type=Outcome,
                    effect=lambda: self._registered(connection, attempt, effect),
                )
            except (InvalidArgument, IdempotencyConflict) as refusal:
                await self._register.append(connection, [attempt.denied(refusal)])
                outcome = refused(refusal)
        return settle(outcome, response_type)

    async def _registered(
        self, connection: Connection, attempt: Attempt, effect: Effect
    ) -> Outcome:
        try:
            return done(await effect(connection))
        except REFUSALS as refusal:
            await self._register.append(connection, [attempt.denied(refusal)])
            return refused(refusal)
