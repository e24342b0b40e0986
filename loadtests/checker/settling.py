"""Looks at a run until its effects have arrived, or for as long as they are given."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

from loadtests.checker.reading import look
from loadtests.driver.result import Check

_AGAIN_SECONDS = 2.0


def is_clean(check: Check) -> bool:
    return check.complete and not sum(check.counts.values())


async def settled(
    folder: Path,
    environment: Mapping[str, str],
    alone: bool,
    wait_seconds: float,
    rooms: Mapping[str, str] | None = None,
) -> Check:
    """Looks again while something is wrong: effects may be on their way yet. Without the URLs of
    the `rooms`' stand-ins their records are not looked at, and the check says so."""
    deadline = time.monotonic() + wait_seconds
    while True:
        check = await look(folder, environment, alone, rooms or {})
        if is_clean(check) or time.monotonic() >= deadline:
            return check
        await asyncio.sleep(_AGAIN_SECONDS)
