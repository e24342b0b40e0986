"""`meshctl status`: each part, and how far each consumer is behind."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TypedDict

from rich.table import Table

from meshctl.lag import Lag
from meshctl.state import PartState, Run


class PartStatus(TypedDict):
    """One part as it is now; the process is looked up, not believed."""

    status: str
    up: bool
    pid: int | None
    port: int | None
    uptime_seconds: float | None
    restarts: int


class Status(TypedDict):
    """What `status --json` prints. Lag is in seconds by group and topic, null when unknown."""

    running: bool
    ready: bool
    parts: dict[str, PartStatus]
    lag: dict[str, dict[str, float | None]]


def of(run: Run | None, running: bool, lags: Iterable[Lag]) -> Status:
    """The status of a run, or of none."""
    parts = {name: _part(part) for name, part in run.parts.items()} if run else {}
    ready = run is not None and running and run.phase == "ready"
    return {
        "running": running,
        "ready": ready and all(part["up"] and part["status"] == "ready" for part in parts.values()),
        "parts": parts,
        "lag": lag_by_group(lags),
    }


def lag_by_group(lags: Iterable[Lag]) -> dict[str, dict[str, float | None]]:
    """In seconds, by group and topic."""
    lag: dict[str, dict[str, float | None]] = {}
    for one in lags:
        seconds = None if one.seconds is None else round(one.seconds, 1)
        lag.setdefault(one.group, {})[one.topic] = seconds
    return lag


def table(status: Status, extra: Sequence[tuple[str, str]] = ()) -> Table:
    """The status for a person. ``extra`` are rows about the city, below the parts."""
    shown = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("part", "state", "pid", "port", "up for", "restarts", "lag"):
        shown.add_column(column, justify="left" if column in {"part", "state", "lag"} else "right")
    for name, part in status["parts"].items():
        shown.add_row(
            name,
            part["status"] if part["up"] or part["status"] == "waiting" else "down",
            str(part["pid"] or "-"),
            str(part["port"] or "-"),
            _duration(part["uptime_seconds"]),
            str(part["restarts"]),
            _worst(status["lag"].get(name, {})),
            style=None if part["up"] and part["status"] == "ready" else "red",
        )
    if extra:
        shown.add_section()
        for title, value in extra:
            shown.add_row(title, value)
    return shown


def _part(part: PartState) -> PartStatus:
    process = part.process.find() if part.process else None
    return {
        "status": part.status if process or part.status == "waiting" else "stopped",
        "up": process is not None,
        "pid": process.pid if process else None,
        "port": part.port,
        "uptime_seconds": round(time.time() - process.create_time(), 1) if process else None,
        "restarts": part.restarts,
    }


def _worst(lag: Mapping[str, float | None]) -> str:
    """The topic that is furthest behind, an unknown lag first."""
    if not lag:
        return ""
    topic, seconds = max(lag.items(), key=lambda item: (item[1] is None, item[1] or 0.0))
    if seconds is None:
        return f"? {topic}"
    return f"{_duration(seconds)} {topic}" if seconds else "0 s"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
