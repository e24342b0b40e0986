"""Any RPC of the mesh: `grpc:city.parking.v1.LotService/ListLots`.

`settings.grpc` has for each name `body` (JSON with holes, see template.py; default {}), or `bodies`
for a client stream, `identity` (loadtests), `keys` (1,000) for {key}, `answers` (1): so many
messages of a server stream are awaited, then it is cancelled; with `watch_seconds` it is after so
long whatever came, as a screen that is closed.
"""

import asyncio
import importlib
import pkgutil
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Any

import grpc.aio
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import MethodDescriptor
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from loadtests.city.seeded import draws
from loadtests.driver.operation import Operation, Outcome, World
from loadtests.driver.operations.calling import SettingError, connected, deadline, refused, skew
from loadtests.driver.operations.template import Filling, fill

PREFIX = "grpc:"


class Call(BaseModel):
    """A name's part of `settings.grpc`."""

    model_config = ConfigDict(extra="forbid")

    body: dict[str, Any] = {}
    bodies: list[dict[str, Any]] = []
    identity: str = "loadtests"
    keys: int = Field(default=1_000, ge=1)
    answers: int = Field(default=1, ge=1)
    watch_seconds: float | None = Field(default=None, gt=0)


def offers(name: str) -> bool:
    return name.startswith(PREFIX)


async def prepare(world: World, names: Collection[str]) -> None:
    """Only looks whether the names are right."""
    for name in names:
        method_of(name)
        call_of(world, name)


@asynccontextmanager
async def open(world: World, names: Collection[str]) -> AsyncIterator[Mapping[str, Operation]]:
    channels: dict[tuple[str, str], grpc.aio.Channel] = {}
    async with AsyncExitStack() as stack:
        made: dict[str, Operation] = {}
        for name in names:
            call, method = call_of(world, name), method_of(name)
            where = (method.containing_service.full_name.split(".")[1], call.identity)
            if where not in channels:
                channels[where] = await stack.enter_async_context(connected(world, *where))
            made[name] = AnyMethod(name, method, call, channels[where], world)
        yield made


class AnyMethod:
    """Ok when it is answered; its idempotency key, if the body has one, is what is acknowledged."""

    def __init__(
        self,
        name: str,
        method: MethodDescriptor,
        call: Call,
        channel: grpc.aio.Channel,
        world: World,
    ) -> None:
        self.name = name
        self._call = call
        self._method = method
        self._seed = world.seed
        self._skew = skew(world, name, call.keys)
        self._deadline = deadline(world)
        self._request: Any = message_factory.GetMessageClass(method.input_type)
        answer: Any = message_factory.GetMessageClass(method.output_type)
        shape = "_".join(
            "stream" if streams else "unary"
            for streams in (method.client_streaming, method.server_streaming)
        )
        self._rpc: Any = getattr(channel, shape)(
            f"/{method.containing_service.full_name}/{method.name}",
            request_serializer=self._request.SerializeToString,
            response_deserializer=answer.FromString,
        )

    async def __call__(self, intended: datetime, number: int) -> Outcome:
        draw = draws(self._seed, self.name, number)
        filling = Filling.of(draw, self._skew, intended, number)
        messages = list(self._messages(filling))
        argument = iter(messages) if self._method.client_streaming else messages[0]
        try:
            call = self._rpc(argument, timeout=self._deadline)
            if self._method.server_streaming:
                await self._read(call)
            else:
                await call
        except grpc.aio.AioRpcError as error:
            return refused(error)
        key = getattr(messages[0], "idempotency_key", "")
        return Outcome("ok", acknowledged=(key,) if key else (), key=key)

    async def _read(self, call: Any) -> None:
        try:
            async with asyncio.timeout(self._call.watch_seconds):
                read = 0
                async for _ in call:
                    read += 1
                    if read == self._call.answers and self._call.watch_seconds is None:
                        return
        except TimeoutError:
            return
        finally:
            call.cancel()

    def _messages(self, filling: Filling) -> Iterator[Any]:
        for body in self._call.bodies or [self._call.body]:
            yield json_format.ParseDict(fill(body, filling), self._request())


def call_of(world: World, name: str) -> Call:
    """Raises SettingError."""
    known = world.settings.get("grpc", {})
    if not isinstance(known, Mapping):
        raise SettingError("settings.grpc: expected names with their bodies")
    try:
        return Call.model_validate(known.get(name.removeprefix(PREFIX), {}))
    except ValidationError as error:
        raise SettingError(f"settings.grpc.{name}: {error.errors()[0]['msg']}") from error


def method_of(name: str) -> MethodDescriptor:
    """By the stubs that are built. Raises SettingError."""
    service, _, method = name.removeprefix(PREFIX).partition("/")
    for module in _modules(service):
        found = module.DESCRIPTOR.services_by_name.get(service.rpartition(".")[2])
        if found is not None and method in found.methods_by_name:
            return found.methods_by_name[method]  # type: ignore[no-any-return]
    raise SettingError(f"{name}: expected grpc:city.<department>.v1.<Service>/<Method>")


def _modules(service: str) -> Iterator[Any]:
    """The modules of the service's package."""
    try:
        package = importlib.import_module(service.rpartition(".")[0] or "none")
    except ImportError:
        return
    for one in pkgutil.iter_modules(package.__path__):
        if one.name.endswith("_pb2"):
            yield importlib.import_module(f"{package.__name__}.{one.name}")
