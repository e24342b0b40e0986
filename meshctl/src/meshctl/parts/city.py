"""What is outside the city, on one machine: a stand-in for a room, and the modelled city."""

from __future__ import annotations

import json
import secrets
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from meshctl.parts.base import Command, listens
from meshctl.ports import HOST, Ports
from meshctl.state import State, read_json, write_json

ROOM = "disaster"
ROOM_PORT = f"room.{ROOM}"


class RoomPart:
    """A stand-in for the disaster room, and the setting that makes `emergency` talk to it."""

    name = f"room-{ROOM}"
    tier = 1
    stop_signal = signal.SIGTERM
    stop_seconds = 5.0
    essential = False

    def __init__(self, state: State, root: Path, ports: Ports) -> None:
        self.port: int | None = ports[ROOM_PORT]
        self._state = state
        self._root = root
        self._key = secrets.token_urlsafe(16)

    def prepare(self) -> None:
        """Tell `emergency` of the room, by its file of further settings."""
        file = self._state.environments / "emergency.json"
        room = {"name": ROOM, "url": f"http://{HOST}:{self.port}", "api_key": self._key}
        own = read_json(file)
        own["EMERGENCY_ROOMS"] = json.dumps([room])
        write_json(file, own, 0o600)

    def command(self) -> Command:
        arguments = ("--kind", ROOM, "--port", str(self.port), "--record", str(record(self._state)))
        return Command(
            (sys.executable, "-m", "loadtests.rooms", *arguments),
            self._root,
            {"ROOM_API_KEY": self._key},
        )

    async def ready(self) -> bool:
        return self.port is not None and await listens(self.port)

    async def healthy(self) -> bool:
        return True


class CityPart:
    """The modelled city's stations, sending at a gentle rate."""

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
        return Command(
            (sys.executable, "-m", "loadtests.city", "--hours-per-second", "0.25"),
            self._root,
            self._environment(),
        )

    async def ready(self) -> bool:
        return True

    async def healthy(self) -> bool:
        return True


def record(state: State) -> Path:
    """The room's record of what it was told."""
    return state.folder / "rooms" / f"{ROOM}.jsonl"
