"""Stand-ins for the rooms outside the city, and what tells `emergency` of them."""

from __future__ import annotations

import json
import secrets
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from meshctl.parts.base import Command, listens
from meshctl.ports import HOST, Ports
from meshctl.state import State, read_json, write_json


@dataclass(frozen=True, slots=True)
class Room:
    """A room and the port its stand-in listens on unless told otherwise.

    `desks` are the services it dispatches; without any it is told by the incident's kind.
    `send_code` and `system_code` are what it calls itself when it tells us of something.
    """

    name: str
    port: int
    desks: tuple[str, ...]
    send_code: str
    system_code: str


ROOMS = (
    Room("disaster", 18110, (), "B4113000000", "IPC"),
    Room("112", 18112, ("112",), "P4113000000", "PDS"),
    Room("119", 18119, ("119",), "F4113000000", "FDS"),
)


def listener(room: str) -> str:
    """The name of a room's port."""
    return f"room.{room}"


def default_ports() -> Mapping[str, int]:
    """The rooms' ports by their names."""
    return {listener(room.name): room.port for room in ROOMS}


def record(state: State, room: str) -> Path:
    """A room's record of what it was told."""
    return state.folder / "rooms" / f"{room}.jsonl"


class RoomPart:
    """The stand-in for one room."""

    tier = 1
    stop_signal = signal.SIGTERM
    stop_seconds = 5.0
    essential = False

    def __init__(self, room: Room, state: State, root: Path, ports: Ports, key: str) -> None:
        self.name = f"room-{room.name}"
        self.port: int | None = ports[listener(room.name)]
        self._room = room
        self._state = state
        self._root = root
        self._key = key

    def command(self) -> Command:
        name = self._room.name
        arguments = ("--kind", name, "--port", str(self.port))
        return Command(
            (
                *(sys.executable, "-m", "loadtests.rooms", *arguments),
                *("--record", str(record(self._state, name))),
            ),
            self._root,
            {"ROOM_API_KEY": self._key},
        )

    async def ready(self) -> bool:
        return self.port is not None and await listens(self.port)

    async def healthy(self) -> bool:
        return True


def prepare(state: State, root: Path, ports: Ports) -> Sequence[RoomPart]:
    """The stand-ins, `emergency` told of them."""
    keys = {room.name: new_key() for room in ROOMS}
    introduce(state, keys, lambda room: f"http://{HOST}:{ports[listener(room.name)]}")
    return [RoomPart(room, state, root, ports, keys[room.name]) for room in ROOMS]


def new_key() -> str:
    """What a room and `emergency` let each other in with."""
    return secrets.token_urlsafe(16)


def introduce(state: State, keys: Mapping[str, str], url: Callable[[Room], str]) -> None:
    """Tell `emergency` of the rooms, by its file of further settings."""
    file = state.environments / "emergency.json"
    own = read_json(file)
    own["EMERGENCY_ROOMS"] = json.dumps(
        [
            {
                "name": room.name,
                "url": url(room),
                "api_key": keys[room.name],
                "desks": room.desks,
            }
            for room in ROOMS
        ]
    )
    own["EMERGENCY_PEER_ROOMS"] = json.dumps(
        [
            {
                "name": room.name,
                "send_code": room.send_code,
                "system_code": room.system_code,
                "api_key": keys[room.name],
            }
            for room in ROOMS
        ]
    )
    write_json(file, own, 0o600)
