"""What the coordinator and its shards tell each other: JSON lines over TCP."""

import asyncio
import json
from contextlib import suppress
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from loadtests.driver.plan import Plan

LINE_BYTES = 16 * 1024 * 1024


class WireError(Exception):
    """The other side has gone, or says what cannot be read."""


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Hello(_Message):
    """A shard is there. `machine` is the same for processes that share a clock."""

    say: Literal["hello"] = "hello"
    shard: int
    machine: str


class Work(_Message):
    """What to do. `machine` is the coordinator's; `collect`: send what you wrote."""

    say: Literal["work"] = "work"
    plan: Plan
    machine: str
    collect: bool


class Ask(_Message):
    say: Literal["ask"] = "ask"


class Time(_Message):
    """Microseconds since 1970 UTC by the coordinator's clock."""

    say: Literal["time"] = "time"
    micros: int


class Ready(_Message):
    """The shard's operations are open. Microseconds: the coordinator's clock less its own."""

    say: Literal["ready"] = "ready"
    offset: float
    uncertainty: float


class Begin(_Message):
    """The common start, microseconds since 1970 UTC by the coordinator's clock."""

    say: Literal["begin"] = "begin"
    micros: int


class Progress(_Message):
    """What a shard has done so far."""

    say: Literal["progress"] = "progress"
    outcomes: dict[str, int]
    under_way: int


class Piece(_Message):
    """The next piece of a file that the shard wrote, base64."""

    say: Literal["piece"] = "piece"
    name: Literal["intervals.hlog", "history.jsonl.gz"]
    data: str


class Done(_Message):
    """All is written. `uncertainty` is the whole run's."""

    say: Literal["done"] = "done"
    offset: float
    uncertainty: float
    stopped: bool


class Failed(_Message):
    """The shard gives up."""

    say: Literal["failed"] = "failed"
    why: str


Message = Annotated[
    Hello | Work | Ask | Time | Ready | Begin | Progress | Piece | Done | Failed,
    Field(discriminator="say"),
]
_ADAPTER: TypeAdapter[Message] = TypeAdapter(Message)


class Line:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, message: Message) -> None:
        """Raises WireError."""
        try:
            self._writer.write(_ADAPTER.dump_json(message) + b"\n")
            await self._writer.drain()
        except OSError as error:
            raise WireError(f"the other side has gone: {error}") from error

    async def read(self) -> Message:
        """Raises WireError."""
        try:
            text = await self._reader.readline()
        except (OSError, ValueError) as error:
            raise WireError(f"the other side has gone: {error}") from error
        if not text.endswith(b"\n"):
            raise WireError("the other side has gone")
        try:
            return _ADAPTER.validate_json(text)
        except ValidationError as error:
            raise WireError(f"cannot be read: {json.dumps(text[:200].decode())}") from error

    async def close(self) -> None:
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()
