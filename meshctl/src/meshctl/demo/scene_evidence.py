"""What the scenes left behind: detections, alarms, incidents, and what the rooms were told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from meshctl.demo import record, topics

_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_RAISED = "cameras.alarm-raised.v1"
_CHANGED = "cameras.alarm-changed.v1"
_ESCALATED = "cameras.alarm-escalated.v1"


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm as its events tell of it; `automatic` is None when it was not escalated.

    `escalations` counts different escalation events; more than one is a double.
    """

    alarm_id: str
    site_id: str
    kind: str
    rule_id: str
    occurred_micros: int
    status: str
    camera_ids: tuple[str, ...]
    witnesses: int
    escalations: int
    automatic: bool | None


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident that alarms joined."""

    incident_id: str
    alarm_ids: tuple[str, ...]
    desks: tuple[str, ...]
    police_code: int | None
    place: str
    revisions: int
    items: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SceneEvidence:
    """`told` counts, per desk and incident, messages of each revision; more than one is a double.
    `written_again` counts events that are on a topic more than once with the same id."""

    detection_ids: frozenset[str]
    alarms: tuple[Alarm, ...]
    incidents: tuple[Incident, ...]
    told: Mapping[str, Mapping[str, Counter[int]]]
    written_again: int
    rejected: int


def collect(
    operator: Mapping[str, str], databases: Mapping[str, str], records: Mapping[str, Path]
) -> SceneEvidence:
    """Read it all. `databases` are DSNs by department, `records` rooms' files by desk.

    Raises MeshctlError.
    """
    detected, detected_again = topics.events(operator, "operator", "cameras.object-detected.v1")
    raised, raised_again = topics.events(operator, "operator", _RAISED)
    changed, changed_again = topics.events(operator, "operator", _CHANGED)
    escalated, escalated_again = topics.events(operator, "operator", _ESCALATED)
    return SceneEvidence(
        frozenset(event["detection_id"] for event in detected),
        tuple(_alarms(raised, changed, escalated)),
        tuple(_incidents(databases["emergency"])),
        {desk: record.told(file) for desk, file in records.items()},
        detected_again + raised_again + changed_again + escalated_again,
        sum(_rejected(dsn) for dsn in databases.values()),
    )


def _alarms(
    raised: Iterable[Mapping[str, Any]],
    changed: Iterable[Mapping[str, Any]],
    escalated: Iterable[Mapping[str, Any]],
) -> Iterable[Alarm]:
    newest: dict[str, Mapping[str, Any]] = {}
    for event in changed:
        known = newest.get(event["alarm_id"])
        if known is None or known["revision"] < event["revision"]:
            newest[event["alarm_id"]] = event
    escalations: dict[str, list[bool]] = {}
    for event in escalated:
        escalations.setdefault(event["alarm_id"], []).append(event["automatic"])
    for event in raised:
        now = {"status": "RAISED", **event, **newest.get(event["alarm_id"], {})}
        own = escalations.get(event["alarm_id"], [])
        yield Alarm(
            alarm_id=event["alarm_id"],
            site_id=event["site_id"],
            kind=event["kind"],
            rule_id=event["rule_id"],
            occurred_micros=(now["occurred_at"] - _EPOCH) // timedelta(microseconds=1),
            status=now["status"],
            camera_ids=tuple(sorted({witness["camera_id"] for witness in now["witnesses"]})),
            witnesses=len(now["witnesses"]),
            escalations=len(own),
            automatic=own[0] if own else None,
        )


def _incidents(dsn: str) -> Iterable[Incident]:
    with psycopg.connect(dsn, connect_timeout=5, row_factory=dict_row) as connection:
        rows = connection.execute(
            "select i.incident_id, i.desks, i.police_code, i.place, i.revision, i.items,"
            " array_agg(a.alarm_id::text order by a.alarm_id) as alarm_ids"
            " from incident i join incident_alarm a using (incident_id) group by i.incident_id"
        ).fetchall()
    for row in rows:
        yield Incident(
            str(row["incident_id"]),
            tuple(row["alarm_ids"]),
            tuple(row["desks"]),
            row["police_code"],
            row["place"],
            row["revision"],
            row["items"],
        )


def _rejected(dsn: str) -> int:
    with psycopg.connect(dsn, connect_timeout=5) as connection:
        row = connection.execute("select count(*) from outbox_rejected").fetchone()
        return int(row[0]) if row else 0
