"""The circuit breaker of one room."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import OpenedState

from emergency.errors import EmergencyError, RoomRefused

# Just behind the instant at which the breaker lets the probe through.
_MARGIN = 0.01


class BreakerOpen(EmergencyError):
    """No call was made."""


class Breaker:
    """Opens after `failures` in a row; after `seconds` one call, the probe, decides.

    A refusal is an answer, so it counts as a success here.
    """

    def __init__(self, room: str, failures: int, seconds: float) -> None:
        self._room = room
        self._factory = AsyncCircuitBreakerFactory(
            default_threshold=failures,
            default_ttl=seconds,
            exclude=[RoomRefused, asyncio.CancelledError],
        )
        self.state = "closed"
        self._opened_until = 0.0

    def limit(self, concurrency: int) -> int:
        """How many calls may run now."""
        if self.state == "closed":
            return concurrency
        return 0 if self.seconds_to_probe() > 0 else 1

    def seconds_to_probe(self) -> float:
        """0 or less when calls may be made."""
        return self._opened_until - time.time() if self.state == "opened" else 0.0

    @asynccontextmanager
    async def call(self) -> AsyncIterator[None]:
        """Around one call. Raises BreakerOpen instead of letting it through."""
        breaker = await self._factory.get_breaker(self._room)
        context = breaker.context
        try:
            async with breaker:
                self.state = context.state
                yield
        except OpenedState as error:
            raise BreakerOpen(self._room) from error
        finally:
            self.state = context.state
            if context.opened_at is not None:
                self._opened_until = context.opened_at + context.ttl + _MARGIN
