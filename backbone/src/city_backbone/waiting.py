"""Waiting that ends at once when the service is told to stop."""

import asyncio


async def pause(stopping: asyncio.Event, seconds: float) -> bool:
    """Wait; True as soon as `stopping` is set."""
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return False
    return True
