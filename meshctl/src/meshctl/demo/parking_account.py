"""What parking's scenes must leave behind against what is there; nothing here asks a service."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

from meshctl.demo.account import Stage
from meshctl.demo.matching import Matching
from meshctl.demo.parking_evidence import ParkingEvidence, Row
from meshctl.demo.parking_money import Money, lines, money
from meshctl.demo.parking_plan import Claim, PlayedScene, Span

_LIVE = frozenset({"HELD", "CONFIRMED", "OCCUPIED"})
_LOT_COUNTS = ("bays", "occupied", "reserved")
_PARTIES = ("owner", "operator", "district")


@dataclass(frozen=True, slots=True)
class Account:
    """All stages, in words what does not fit, and what the summary tells."""

    stages: tuple[Stage, ...]
    problems: tuple[str, ...]
    double_bookings: int
    ledger_won: int
    shares_won: Mapping[str, int]

    @property
    def lost(self) -> int:
        return sum(stage.lost for stage in self.stages)

    @property
    def duplicates(self) -> int:
        return sum(stage.duplicates for stage in self.stages)

    @property
    def right(self) -> bool:
        """Nothing lost, doubled, or claimed twice, and the books add up."""
        return not (self.lost or self.duplicates or self.double_bookings or self.ledger_won)


def account(scenes: Sequence[PlayedScene], found: ParkingEvidence) -> Account:
    """Every booking, entry and event there is must be one that a scene foresees."""
    claims = [claim for scene in scenes for claim in scene.claims]
    its = {c.booking_id: money(c, found.places[c.bay_id], found.rules) for c in claims}
    matching = Matching()
    doubts = [(d.kind, d.bay_id, d.booking_id) for scene in scenes for d in scene.doubts]
    stands = {bay_id: s for scene in scenes for bay_id, s in scene.stands.items() if s != "FREE"}
    entries = [
        (row["kind"], row["booking_id"], row["account"], row["amount_won"]) for row in found.entries
    ]
    contests = _contests(scenes, matching.problems)
    matching.add("refusals", _all(s.must_tell for s in scenes), _all(s.told for s in scenes))
    matching.add("bookings", (_booking(c, its) for c in claims), map(_of_row, found.bookings))
    matching.add(
        "booking events",
        ((c.booking_id, n, s) for c in claims for n, s in enumerate(c.statuses, start=1)),
        ((e["booking_id"], e["revision"], e["status"]) for e in found.booking_events),
    )
    matching.add(
        "last events",
        (_booking(c, its) for c in claims),
        map(_of_row, _newest(found.booking_events, "booking_id")),
    )
    matching.add(
        "ledger entries",
        (one for c in claims for one in lines(c, found.places[c.bay_id], its[c.booking_id])),
        entries,
    )
    matching.add(
        "settlement events",
        (_settlement(c, its[c.booking_id]) for c in claims if its[c.booking_id].shares),
        map(_of_settlement, found.settlement_events),
    )
    matching.add("disputes", doubts, map(_of_dispute, found.disputes))
    matching.add("dispute events", doubts, map(_of_dispute, found.dispute_events))
    matching.add(
        "bays",
        stands.items(),
        ((row["bay_id"], row["status"]) for row in found.bays if row["status"] != "FREE"),
    )
    matching.add("bay events", *_told("bay_id", ("status",), found.bays, found.bay_events))
    matching.add("lot events", *_told("lot_id", _LOT_COUNTS, found.lots, found.lot_events))
    return Account(
        (contests, *matching.stages),
        tuple(matching.problems),
        double_bookings(found.booking_events),
        sum(amount for *_, amount in entries),
        _shares(entries),
    )


def double_bookings(events: Sequence[Row]) -> int:
    """Pairs of claims on one bay whose intervals overlap and that were live at the same time."""
    lives: defaultdict[str, list[tuple[Span, datetime, datetime]]] = defaultdict(list)
    by_booking: defaultdict[str, list[Row]] = defaultdict(list)
    for event in events:
        by_booking[event["booking_id"]].append(event)
    for changes in by_booking.values():
        changes.sort(key=lambda one: int(one["revision"]))
        ends = [one["changed_at"] for one in changes if one["status"] not in _LIVE]
        forever = datetime.max.replace(tzinfo=UTC)
        first = changes[0]
        life = (_span(first), first["changed_at"], min(ends, default=forever))
        lives[first["bay_id"]].append(life)
    return sum(
        one.start < other.end
        and other.start < one.end
        and one_from < other_until
        and other_from < one_until
        for claims in lives.values()
        for (one, one_from, one_until), (other, other_from, other_until) in combinations(claims, 2)
    )


def _contests(scenes: Sequence[PlayedScene], problems: list[str]) -> Stage:
    contests = [contest for scene in scenes for contest in scene.contests]
    wrong = [contest for contest in contests if contest.winners != 1]
    problems += [f"rush: {one.winners} of {one.drivers} won {one.bay_id}" for one in wrong]
    return Stage(
        "contests",
        len(contests),
        sum(one.winners == 0 for one in wrong),
        sum(max(0, one.winners - 1) for one in wrong),
    )


def _all(counts: Iterable[Counter[str]]) -> Iterable[str]:
    return (word for count in counts for word in count.elements())


def _booking(claim: Claim, its: Mapping[str, Money]) -> tuple[Any, ...]:
    """As `_of_row` has it."""
    money = its[claim.booking_id]
    return (
        claim.booking_id,
        claim.bay_id,
        claim.span,
        claim.owners,
        claim.status,
        len(claim.statuses),
        claim.price_won,
        money.overstay_won,
        money.refund_won,
        claim.reason,
    )


def _of_row(row: Row) -> tuple[Any, ...]:
    names = ("owners", "status", "revision", "price_won", "overstay_won", "refund_won", "reason")
    return (row["booking_id"], row["bay_id"], _span(row), *(row[name] for name in names))


def _settlement(claim: Claim, money: Money) -> tuple[Any, ...]:
    """As `_of_settlement` has it."""
    shares = (money.shares[party] for party in _PARTIES)
    return (claim.booking_id, claim.bay_id, money.split_won, *shares, money.refund_won)


def _of_settlement(event: Row) -> tuple[Any, ...]:
    names = ("booking_id", "bay_id", "gross_won", "owner_won", "operator_won", "district_won")
    return (*(event[name] for name in names), event["refund_won"])


def _of_dispute(row: Row) -> tuple[Any, ...]:
    return row["kind"], row["bay_id"], row["booking_id"]


def _told(
    key: str, values: Sequence[str], rows: Sequence[Row], events: Sequence[Row]
) -> tuple[list[Hashable], list[Hashable]]:
    """What must have been told of each row, each revision once and the newest as it stands; and
    what was."""
    must: list[Hashable] = []
    for row in rows:
        must += [(row[key], number) for number in range(1, row["revision"] + 1)]
        must.append((row[key], *(row[value] for value in values)))
    there: list[Hashable] = [(event[key], event["revision"]) for event in events]
    there += [(one[key], *(one[value] for value in values)) for one in _newest(events, key)]
    return must, there


def _newest(events: Sequence[Row], key: str) -> Iterable[Row]:
    newest: dict[str, Row] = {}
    for event in events:
        if event["revision"] >= newest.get(event[key], event)["revision"]:
            newest[event[key]] = event
    return newest.values()


def _span(row: Row) -> Span:
    return Span(int(row["starts_at"].timestamp()), int(row["ends_at"].timestamp()))


def _shares(entries: Iterable[tuple[str, str, str, int]]) -> dict[str, int]:
    owed = dict.fromkeys(_PARTIES, 0)
    for _, _, name, amount in entries:
        party = name.partition(":")[0]
        if party in owed:
            owed[party] -= amount
    return owed
