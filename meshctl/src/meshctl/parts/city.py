"""The modelled city: stations, cameras, a parking alley and kiosks, at a gentle rate."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from meshctl.parts.base import Command


class CityPart:
    """The workload model, played until it is stopped."""

    name = "city-model"
    tier = 3
    stop_signal = signal.SIGTERM
    stop_seconds = 5.0
    essential = False
    port: int | None = None

    def __init__(self, root: Path, environment: Callable[[], Mapping[str, str]]) -> None:
        self._root = root
        self._environment = environment

    def command(self) -> Command:
        rates = (
            *("--hours-per-second", "0.25", "--cameras-rate", "0.1", "--parking-rate", "12"),
            *("--health-rate", "6", "--acute-per-hour", "4"),
        )
        return Command(
            (sys.executable, "-m", "loadtests.city", *rates), self._root, self._environment()
        )

    async def ready(self) -> bool:
        return True

    async def healthy(self) -> bool:
        return True
