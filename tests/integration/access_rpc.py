"""What each service answers to each method, called with one empty message and a certificate."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from google.rpc import error_details_pb2
from grpc_status import rpc_status

# No call of the matrix may hang for long on a channel that is refused again and again.
_OPTIONS = [("grpc.initial_reconnect_backoff_ms", 100)]


@dataclass(frozen=True)
class Answer:
    """The status, and of google.rpc.ErrorInfo the reason."""

    code: grpc.StatusCode
    reason: str = ""

    @property
    def refused(self) -> bool:
        """Whether the caller has not declared the call."""
        return self == Answer(grpc.StatusCode.PERMISSION_DENIED, "NOT_REGISTERED")


def credentials(ca: Path, certificate: Path | None) -> grpc.ChannelCredentials:
    """Mutual TLS with a certificate and the key beside it; without one, TLS of one side."""
    if certificate is None:
        return grpc.ssl_channel_credentials(ca.read_bytes())
    key = certificate.with_suffix(".key").read_bytes()
    return grpc.ssl_channel_credentials(ca.read_bytes(), key, certificate.read_bytes())


def channel(
    port: int, department: str, allowed: grpc.ChannelCredentials | None
) -> grpc.aio.Channel:
    """To a department's server, in the clear without credentials."""
    address, options = f"127.0.0.1:{port}", list(_OPTIONS)
    if allowed is None:
        return grpc.aio.insecure_channel(address, options)
    options.append(("grpc.ssl_target_name_override", department))  # type: ignore[arg-type]
    return grpc.aio.secure_channel(address, allowed, options)


async def call(opened: grpc.aio.Channel, service: str, method: str, seconds: float) -> Answer:
    """One empty message, sent with the call: on the wire that is right for all four kinds."""
    stub: Any = opened.unary_stream(f"/{service}/{method}")
    try:
        async for _ in stub(b"", timeout=seconds):
            pass
    except grpc.aio.AioRpcError as error:
        status = rpc_status.from_call(error)
        return Answer(error.code(), _reason(status.details if status else ()))
    return Answer(grpc.StatusCode.OK)


async def call_all(
    ports: dict[str, int],
    ca: Path,
    certificate: Path | None,
    methods: Iterable[tuple[str, str]],
    seconds: float,
) -> dict[tuple[str, str], Answer]:
    """Every method as one principal."""
    allowed = credentials(ca, certificate)
    channels = {name: channel(port, name, allowed) for name, port in ports.items()}
    asked = list(methods)
    try:
        answers = await asyncio.gather(
            *(
                call(channels[service.split(".")[1]], service, method, seconds)
                for service, method in asked
            )
        )
    finally:
        await asyncio.gather(*(opened.close() for opened in channels.values()))
    return dict(zip(asked, answers, strict=True))


def _reason(details: Iterable[Any]) -> str:
    info = error_details_pb2.ErrorInfo()
    for detail in details:
        if detail.Unpack(info):
            return str(info.reason)
    return ""
