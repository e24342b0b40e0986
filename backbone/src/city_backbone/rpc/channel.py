"""Channels to other departments: mutual TLS, deadlines, retries where idempotent, a breaker."""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import grpc
import grpc.aio
from opentelemetry.instrumentation.grpc import aio_client_interceptors
from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import CLOSED, HALF_OPENED, OPENED, OpenedState

from city_backbone.errors import NeighbourUnavailable
from city_backbone.rpc.certificate import Certificate, Identity
from city_backbone.rpc.renewing import RenewingChannel
from city_backbone.settings import TlsSettings

DEFAULT_DEADLINE_SECONDS = 5.0
BREAKER_SECONDS = 5.0
#: Is told how a breaker stands: 0 closed, 1 half-open, 2 open.
Told: TypeAlias = Callable[[int], None]
_STATES = {CLOSED: 0, HALF_OPENED: 1, OPENED: 2}
_DOWN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


class _NeighbourDown(Exception):
    """Counts as a failure for the breaker; carries the real error."""


class _Caller(
    grpc.aio.UnaryUnaryClientInterceptor,
):
    """A deadline on each unary call, and no call at all while the neighbour's breaker is open."""

    def __init__(
        self, target: str, deadline_seconds: float, breaker_seconds: float, told: Told
    ) -> None:
        self._target = target
        self._deadline = deadline_seconds
        self._told = told
        self._breakers = AsyncCircuitBreakerFactory(
            default_threshold=5, default_ttl=breaker_seconds
        )

    async def intercept_unary_unary(
        self,
        continuation: Callable[[Any, Any], Any],
        client_call_details: Any,
        request: Any,
    ) -> Any:
        if client_call_details.timeout is None:
            client_call_details = client_call_details._replace(timeout=self._deadline)
        breaker = await self._breakers.get_breaker(self._target)
        try:
            async with breaker:
                call = await continuation(client_call_details, request)
                if await call.code() in _DOWN:
                    raise _NeighbourDown
                return call
        except _NeighbourDown:
            return call
        except OpenedState as error:
            raise NeighbourUnavailable(
                f"{self._target}: circuit breaker open, not called"
            ) from error
        finally:
            self._told(_STATES[breaker.context.state])


def open_channel(
    target: str,
    tls: TlsSettings,
    *,
    server_name: str | None = None,
    idempotent: Sequence[str] = (),
    deadline_seconds: float = DEFAULT_DEADLINE_SECONDS,
    breaker_seconds: float = BREAKER_SECONDS,
    told: Told = lambda state: None,
) -> grpc.aio.Channel:
    """A channel to `host:port`; `server_name` is the department whose certificate is expected.

    `idempotent` names services (`package.Service`) or methods (`package.Service/Method`) that
    may be tried again when the neighbour is unavailable; all mutating RPCs of the mesh carry an
    idempotency key, so a whole service may stand here. Unary calls without a timeout get
    `deadline_seconds`; streams must be given theirs. After five failures in a row unary calls
    raise NeighbourUnavailable for `breaker_seconds` without being made; then one is tried.
    Calls made after the certificate was replaced on the disk are made with the new one.
    """
    options: list[tuple[str, Any]] = [
        ("grpc.service_config", json.dumps(_service_config(idempotent))),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 5_000),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.max_receive_message_length", 16 * 1024 * 1024),
    ]
    if server_name:
        options.append(("grpc.ssl_target_name_override", server_name))
    interceptors = [
        *aio_client_interceptors(),
        _Caller(target, deadline_seconds, breaker_seconds, told),
    ]

    def connect(certificate: Certificate) -> grpc.aio.Channel:
        credentials = grpc.ssl_channel_credentials(
            certificate.authorities, certificate.key, certificate.chain
        )
        return grpc.aio.secure_channel(
            target, credentials, options=options, interceptors=interceptors
        )

    return RenewingChannel(Identity(tls), connect)


def _service_config(idempotent: Sequence[str]) -> dict[str, Any]:
    names = [
        dict(zip(("service", "method"), name.split("/", 1), strict=False)) for name in idempotent
    ]
    config: dict[str, Any] = {"loadBalancingConfig": [{"round_robin": {}}]}
    if names:
        config["methodConfig"] = [
            {
                "name": names,
                "retryPolicy": {
                    "maxAttempts": 4,
                    "initialBackoff": "0.1s",
                    "maxBackoff": "1s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ]
    return config


async def ready(channel: grpc.aio.Channel, timeout_seconds: float) -> None:
    """Wait until the channel is connected. Raises NeighbourUnavailable after the timeout."""
    try:
        async with asyncio.timeout(timeout_seconds):
            await channel.channel_ready()
    except TimeoutError as error:
        raise NeighbourUnavailable(f"no connection within {timeout_seconds} s") from error
