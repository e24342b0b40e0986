"""A kiosk's session at the department: one stream, opened again where it breaks."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from city.health.v1 import kiosk_pb2 as pb
from city_backbone.errors import Transient

from loadtests.city.calls import Calls

if TYPE_CHECKING:
    from city.health.v1.kiosk_pb2_grpc import KioskServiceAsyncStub

_METHOD = "Session"
# A stream is given up after so long, and opened again; a session is over sooner.
_STREAM_SECONDS = 600.0


class Line:
    """Each step is sent again, the same, until it is answered, on a new stream after a break.

    A step that is sent again changes nothing at the department. All methods raise RefusedError.
    """

    def __init__(self, kiosks: "KioskServiceAsyncStub", calls: Calls, begin: pb.Begin) -> None:
        self._kiosks = kiosks
        self._calls = calls
        self._begin = pb.SessionRequest(begin=begin)
        self._stream: _Stream | None = None

    async def begin(self) -> pb.SessionResponse:
        """What of this session is stored already."""
        return await self._take(self._begin)

    async def measure(self, measured: pb.Measured) -> pb.SessionResponse:
        return await self._take(pb.SessionRequest(measured=measured))

    async def end(self, end: pb.End) -> pb.SessionResponse:
        return await self._take(pb.SessionRequest(end=end))

    def cut(self) -> None:
        """The stream breaks; the next step opens another. Also for when all is done."""
        if self._stream is not None:
            self._stream.cancel()
        self._stream = None

    async def _take(self, step: pb.SessionRequest) -> pb.SessionResponse:
        return await self._calls(_METHOD, self._once, step)

    async def _once(self, step: pb.SessionRequest, *, timeout: float) -> pb.SessionResponse:
        answered = False
        try:
            async with asyncio.timeout(timeout):
                if self._stream is None:
                    self._stream = _Stream(self._kiosks)
                    begun = await self._stream.ask(self._begin)
                    if step is self._begin:
                        answered = True
                        return begun
                answer = await self._stream.ask(step)
                answered = True
                return answer
        except TimeoutError:
            raise Transient(f"no answer in {timeout:g} s") from None
        finally:
            if not answered:
                self.cut()


class _Stream:
    """One call; each message that is sent is answered by one."""

    def __init__(self, kiosks: "KioskServiceAsyncStub") -> None:
        self._steps: asyncio.Queue[pb.SessionRequest | None] = asyncio.Queue()
        self._call = kiosks.Session(self._sent(), timeout=_STREAM_SECONDS)
        self._answers = aiter(self._call)

    async def ask(self, step: pb.SessionRequest) -> pb.SessionResponse:
        """Raises grpc.aio.AioRpcError, and Transient for a stream that ended without an answer."""
        self._steps.put_nowait(step)
        try:
            return await anext(self._answers)
        except StopAsyncIteration:
            raise Transient("the session's stream ended") from None

    def cancel(self) -> None:
        self._call.cancel()
        # A call that ended by itself leaves off waiting for steps only so.
        self._steps.put_nowait(None)

    async def _sent(self) -> AsyncIterator[pb.SessionRequest]:
        while (step := await self._steps.get()) is not None:
            yield step
