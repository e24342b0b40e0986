"""The live table of `meshctl up` on a terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from rich.live import Live

from meshctl import lag, status
from meshctl.errors import MeshctlError
from meshctl.lag import Lag
from meshctl.stack import Stack

Rows = Sequence[tuple[str, str]]

EXTRA: list[Callable[[Stack], Awaitable[Rows]]] = []
"""Makers of further rows, (title, value), about the city. Each has two seconds; one that fails
or takes longer shows what it said last."""

_REFRESH_SECONDS = 1.0
_LAG_SECONDS = 5.0
_EXTRA_SECONDS = 2.0


async def show(stack: Stack) -> None:
    """Show the table until cancelled."""
    view = _View(stack)
    async with asyncio.TaskGroup() as group:
        group.create_task(view.measure())
        group.create_task(view.ask())
        group.create_task(view.draw())


class _View:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._lags: list[Lag] = []
        self._rows: dict[int, Rows] = {}

    async def draw(self) -> None:
        with Live(auto_refresh=False, transient=False) as screen:
            while True:
                now = status.of(self._stack.run, True, self._lags)
                rows = [row for number in sorted(self._rows) for row in self._rows[number]]
                screen.update(status.table(now, rows), refresh=True)
                await asyncio.sleep(_REFRESH_SECONDS)

    async def measure(self) -> None:
        while True:
            try:
                self._lags = await asyncio.to_thread(
                    lag.measure, self._stack.catalogue, self._stack.ports, self._stack.credentials
                )
            except MeshctlError:
                self._lags = []
            await asyncio.sleep(_LAG_SECONDS)

    async def ask(self) -> None:
        while True:
            for number, rows in enumerate(EXTRA):
                try:
                    async with asyncio.timeout(_EXTRA_SECONDS):
                        self._rows[number] = await rows(self._stack)
                except Exception:
                    # A row is decoration: whatever its maker raises must not stop the stack.
                    self._rows.setdefault(number, [])
            await asyncio.sleep(_REFRESH_SECONDS)
