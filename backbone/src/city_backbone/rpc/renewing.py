"""A channel whose calls are made with the certificate that is current when they begin."""

import asyncio
from collections.abc import Callable
from typing import Any

import grpc.aio

from city_backbone.rpc.certificate import Certificate, Identity

# Longer than any connection lives: its server ends it before, and the stream on it.
_LAST_CALLS_SECONDS = 600.0


class RenewingChannel(grpc.aio.Channel):
    """gRPC channels keep their certificate for life, so a new one makes a new channel.

    What is under way on the old one goes on there.
    """

    def __init__(
        self, identity: Identity, connect: Callable[[Certificate], grpc.aio.Channel]
    ) -> None:
        self._identity = identity
        self._connect = connect
        self._certificate = identity.current()
        self._channel = connect(self._certificate)
        self._closing: set[asyncio.Task[None]] = set()

    def now(self) -> grpc.aio.Channel:
        """For a call that begins now."""
        certificate = self._identity.current()
        if certificate is not self._certificate:
            task = asyncio.ensure_future(self._channel.close(_LAST_CALLS_SECONDS))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
            self._certificate, self._channel = certificate, self._connect(certificate)
        return self._channel

    async def __aenter__(self) -> "RenewingChannel":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close(None)

    async def close(self, grace: float | None = None) -> None:
        for task in self._closing:
            task.cancel()
        await self._channel.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        return self.now().get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        await self.now().wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        await self.now().channel_ready()

    def unary_unary(self, *method: Any, **options: Any) -> Any:
        return _Method(self, "unary_unary", method, options)

    def unary_stream(self, *method: Any, **options: Any) -> Any:
        return _Method(self, "unary_stream", method, options)

    def stream_unary(self, *method: Any, **options: Any) -> Any:
        return _Method(self, "stream_unary", method, options)

    def stream_stream(self, *method: Any, **options: Any) -> Any:
        return _Method(self, "stream_stream", method, options)


class _Method:
    """A method of a stub, which outlives the channel it was made for."""

    def __init__(
        self, channel: RenewingChannel, kind: str, method: tuple[Any, ...], options: dict[str, Any]
    ) -> None:
        self._channel = channel
        self._make: Callable[[grpc.aio.Channel], Any] = lambda now: getattr(now, kind)(
            *method, **options
        )
        self._made_for: grpc.aio.Channel | None = None
        self._call: Any = None

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        now = self._channel.now()
        if now is not self._made_for:
            self._made_for, self._call = now, self._make(now)
        return self._call(*arguments, **options)
