"""The stack that is loaded: one that runs, or one of its own; by meshctl, as a command."""

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_START_SECONDS = 300.0
_COMMAND_SECONDS = 60.0


class StackError(Exception):
    """The stack is not there or not ready; the message is meshctl's."""


@dataclass(frozen=True, slots=True)
class Stack:
    """`alone` when nobody but the driver sends anything."""

    state: Path
    alone: bool
    environment: dict[str, str]


@asynccontextmanager
async def stack(
    state: Path | None, names: Iterable[str], say: Callable[[str], None]
) -> AsyncIterator[Stack]:
    """That of `state`, which must be ready; without one a stack of its own, taken down at the end.

    `environment` has the variables of `names`, services and clients. Raises StackError.
    """
    if state is not None:
        status = json.loads(await meshctl("status", "--json", "--state", str(state), okay=(0, 1)))
        if not status["ready"]:
            raise StackError(f"{state}: not all of it is ready: `meshctl status` says what")
        alone = "city-model" not in status["parts"]
        yield Stack(state, alone, await _environment(state, names))
        return
    own = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="citymesh-load-"))
    # Started as root, the database runs as somebody else, who must come through.
    await asyncio.to_thread(own.chmod, 0o755)
    try:
        say("starting a stack of its own")
        up = ("up", "--detach", "--free-ports", "--rooms", "--state", str(own))
        await meshctl(*up, seconds=_START_SECONDS)
        yield Stack(own, True, await _environment(own, names))
    finally:
        await meshctl("down", "--state", str(own))
        await asyncio.to_thread(shutil.rmtree, own, ignore_errors=True)


async def _environment(state: Path, names: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in names:
        values: dict[str, Any] = json.loads(
            await meshctl("env", name, "--json", "--state", str(state))
        )
        found |= {key: str(value) for key, value in values.items()}
    return found


async def meshctl(
    *arguments: str, okay: tuple[int, ...] = (0,), seconds: float = _COMMAND_SECONDS
) -> str:
    """What it prints. Raises StackError with what it says instead."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "meshctl", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(seconds):
            out, err = await process.communicate()
    except TimeoutError:
        raise StackError(f"meshctl {arguments[0]}: no end within {seconds:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode not in okay:
        raise StackError(err.decode().strip() or f"meshctl {arguments[0]}: {process.returncode}")
    return out.decode()
