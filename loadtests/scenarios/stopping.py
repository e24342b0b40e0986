"""A run that is told to end, by SIGTERM as by Ctrl-C, takes with it what it started."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class StoppedError(Exception):
    """It was told to end before it was judged."""


def run_until_stopped(doing: Coroutine[Any, Any, T]) -> T:
    """As asyncio.run; SIGTERM cancels `doing`. Raises StoppedError when it was told to end."""
    try:
        return asyncio.run(_cancelled_by_sigterm(doing))
    except (asyncio.CancelledError, KeyboardInterrupt):
        raise StoppedError("stopped before it was judged") from None


async def _cancelled_by_sigterm(doing: Coroutine[Any, Any, T]) -> T:
    task = asyncio.current_task()
    assert task
    # Process 1 of a container does not end by it as others do.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await doing
