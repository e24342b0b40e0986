"""The modelled city: stations, cameras, a parking alley and kiosks, at a gentle rate."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from meshctl.parts.base import Command

RATES = {
    "LOADTESTS_HOURS_PER_SECOND": "0.25",
    "LOADTESTS_CAMERAS_RATE": "0.1",
    "LOADTESTS_PARKING_RATE": "12",
    "LOADTESTS_HEALTH_RATE": "6",
    "LOADTESTS_ACUTE_PER_HOUR": "4",
}


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
        environment = {**RATES, **self._environment()}
        return Command((sys.executable, "-m", "loadtests.city"), self._root, environment)

    async def ready(self) -> bool:
        return True

    async def healthy(self) -> bool:
        return True
