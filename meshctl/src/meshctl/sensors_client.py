"""The sensors department as the operator calls it: patient with a service that is away."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import grpc
import grpc.aio
from city.sensors.v1 import sensors_pb2 as pb
from city.sensors.v1 import sensors_pb2_grpc
from city_backbone.errors import NeighbourUnavailable
from city_backbone.rpc.channel import open_channel
from city_backbone.settings import TlsSettings
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_delay,
    wait_random_exponential,
)

from meshctl.errors import MeshctlError, NotRunningError
from meshctl.principal import environment_of

T = TypeVar("T")

READINGS_PER_CALL = 2_000
READINGS_PER_MESSAGE = 200
_CALL_SECONDS = 60.0
_AWAY = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
)


class Refused(MeshctlError):
    """The department refused the call; trying again would not help."""


class SensorsClient:
    """Each call is tried again, with backoff, until it has failed for `give_up_after` seconds.

    So every call must be one that may be made twice: stations are registered under an idempotency
    key, and a reading sent twice is a duplicate that changes nothing.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        give_up_after: float,
        say: Callable[[str], None],
    ) -> None:
        self._stub: sensors_pb2_grpc.SensorsServiceAsyncStub = sensors_pb2_grpc.SensorsServiceStub(
            channel
        )
        self._give_up_after = give_up_after
        self._say = say

    async def register(self, station: pb.Station) -> pb.Station:
        """Raises Refused with the field that is wrong, MeshctlError after giving up."""
        request = pb.RegisterStationRequest(idempotency_key=str(uuid4()), station=station)
        answer = await self._patiently(
            lambda: self._stub.RegisterStation(request, timeout=_CALL_SECONDS)
        )
        return answer.station

    async def publish(self, readings: Sequence[pb.Reading]) -> pb.PublishReadingsResponse:
        """At most READINGS_PER_CALL. Raises Refused, MeshctlError after giving up."""
        return await self._patiently(
            lambda: self._stub.PublishReadings(_messages(readings), timeout=_CALL_SECONDS)
        )

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        attempts = AsyncRetrying(
            retry=retry_if_exception(_is_away),
            stop=stop_after_delay(self._give_up_after),
            wait=wait_random_exponential(0.2, max=5.0),
            before_sleep=self._waiting,
            reraise=True,
        )
        try:
            async for attempt in attempts:
                with attempt:
                    return await call()
        except grpc.aio.AioRpcError as error:
            if _is_away(error):
                raise MeshctlError(
                    f"sensors: gave up after {self._give_up_after:g} s: {_reason(error)}"
                ) from error
            raise Refused(f"sensors: {_reason(error)}") from error
        except NeighbourUnavailable as error:
            raise MeshctlError(
                f"sensors: gave up after {self._give_up_after:g} s: {error}"
            ) from error
        raise AssertionError("the last attempt raises")

    def _waiting(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        self._say(f"sensors is away, trying again: {_reason(error)}")


def _is_away(error: BaseException) -> bool:
    if isinstance(error, grpc.aio.AioRpcError):
        return error.code() in _AWAY
    return isinstance(error, NeighbourUnavailable)


def _reason(error: BaseException | None) -> str:
    if isinstance(error, grpc.aio.AioRpcError):
        return f"{error.code().name}: {error.details()}"
    return str(error)


def _messages(readings: Sequence[pb.Reading]) -> Iterator[pb.PublishReadingsRequest]:
    for start in range(0, len(readings), READINGS_PER_MESSAGE):
        yield pb.PublishReadingsRequest(readings=readings[start : start + READINGS_PER_MESSAGE])


@asynccontextmanager
async def connected(
    state: Path | None, give_up_after: float, say: Callable[[str], None]
) -> AsyncIterator[SensorsClient]:
    """A client with the operator's identity. Raises NotRunningError when no stack was started."""
    values = environment_of("operator", state)
    peers: dict[str, str] = json.loads(values["OPERATOR_PEERS"])
    if "sensors" not in peers:
        raise NotRunningError("sensors: this stack has no such department")
    tls = TlsSettings(
        cert_file=Path(values["OPERATOR_TLS__CERT_FILE"]),
        key_file=Path(values["OPERATOR_TLS__KEY_FILE"]),
        ca_file=Path(values["OPERATOR_TLS__CA_FILE"]),
    )
    channel = open_channel(peers["sensors"], tls, server_name="sensors")
    try:
        yield SensorsClient(channel, give_up_after, say)
    finally:
        await channel.close(None)
