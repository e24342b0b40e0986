"""Channels as devices open them, what an answer means, and what the calls are about."""

import asyncio
import json
from bisect import bisect_left
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import TypeVar

import grpc
import grpc.aio
from google.rpc.error_details_pb2 import BadRequest
from grpc_status import rpc_status

from loadtests.city.cameras.rates import MALFORMED_SHARE
from loadtests.city.seeded import draws
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


def channel(
    world: World, department: str, identity: str = "loadtests", *, apart: bool = False
) -> grpc.aio.Channel:
    """To a department, as `identity`. Without retries and breaker: what happens is measured.

    Channels of a process to one address share a connection, but one that is `apart`.

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
            ("grpc.use_local_subchannel_pool", int(apart)),
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


def turned_down(
    error: grpc.aio.AioRpcError, key: str = "", acknowledged: tuple[str, ...] = ()
) -> Outcome:
    """Of a call that was malformed on purpose: right is a refusal that names the field."""
    if error.code() is grpc.StatusCode.INVALID_ARGUMENT and (field := named(error)):
        return Outcome("ok", f"malformed, refused: {field}", acknowledged, key)
    outcome = refused(error, key)
    return Outcome(outcome.status, f"malformed: {outcome.detail}"[:300], acknowledged, key)


def named(error: grpc.aio.AioRpcError) -> str:
    """The field that a refusal names; empty when it names none."""
    status = rpc_status.from_call(error)
    for detail in status.details if status is not None else ():
        bad = BadRequest()
        if detail.Unpack(bad) and bad.field_violations:
            return str(bad.field_violations[0].field)
    return ""


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
    """Picks one of `population`, the first of `order` most often: a share `hot` of all picks is of
    it alone, the others follow Zipf's law; exponent 0 is all alike. Without an order they are in
    their own."""

    def __init__(
        self,
        population: int,
        exponent: float,
        hot: float = 0.0,
        order: Sequence[int] | None = None,
    ) -> None:
        if population < 1:
            raise SettingError("a population: expected at least 1")
        if not 0 <= hot <= 1:
            raise SettingError("hot_share: expected 0 to 1")
        self.population = population
        self.exponent = exponent
        self.hot = hot
        self._order = order if order is not None else range(population)
        self._shares = (
            list(accumulate((rank + 1) ** -exponent for rank in range(population)))
            if exponent
            else []
        )

    @property
    def even(self) -> bool:
        """Whether none is preferred."""
        return not self.exponent and not self.hot

    def __call__(self, draw: Random) -> int:
        if self.hot and draw.random() < self.hot:
            return self._order[0]
        if not self._shares:
            return draw.randrange(self.population)
        return self._order[bisect_left(self._shares, draw.random() * self._shares[-1])]

    def some(self, draw: Random, count: int) -> list[int]:
        """So many, none twice; all when there are no more."""
        found: dict[int, None] = {}
        while len(found) < min(count, self.population):
            # One that is preferred may come so often that the others never do.
            one = self(draw) if not found else draw.randrange(self.population)
            found[one] = None
        return list(found)


def skew(world: World, things: str, population: int) -> Skew:
    """Of `things`, as the scenario says: `zipf` (0) and `hot_share` (0), both ASSUMPTION where they
    are used. Which are preferred follows from the seed, and is alike for all operations."""
    order = list(range(population))
    draws(world.seed, "preferred", things).shuffle(order)
    return Skew(population, world.number("zipf", 0), world.number("hot_share", 0), order)


def size(draw: Random, mean: float, most: int) -> int:
    """How many there are in a message: at least 1, exponential around `mean`: few are large."""
    if mean <= 1:
        return 1
    return min(1 + round(draw.expovariate(1 / (mean - 1))), most)


def text(draw: Random, words: Sequence[str], mean: float, most: int) -> str:
    """Words in any order; `size` says how many characters they have."""
    length = size(draw, mean, most)
    found = draw.choice(words)
    while len(found) < length:
        found += f" {draw.choice(words)}"
    return found[:length].strip()
