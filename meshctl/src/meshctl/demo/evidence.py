"""What is there afterwards: on the topics, in the databases, in the room's record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psycopg

from meshctl import tail
from meshctl.errors import MeshctlError

_KST = timezone(timedelta(hours=9))
_TOPICS = (
    "sensors.reading-taken.v1",
    "sensors.hourly-mean-computed.v1",
    "sensors.air-alert-changed.v1",
    "emergency.incident-changed.v1",
)


@dataclass(frozen=True, slots=True)
class RoomLine:
    """A message the room has taken, a repeat of the same bytes or not."""

    number: str
    status: str
    at: datetime
    pollutant: str
    repeat: bool


@dataclass(frozen=True, slots=True)
class Evidence:
    """Events by topic and `ce_id`; (incident, revision, status, at) rows; the room's lines."""

    events: Mapping[str, Mapping[str, dict[str, Any]]]
    written_again: int
    incident_changes: list[tuple[str, int, str, datetime]]
    rejected: int
    room: list[RoomLine]


def collect(
    operator: Mapping[str, str], databases: Mapping[str, str], record: Path, station_id: str
) -> Evidence:
    """Read it all. `databases` are DSNs by department. Raises MeshctlError."""
    events: dict[str, dict[str, dict[str, Any]]] = {}
    again = 0
    for topic in _TOPICS:
        by_id = events.setdefault(topic, {})
        for event in tail.events(
            operator, "operator", topic, from_beginning=True, stop=lambda _, ended: ended
        ):
            if event["data"] is None:
                raise MeshctlError(f"{topic}: {event['problem']}")
            if event["data"].get("station_id", station_id) != station_id:
                continue
            identity = event["headers"]["ce_id"]
            again += identity in by_id
            by_id[identity] = event["data"]
    return Evidence(
        events,
        again,
        _incident_changes(databases["emergency"]),
        sum(_rejected(dsn) for dsn in databases.values()),
        _room(record),
    )


def outstanding(databases: Mapping[str, str]) -> int:
    """Events and messages that are on their way: in outboxes, parked, or pending for a room."""
    waiting = 0
    for department, dsn in databases.items():
        tables = ["outbox", "parked_event"]
        if department == "emergency":
            tables += [
                "room_message where state = 'pending'",
                "context_request where state = 'waiting'",
            ]
        with psycopg.connect(dsn, connect_timeout=5) as connection:
            for table in tables:
                row = connection.execute(f"select count(*) from {table}".encode()).fetchone()
                waiting += int(row[0]) if row else 0
    return waiting


def accepted(dsn: str, station_id: str) -> int:
    """Readings of the station that sensors has acknowledged so far."""
    with psycopg.connect(dsn, connect_timeout=5) as connection:
        row = connection.execute(
            "select count(*) from accepted_reading where station_id = %s", (station_id,)
        ).fetchone()
        return int(row[0]) if row else 0


def _incident_changes(dsn: str) -> list[tuple[str, int, str, datetime]]:
    with psycopg.connect(dsn, connect_timeout=5) as connection:
        rows = connection.execute(
            "select incident_id, revision, status, changed_at from incident_change order by change"
        ).fetchall()
    return [
        (str(identity), revision, status, at.astimezone(UTC))
        for identity, revision, status, at in rows
    ]


def _rejected(dsn: str) -> int:
    with psycopg.connect(dsn, connect_timeout=5) as connection:
        row = connection.execute("select count(*) from outbox_rejected").fetchone()
        return int(row[0]) if row else 0


def _room(record: Path) -> list[RoomLine]:
    if not record.exists():
        return []
    lines = []
    for text in record.read_text().splitlines():
        line = json.loads(text)
        at = datetime.strptime(line["ocrEvtStsTime"], "%Y%m%d%H%M%S").replace(tzinfo=_KST)
        lines.append(
            RoomLine(
                line["ocrNbr"],
                line["ocrSts"],
                at.astimezone(UTC),
                line["items"].get("pollutant", ""),
                line["repeat"],
            )
        )
    return lines
