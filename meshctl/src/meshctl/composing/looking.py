"""What runs in containers, seen from the host: each published port is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable

from meshctl import kafka
from meshctl.apply import databases
from meshctl.credentials import ADMIN, POSTGRES, Credentials
from meshctl.lag import Lag
from meshctl.parts.base import answers, listens
from meshctl.places import Local
from meshctl.ports import HOST, Ports
from meshctl.state import State
from meshctl.status import PartStatus, Status, lag_by_group


async def look(state: State, ports: Ports, credentials: Credentials, lags: Iterable[Lag]) -> Status:
    """The status. Rooms are of a profile of their own: those that are not there are left out."""
    places = Local(ports, state)
    asked: dict[str, tuple[int, Awaitable[bool]]] = {
        "postgres": (
            ports["postgres"],
            databases.answers(places.postgres, credentials.postgres[POSTGRES]),
        ),
        "kafka": (
            ports["kafka"],
            kafka.answers(places.kafka, ADMIN, credentials.kafka[ADMIN]),
        ),
        "registry": (ports["registry"], answers(f"http://{places.registry}/health/ready")),
    }
    for name, port in ports.items():
        part, _, kind = name.partition(".")
        if kind == "http":
            asked[part] = (
                ports.get(f"{part}.grpc", port),
                answers(f"http://{HOST}:{port}/readyz"),
            )
        elif part == "room":
            asked[f"room-{kind}"] = (port, listens(port))
    ready = await asyncio.gather(*(question for _, question in asked.values()))
    parts = {
        name: _part(port, up)
        for (name, (port, _)), up in zip(asked.items(), ready, strict=True)
        if up or not name.startswith("room-")
    }
    return {
        "running": any(ready),
        "ready": all(part["up"] for part in parts.values()),
        "parts": parts,
        "lag": lag_by_group(lags),
    }


def _part(port: int, up: bool) -> PartStatus:
    return {
        "status": "ready" if up else "stopped",
        "up": up,
        "pid": None,
        "port": port,
        "uptime_seconds": None,
        "restarts": 0,
    }
