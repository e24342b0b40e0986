"""What parking's scenes left behind: on the topics, and in the department's database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row

from meshctl.demo import topics

_BOOKINGS = "parking.booking-changed.v1"
_SETTLEMENTS = "parking.settlement-posted.v1"
_DISPUTES = "parking.dispute-opened.v1"
_BAYS = "parking.bay-status-changed.v1"
_LOTS = "parking.lot-occupancy-changed.v1"

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """A split rule, `refunds` as pairs of notice in minutes and percent, longest notice first."""

    scheme: str
    valid_from: date
    percents: Mapping[str, int]
    remainder_to: str
    refunds: Sequence[tuple[int, int]]
    overstay_percent: int


@dataclass(frozen=True, slots=True)
class Place:
    """Whose a bay is, and by which scheme its money goes."""

    lot_id: str
    scheme: str
    operator: str
    district: str
    owner_id: str | None


@dataclass(frozen=True, slots=True)
class ParkingEvidence:
    """Rows of the database by table, and events by what they tell of; each event id once.

    `written_again` counts events that are on a topic more than once with the same id.
    """

    bookings: Sequence[Row]
    entries: Sequence[Row]
    disputes: Sequence[Row]
    bays: Sequence[Row]
    lots: Sequence[Row]
    booking_events: Sequence[Row]
    settlement_events: Sequence[Row]
    dispute_events: Sequence[Row]
    bay_events: Sequence[Row]
    lot_events: Sequence[Row]
    rules: Sequence[Rule]
    places: Mapping[str, Place]
    written_again: int
    rejected: int


def collect(operator: Mapping[str, str], dsn: str) -> ParkingEvidence:
    """Read it all. Raises MeshctlError, and psycopg.OperationalError while the database is away."""
    found = {
        topic: topics.events(operator, "operator", topic)
        for topic in (_BOOKINGS, _SETTLEMENTS, _DISPUTES, _BAYS, _LOTS)
    }
    events = {topic: events for topic, (events, _) in found.items()}
    with psycopg.connect(dsn, connect_timeout=5, row_factory=dict_row) as connection:

        def rows(query: LiteralString) -> Sequence[Row]:
            return connection.execute(query).fetchall()

        return ParkingEvidence(
            bookings=rows(
                "select booking_id::text, bay_id, lot_id, owners, lower(during) as starts_at,"
                " upper(during) as ends_at, status, revision, price_won, overstay_won,"
                " refund_won, reason from booking"
            ),
            entries=rows(
                "select posting_id::text, kind, booking_id::text, account, amount_won"
                " from ledger_entry join ledger_posting using (posting_id)"
            ),
            disputes=rows("select kind, bay_id, booking_id::text from dispute"),
            bays=rows("select bay_id, status, revision from bay_state where revision > 0"),
            lots=rows("select lot_id, revision, bays, occupied, reserved from lot_state"),
            booking_events=events[_BOOKINGS],
            settlement_events=events[_SETTLEMENTS],
            dispute_events=events[_DISPUTES],
            bay_events=events[_BAYS],
            lot_events=events[_LOTS],
            rules=[_rule(row) for row in rows("select * from split_rule")],
            places={
                row["bay_id"]: Place(
                    row["lot_id"],
                    row["scheme"],
                    row["operator"],
                    row["district"],
                    row["owner_id"],
                )
                for row in rows(
                    "select bay_id, lot_id, scheme, operator, district, owner_id::text"
                    " from bay join lot using (lot_id)"
                )
            },
            written_again=sum(again for _, again in found.values()),
            rejected=int(rows("select count(*) as n from outbox_rejected")[0]["n"]),
        )


def is_disputed(dsn: str, kind: str, bay_id: str) -> bool:
    """Whether such a dispute is open; False while the database is away."""
    try:
        with psycopg.connect(dsn, connect_timeout=5) as connection:
            found = connection.execute(
                "select from dispute where kind = %s and bay_id = %s", (kind, bay_id)
            )
            return found.fetchone() is not None
    except psycopg.OperationalError:
        return False


def _rule(row: Row) -> Rule:
    parties = ("owner", "operator", "district")
    return Rule(
        scheme=row["scheme"],
        valid_from=row["valid_from"],
        percents={party: row[f"{party}_percent"] for party in parties},
        remainder_to=row["remainder_to"].lower(),
        refunds=[(notice, percent) for notice, percent in row["refunds"]],
        overstay_percent=row["overstay_percent"],
    )
