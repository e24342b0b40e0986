"""What one call is: its outcome, and how a module offers operations to the engine."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

Status = Literal["ok", "failed", "unknown"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended. `unknown`: no answer came, the effect may or may not have happened.

    `acknowledged` are ids whose effects must be found afterwards; `key` is what the call was about.
    """

    status: Status
    detail: str = ""
    acknowledged: tuple[str, ...] = ()
    key: str = ""


_attempted: ContextVar[list[str] | None] = ContextVar("attempted", default=None)


def attempting(*ids: str) -> None:
    """Told by an operation before it sends: ids that the call brings about when it happens, as in
    `Outcome.acknowledged`, also when no answer ever comes."""
    if (told := _attempted.get()) is not None:
        told.extend(ids)


@contextmanager
def attempts() -> Iterator[list[str]]:
    """What the call within tells to be attempting."""
    told: list[str] = []
    token = _attempted.set(told)
    try:
        yield told
    finally:
        _attempted.reset(token)


class Operation(Protocol):
    """A kind of call, made once per shard with open channels.

    `number` counts the calls of this operation over all shards and phases; with the seed it decides
    what is sent. `intended` is aware UTC. What it raises is a failed call.
    """

    name: str

    async def __call__(self, intended: datetime, number: int) -> Outcome: ...


@dataclass(frozen=True)
class World:
    """`environment` holds LOADTESTS_* as `meshctl env loadtests` prints them, and the variables of
    those departments whose topics are written directly; `made_at` is the plan's."""

    environment: Mapping[str, str]
    seed: int
    shard: int = 0
    shards: int = 1
    settings: Mapping[str, object] = field(default_factory=dict)
    made_at: int = 0

    def number(self, name: str, default: float) -> float:
        """A setting. Raises ValueError for what is no number."""
        value = self.settings.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"settings.{name}: expected a number, got {value!r}")
        return value


class Department(Protocol):
    """What a module of operations has; a module satisfies it."""

    def offers(self, name: str) -> bool:
        """Whether an operation of that name is made here."""
        ...

    async def prepare(self, world: World, names: Collection[str]) -> None:
        """Once per run, before any shard opens: register what the calls are about."""
        ...

    def open(
        self, world: World, names: Collection[str]
    ) -> AbstractAsyncContextManager[Mapping[str, Operation]]:
        """Once per shard."""
        ...
