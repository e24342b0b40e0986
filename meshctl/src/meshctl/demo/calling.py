"""A department, called as the city model calls it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import grpc.aio
from city_backbone.rpc.channel import open_channel
from city_backbone.settings import TlsSettings
from tenacity import wait_random_exponential

from loadtests.city.calls import Calls, Rpc

_CALL_SECONDS = 10.0
_SOON = wait_random_exponential(multiplier=0.2, max=1.0)
_Request = TypeVar("_Request")
_Answer = TypeVar("_Answer")


class CountedCalls(Calls):
    """Counts what was answered, without the methods of those who only wait for something."""

    def __init__(self, department: str, waiting: Collection[str] = ()) -> None:
        super().__init__(department, _CALL_SECONDS, _SOON)
        self._waiting = waiting
        self.answered = 0

    async def __call__(
        self, method: str, rpc: Rpc[_Request, _Answer], request: _Request
    ) -> _Answer:
        try:
            return await super().__call__(method, rpc, request)
        finally:
            self.answered += method not in self._waiting


@asynccontextmanager
async def channel(
    environment: Mapping[str, str], department: str
) -> AsyncIterator[grpc.aio.Channel]:
    """As the loadtests client, whose environment it is."""
    tls = TlsSettings(
        cert_file=Path(environment["LOADTESTS_TLS__CERT_FILE"]),
        key_file=Path(environment["LOADTESTS_TLS__KEY_FILE"]),
        ca_file=Path(environment["LOADTESTS_TLS__CA_FILE"]),
    )
    address = json.loads(environment["LOADTESTS_PEERS"])[department]
    opened = open_channel(address, tls, server_name=department, breaker_seconds=1.0)
    try:
        yield opened
    finally:
        await opened.close()
