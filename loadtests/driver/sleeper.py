"""Sleeping to the microsecond in an event loop, whose own timers go by milliseconds."""

import asyncio
import ctypes
import os
import sys
from typing import Self

_MONOTONIC = 1
_NONBLOCK = os.O_NONBLOCK
_MICROS = 1_000_000


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanos", ctypes.c_long))


class _Timer(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class Sleeper:
    """One sleep at a time. On Linux a timer of the kernel's, elsewhere the loop's."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: asyncio.Future[None] | None = None
        self._fd = -1
        if sys.platform == "linux":
            self._libc = ctypes.CDLL(None, use_errno=True)
            self._fd = self._libc.timerfd_create(_MONOTONIC, _NONBLOCK)
            self._timer = _Timer()
            self._at = ctypes.byref(self._timer)

    def __enter__(self) -> Self:
        if self._fd >= 0:
            self._loop.add_reader(self._fd, self._rang)
        return self

    def __exit__(self, *_: object) -> None:
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    async def sleep(self, micros: int) -> None:
        """A little longer at most, never shorter by more than the timer's grain."""
        if self._fd < 0:
            await asyncio.sleep(micros / _MICROS)
            return
        value = self._timer.value
        value.seconds, rest = divmod(max(micros, 1), _MICROS)
        value.nanos = rest * 1000
        self._waiting = self._loop.create_future()
        if self._libc.timerfd_settime(self._fd, 0, self._at, None):
            raise OSError(ctypes.get_errno(), "timerfd_settime")
        await self._waiting

    def _rang(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
