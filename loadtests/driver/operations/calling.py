"""Channels as devices open them, what an answer means, and what the calls are about."""

import asyncio
import json
from bisect import bisect_left
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping
from contextlib import asynccontextmanager
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import TypeVar

import grpc
import grpc.aio

from loadtests.city.cameras.rates import MALFORMED_SHARE
from loadtests.driver.operation import Outcome, Status, World

DEADLINE_SECONDS = 10.0
_PREPARE_SECONDS = 30.0
_AT_ONCE = 16
# No answer came, or one that says nothing about the effect. Everything else is a refusal.
_UNKNOWN = frozenset(
    {
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
_Item = TypeVar("_Item")


class SettingError(ValueError):
    """A variable or setting that an operation needs is missing or wrong; it is named."""


def deadline(world: World) -> float:
    """Seconds that each call may take: `deadline_seconds`."""
    return world.number("deadline_seconds", DEADLINE_SECONDS)


def malformed_share(world: World) -> float:
    """`malformed_share`, else the model's 0.1 %."""
    return world.number("malformed_share", MALFORMED_SHARE)


def variable(world: World, name: str) -> str:
    """Raises SettingError."""
    try:
        return world.environment[name]
    except KeyError:
        raise SettingError(f"{name}: missing; meshctl env prints it") from None


def channel(world: World, department: str, identity: str = "loadtests") -> grpc.aio.Channel:
    """To a department, as `identity`. Without retries and breaker: what happens is measured.

    Raises SettingError.
    """
    prefix = identity.upper()
    peers: Mapping[str, str] = json.loads(variable(world, f"{prefix}_PEERS"))
    if department not in peers:
        raise SettingError(f"{prefix}_PEERS: no address of {department}")
    ca, key, chain = (
        Path(variable(world, f"{prefix}_TLS__{part}_FILE")).read_bytes()
        for part in ("CA", "KEY", "CERT")
    )
    return grpc.aio.secure_channel(
        peers[department],
        grpc.ssl_channel_credentials(ca, key, chain),
        options=[
            ("grpc.ssl_target_name_override", department),
            ("grpc.initial_reconnect_backoff_ms", 200),
            ("grpc.max_reconnect_backoff_ms", 2_000),
            ("grpc.max_receive_message_length", 16 * 1024 * 1024),
            ("grpc.enable_retries", 0),
        ],
    )


@asynccontextmanager
async def connected(
    world: World, department: str, identity: str = "loadtests"
) -> AsyncIterator[grpc.aio.Channel]:
    """A channel that is connected, so that the first call does not pay for it."""
    opened = channel(world, department, identity)
    try:
        try:
            await asyncio.wait_for(opened.channel_ready(), _PREPARE_SECONDS)
        except TimeoutError:
            raise SettingError(f"{department}: no connection in {_PREPARE_SECONDS:g} s") from None
        yield opened
    finally:
        await opened.close()


def refused(error: grpc.aio.AioRpcError, key: str = "") -> Outcome:
    """Of a call without a good answer."""
    status: Status = "unknown" if error.code() in _UNKNOWN else "failed"
    return Outcome(status, f"{error.code().name}: {error.details()}"[:300], key=key)


async def some_at_once(doings: Iterable[Awaitable[_Item]]) -> None:
    """All of them, a few at a time."""
    waiting = iter(doings)

    async def work() -> None:
        for doing in waiting:
            await doing

    async with asyncio.TaskGroup() as group:
        for _ in range(_AT_ONCE):
            group.create_task(work())


class Skew:
    """Picks one of `population`: the first most often, by Zipf's law; exponent 0 is all alike."""

    def __init__(self, population: int, exponent: float) -> None:
        if population < 1:
            raise SettingError("a population: expected at least 1")
        self.population = population
        self.exponent = exponent
        self._shares = (
            list(accumulate((rank + 1) ** -exponent for rank in range(population)))
            if exponent
            else []
        )

    def __call__(self, draw: Random) -> int:
        if not self._shares:
            return draw.randrange(self.population)
        return bisect_left(self._shares, draw.random() * self._shares[-1])


def size(draw: Random, mean: float, most: int) -> int:
    """How many there are in a message: at least 1, exponential around `mean`: few are large."""
    if mean <= 1:
        return 1
    return min(1 + round(draw.expovariate(1 / (mean - 1))), most)
