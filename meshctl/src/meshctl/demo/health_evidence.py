"""What health's scenes left behind: on the topics, in databases, keyring and the room's record."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from cryptography import x509
from psycopg.rows import dict_row

from meshctl.demo import record, topics
from meshctl.demo.health_clear import in_clear
from meshctl.demo.health_keys import keyring
from meshctl.demo.health_plan import DEPARTMENT
from meshctl.errors import MeshctlError

_MEASURED = "health.measurement-taken.v1"
_ACUTE = "health.acute-reading-detected.v1"
_DUE = "health.follow-up-due.v1"

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Record:
    """On the measurements' topic; `person_id` and `sealed` are empty in a tombstone."""

    measurement_id: str
    event_id: str
    person_id: str = ""
    sealed: bytes = b""

    @property
    def tombstone(self) -> bool:
        return not self.person_id


@dataclass(frozen=True, slots=True)
class Sources:
    """Where to look: the stack's folder, environments, DSNs by department, the 119 room's file,
    and the certificate the department signs with. `secrets` are to be looked for in the clear."""

    state: Path
    secrets: Sequence[str]

    operator: Mapping[str, str]
    health: Mapping[str, str]
    databases: Mapping[str, str]
    room: Path
    certificate: x509.Certificate


@dataclass(frozen=True, slots=True)
class HealthEvidence:
    """Rows by table, events once each, records in order, and keys by person that can be read.

    `told` counts what the room was told by incident and revision; `answers` are its lines that
    answer it, by the room's own number.
    """

    people: Sequence[Row]
    measurements: Sequence[Row]
    sessions: Sequence[Row]
    cases: Sequence[Row]
    follow_ups: Sequence[Row]
    bases: Sequence[Row]
    records: Sequence[Record]
    acute_events: Sequence[Row]
    due_events: Sequence[Row]
    incidents: Sequence[Row]
    told: Mapping[str, Counter[int]]
    answers: Mapping[str, Mapping[str, str]]
    keys: Mapping[str, bytes]
    certificate: x509.Certificate
    in_clear: Sequence[tuple[str, str]]
    written_again: int
    rejected: int


def collect(sources: Sources) -> HealthEvidence:
    """Read it all. Raises MeshctlError, and psycopg.OperationalError while a database is away."""
    records, again = _records(sources.health)
    acute, acute_again = topics.events(sources.operator, "operator", _ACUTE)
    due, due_again = topics.events(sources.operator, "operator", _DUE)
    dsn = sources.databases[DEPARTMENT]
    return HealthEvidence(
        people=_rows(dsn, "select person_id::text, status, profile from person"),
        measurements=_rows(
            dsn,
            "select measurement_id::text, person_id::text, session_id::text, sequence, kiosk_id,"
            " sealed from measurement",
        ),
        sessions=_rows(
            dsn,
            "select session_id::text, kiosk_id, person_id::text, stored_sequence,"
            " ended_at is not null as ended from kiosk_session",
        ),
        cases=_rows(dsn, "select case_id::text, person_id::text, kiosk_id, score from acute_case"),
        follow_ups=_rows(
            dsn,
            "select follow_up_id::text, person_id::text, kind from follow_up where done_at is null",
        ),
        bases=_rows(dsn, "select person_id::text, sealed from follow_up_basis"),
        records=records,
        acute_events=acute,
        due_events=due,
        incidents=_rows(
            sources.databases["emergency"],
            "select incident_id::text, source_reference, desks, status, place, revision"
            " from incident where source = 'health'",
        ),
        told=record.told(sources.room),
        answers=_answers(sources.room),
        keys=keyring(
            Path(sources.health["HEALTH_PEOPLE__KEYRING"]),
            base64.b64decode(sources.health["HEALTH_PEOPLE__KEY"]),
        ),
        certificate=sources.certificate,
        in_clear=in_clear(sources.state, sources.secrets),
        written_again=again + acute_again + due_again,
        rejected=sum(
            int(_rows(one, "select count(*) as n from outbox_rejected")[0]["n"])
            for one in sources.databases.values()
        ),
    )


def _records(health: Mapping[str, str]) -> tuple[Sequence[Record], int]:
    """As the department itself reads them: nobody else may."""
    found: list[Record] = []
    seen: set[str] = set()
    again = 0
    for one in topics.all_of(health, DEPARTMENT, _MEASURED):
        # A tombstone has no headers, and is not of an event.
        identity = one["headers"].get("ce_id", "")
        if one["data"] is None:
            if identity:
                raise MeshctlError(f"{_MEASURED}: {one['problem']}")
            found.append(Record(one["key"], ""))
        elif identity in seen:
            again += 1
        else:
            seen.add(identity)
            data = one["data"]
            found.append(Record(one["key"], identity, data["person_id"], data["sealed"]))
    return found, again


def _answers(room: Path) -> Mapping[str, Mapping[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for line in record.lines(room):
        if "answer" in line["items"]:
            found.setdefault(line["ocrNbr"], {}).update(line["items"])
    return found


def _rows(dsn: str, query: LiteralString) -> Sequence[Row]:
    with psycopg.connect(dsn, connect_timeout=5, row_factory=dict_row) as connection:
        return connection.execute(query).fetchall()
