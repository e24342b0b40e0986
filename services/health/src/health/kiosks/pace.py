"""Reading a stream of requests with bounds: in number, in silence, and by the service's end."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TypeVar

from city_backbone.errors import Aborted, InvalidArgument, Transient

T = TypeVar("T")

_END = object()


async def paced(
    requests: AsyncIterator[T], most: int, idle_seconds: float, stopping: asyncio.Event
) -> AsyncGenerator[T, None]:
    """Raises InvalidArgument after `most`, Aborted when nothing comes for `idle_seconds`, and
    Transient as soon as the service stops: what was answered is stored, so all may be resumed."""
    stop = asyncio.ensure_future(stopping.wait())
    coming: asyncio.Future[T | object] | None = None
    try:
        for _ in range(most):
            coming = asyncio.ensure_future(_next(requests))
            await asyncio.wait(
                (coming, stop), timeout=idle_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if not coming.done():
                if stop.done():
                    raise Transient("the service stops: open the session again with begin")
                raise Aborted(
                    "IDLE",
                    f"nothing came for {idle_seconds:g} s: open the session again with begin",
                )
            request = coming.result()
            if request is _END:
                return
            yield request  # type: ignore[misc]  # it is not _END
        raise InvalidArgument(
            "step", f"expected at most {most} in a stream: open the session again with begin"
        )
    finally:
        left = [one for one in (stop, coming) if one is not None]
        for one in left:
            one.cancel()
        # Whoever asked goes on only when nobody reads the requests any more.
        await asyncio.wait(left)


async def _next(requests: AsyncIterator[T]) -> T | object:
    return await anext(requests, _END)
