"""The gRPC server of a service: identity, deadlines, error details, health, reflection."""

import asyncio
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, NoReturn, TypeAlias

import grpc
import grpc.aio
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from opentelemetry.instrumentation.grpc import aio_server_interceptor, filters
from opentelemetry.metrics import Meter

from city_backbone import telemetry
from city_backbone.errors import BackboneError, PermissionDenied, SettingsError
from city_backbone.rpc.certificate import Certificate, Identity
from city_backbone.rpc.identity import Policy, caller
from city_backbone.rpc.status import has_status, to_status
from city_backbone.settings import GrpcSettings, TlsSettings

log = structlog.get_logger()

Servicer: TypeAlias = tuple[Callable[[Any, Any], None], Any, str]

_OPEN = ("/grpc.health.", "/grpc.reflection.")
# Health is asked all the time, and its Watch is of a kind that the interceptor cannot carry.
_TRACED = filters.negate(filters.health_check())


class _Guard(grpc.aio.ServerInterceptor):
    """Around every call: may the caller; a deadline when it gave none; our errors as statuses."""

    def __init__(
        self, department: str, policy: Policy, settings: GrpcSettings, meter: Meter
    ) -> None:
        self._department = department
        self._policy = policy
        self._deadline = settings.default_deadline_seconds
        self._duration = meter.create_histogram(
            telemetry.RPC_SERVER_DURATION,
            unit="s",
            explicit_bucket_boundaries_advisory=telemetry.SECONDS,
        )

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or method.startswith(_OPEN):
            return handler
        make = {
            (False, False): grpc.unary_unary_rpc_method_handler,
            (True, False): grpc.stream_unary_rpc_method_handler,
            (False, True): grpc.unary_stream_rpc_method_handler,
            (True, True): grpc.stream_stream_rpc_method_handler,
        }[handler.request_streaming, handler.response_streaming]
        inner = (
            handler.unary_unary
            or handler.stream_unary
            or handler.unary_stream
            or handler.stream_stream
        )
        guarded = (
            self._streaming(method, inner)
            if handler.response_streaming
            else self._unary(method, inner)
        )
        return make(guarded, handler.request_deserializer, handler.response_serializer)

    def _unary(self, method: str, inner: Any) -> Any:
        async def call(request: Any, context: Any) -> Any:
            started = time.perf_counter()
            try:
                self._authorize(method, context)
                async with asyncio.timeout(self._limit(context)):
                    return await inner(request, context)
            except Exception as error:
                await self._fail(method, context, error)
            finally:
                self._record(method, context, started)

        return call

    def _streaming(self, method: str, inner: Any) -> Any:
        async def call(request: Any, context: Any) -> AsyncIterator[Any]:
            started = time.perf_counter()
            try:
                self._authorize(method, context)
                async for response in inner(request, context):
                    yield response
            except Exception as error:
                await self._fail(method, context, error)
            finally:
                self._record(method, context, started)

        return call

    def _authorize(self, method: str, context: Any) -> None:
        name = caller(context)
        if not self._policy.allows(method, name):
            raise PermissionDenied(
                "NOT_REGISTERED", f"{name} does not declare calls: {method.removeprefix('/')}"
            )

    def _limit(self, context: Any) -> float:
        remaining: float | None = context.time_remaining()
        return min(remaining, 3600.0) if remaining is not None else self._deadline

    async def _fail(self, method: str, context: Any, error: Exception) -> NoReturn:
        if isinstance(error, grpc.aio.AbortError):
            raise error
        if isinstance(error, TimeoutError):
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "deadline exceeded")
        if not has_status(error):
            log.exception("call failed", method=method, outcome="INTERNAL")
        elif isinstance(error, PermissionDenied):
            log.warning(
                "call refused", method=method, outcome="PERMISSION_DENIED", error=str(error)
            )
        status: Any = to_status(
            error if isinstance(error, BackboneError) else BackboneError(), self._department
        )
        await context.abort_with_status(status)
        raise AssertionError("abort raises")

    def _record(self, method: str, context: Any, started: float) -> None:
        if isinstance(sys.exception(), asyncio.CancelledError | GeneratorExit):
            code = grpc.StatusCode.CANCELLED.name
        else:
            code = grpc.StatusCode(context.code()).name if context.code() else "OK"
        self._duration.record(
            time.perf_counter() - started,
            {"rpc.method": method.removeprefix("/"), "rpc.response.status_code": code},
        )


class RpcServer:
    """Mutual TLS only; raises SettingsError when the port is taken."""

    def __init__(
        self,
        department: str,
        settings: GrpcSettings,
        tls: TlsSettings,
        policy: Policy,
        servicers: Sequence[Servicer],
        meter: Meter,
    ) -> None:
        self._settings = settings
        self._health = health.aio.HealthServicer()
        self._server = grpc.aio.server(
            interceptors=[
                aio_server_interceptor(filter_=_TRACED),
                _Guard(department, policy, settings, meter),
            ],
            maximum_concurrent_rpcs=settings.max_concurrent_calls,
            options=[
                ("grpc.max_receive_message_length", settings.max_message_bytes),
                ("grpc.max_connection_age_ms", int(settings.max_connection_age_seconds * 1000)),
                ("grpc.max_connection_age_grace_ms", 30_000),
                ("grpc.so_reuseport", 0),
            ],
        )
        names = [name for _, _, name in servicers]
        for add, servicer, _ in servicers:
            add(servicer, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection(
            [*names, health.SERVICE_NAME, reflection.SERVICE_NAME], self._server
        )
        self._names = ["", *names]
        credentials = _credentials(Identity(tls))
        address = f"{settings.host}:{settings.port}"
        try:
            if settings.port:  # gRPC's own words for a port that is taken go past the log
                socket.create_server((settings.host, settings.port)).close()
            self.port = self._server.add_secure_port(address, credentials)
        except (OSError, RuntimeError) as error:
            raise SettingsError(f"GRPC__PORT: cannot listen on {address}: {error}") from error

    async def start(self) -> None:
        await self._server.start()
        for name in self._names:
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def stop(self, grace_seconds: float) -> None:
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace_seconds)


def _credentials(identity: Identity) -> grpc.ServerCredentials:
    """Mutual TLS; each handshake is with the certificate that is current then."""
    given = identity.current()

    def newer() -> Any:
        """None while there is no other: gRPC frees what it replaces, also under handshakes that
        still read it, and the process ends by that (grpc/grpc#36693)."""
        nonlocal given
        now = identity.current()
        if now is given:
            return None
        given = now
        return _configuration(now)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(given), newer, require_client_authentication=True
    )


def _configuration(now: Certificate) -> Any:
    return grpc.ssl_server_certificate_configuration([(now.key, now.chain)], now.authorities)
