"""Reading departments' databases, each with its own department's DSN."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, LiteralString

import psycopg
from psycopg.rows import TupleRow

from loadtests.checker.expected import TABLES
from loadtests.checker.facts import moment
from loadtests.checker.rows import ROOM, Dispatch, Head, Stored, Tally
from loadtests.checker.topics import ReadError

Found = Stored | Head | Tally | Dispatch
_Query = tuple[LiteralString, Callable[[TupleRow], Found]]
_ROWS = 2000


def _stored(place: str, sql: LiteralString, due: str = "") -> _Query:
    """`sql` gives id, cause (or null), and whether it came into being in the run."""
    return sql, lambda row: Stored(place, row[0], row[1] or "", due if row[2] else "")


def _head(topic: str, sql: LiteralString) -> _Query:
    """`sql` gives entity, revision, and whether it came into being in the run."""
    return sql, lambda row: Head(topic, row[0], int(row[1]), bool(row[2]))


def _tally(subject: str, sql: LiteralString, topic: str = "") -> _Query:
    """`sql` gives id, how many were expected, and how many there are."""
    return sql, lambda row: Tally(subject, row[0], int(row[1]), int(row[2]), topic)


def _dispatch(sql: LiteralString) -> _Query:
    """`sql` gives room, id, and whether it was acknowledged, or is still waiting, in the run."""
    return sql, lambda row: Dispatch(ROOM + row[0], row[1], bool(row[2]), bool(row[3]))


_QUERIES: Mapping[str, tuple[_Query, ...]] = {
    "cameras": (
        _stored(
            "cameras.alarm",
            "select alarm_id::text, null, raised_at >= %(began)s from alarm",
            due="cameras.alarm-raised.v1",
        ),
        _stored(
            "cameras.alarm",
            "select alarm_id::text, unnest(detection_ids), false from alarm"
            " where raised_at >= %(began)s",
        ),
        _head(
            "cameras.alarm-changed.v1",
            "select alarm_id::text, revision, raised_at >= %(began)s from alarm"
            " where revision > 1 and greatest(changed_at, raised_at) >= %(began)s",
        ),
    ),
    "emergency": (
        _stored(
            "emergency.incident_alarm", "select alarm_id::text, null, false from incident_alarm"
        ),
        _stored(
            "emergency.case",
            "select source_reference, null, false from incident where source = 'health'",
        ),
        _stored(
            "emergency.incident",
            "select incident_id::text,"
            " case when source in ('cameras', 'sensors', 'health') and occurred_at >= %(began)s"
            " then source || ' ' || source_reference end, false from incident",
        ),
        _head(
            "emergency.incident-changed.v1",
            "select incident_id::text, revision, occurred_at >= %(began)s from incident"
            " where greatest(changed_at, recorded_at) >= %(began)s",
        ),
        _dispatch(
            "select room, incident_id || case when answer then ' answer ' else '#' end || revision,"
            " state = 'acknowledged' and acknowledged_at >= %(began)s,"
            " state = 'pending' and created_at >= %(began)s from room_message",
        ),
    ),
    "parking": (
        _stored("parking.booking", "select booking_id::text, null, false from booking"),
        _stored(
            "parking.ledger_posting",
            "select posting_id::text, case when posted_at >= %(began)s then"
            " case kind when 'PAYMENT' then 'payment ' else 'close ' end || booking_id end, false"
            " from ledger_posting",
        ),
        _stored(
            "parking.occupancy_reading",
            "select bay_id || '@' || (extract(epoch from observed_at) * 1000000)::bigint, null,"
            " false from occupancy_reading",
        ),
        _head(
            "parking.booking-changed.v1",
            "select booking_id::text, revision, held_at >= %(began)s from booking"
            " where changed_at >= %(began)s",
        ),
        _head(
            "parking.bay-status-changed.v1",
            "select bay_id, revision, false from bay_state"
            " where revision > 0 and changed_at >= %(began)s",
        ),
        _head(
            "parking.lot-occupancy-changed.v1",
            "select lot_id, revision, false from lot_state"
            " where revision > 0 and changed_at >= %(began)s",
        ),
    ),
    "health": (
        _stored(
            "health.measurement",
            "select measurement_id::text, session_id || ' ' || sequence, stored_at >= %(began)s"
            " from measurement",
            due="health.measurement-taken.v1",
        ),
        _stored("health.kiosk_session", "select session_id::text, null, false from kiosk_session"),
        _stored(
            "health.acute_case",
            "select case_id::text, session_id::text, detected_at >= %(began)s from acute_case",
            due="health.acute-reading-detected.v1",
        ),
    ),
    "sensors": (
        _stored(
            "sensors.accepted_reading",
            "select station_id || '@' || (extract(epoch from measured_at) * 1000000)::bigint, null,"
            " false from accepted_reading",
        ),
        _stored("sensors.alert", "select alert_id::text, null, false from alert"),
        # Each accepted reading is in its station's hour, once.
        _tally(
            "sensors.hour_window",
            "select station_id || ' ' || hour_end, accepted.readings, hour_window.readings"
            " from hour_window join (select station_id, count(*) as readings,"
            " date_trunc('hour', measured_at - interval '1 microsecond') + interval '1 hour'"
            " as hour_end from accepted_reading group by 1, 3) as accepted"
            " using (station_id, hour_end) where last_received_at >= %(began)s",
            topic="sensors.reading-taken.v1",
        ),
    ),
}
_WAITING: LiteralString = (
    "select (select count(*) from outbox) + (select count(*) from parked_event)"
)

DEPARTMENTS = tuple(_QUERIES)


def dsn(environment: Mapping[str, str], department: str) -> str | None:
    return environment.get(f"{department.upper()}_DATABASE__DSN")


def _of_all(department: str) -> tuple[_Query, ...]:
    return (
        _stored(f"{department}.idempotency", "select key::text, null, false from idempotency"),
        _tally(
            f"{department}.outbox_rejected",
            "select topic, count(*), 0 from outbox_rejected where rejected_at >= %(began)s"
            " group by 1",
        ),
    )


def read(address: str, department: str, began: int) -> Iterator[Found]:
    """Row by row. `began` is microseconds since 1970. Raises ReadError."""
    try:
        with psycopg.connect(address, connect_timeout=10) as connection:
            connection.execute("set time zone 'UTC'")
            values: dict[str, Any] = {"began": moment(began)}
            for number, (sql, made) in enumerate((*_QUERIES[department], *_of_all(department))):
                with connection.cursor(f"checker_{number}") as cursor:
                    cursor.itersize = _ROWS
                    cursor.execute(sql, values)
                    for row in cursor:
                        yield made(row)
    except psycopg.Error as error:
        raise ReadError(f"database of {department}: {error}") from error


def waiting(address: str, department: str) -> int:
    """Events that are still on their way out of, or into, a department. Raises ReadError."""
    try:
        with psycopg.connect(address, connect_timeout=10) as connection:
            row = connection.execute(_WAITING).fetchone()
            return int(row[0]) if row else 0
    except psycopg.Error as error:
        raise ReadError(f"database of {department}: {error}") from error


def places(department: str) -> frozenset[str]:
    """The tables that `read` reads."""
    return frozenset(table for table in TABLES if table.startswith(f"{department}."))
