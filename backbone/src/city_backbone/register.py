"""A register whose records are chained by their hashes, so that what was altered later shows.

The hash of a record is the SHA-256, in lower-case hex, of this JSON object in the canonical form
of RFC 8785 (no white space, members sorted by name, UTF-8), so that anybody can recompute it:

    {"action":…,"actor":…,"department":…,"details":{…},"previous":…,"recorded_at":…,
     "register":…,"sequence":…,"source_address":…,"subject":…}

`previous` is the hash of the record before it, 64 zeros for the first; `sequence` counts from 1
without a gap; `recorded_at` is UTC with microseconds, as 2026-11-22T01:02:03.000004Z. See
docs/decisions/0008.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from city_backbone.database import Connection
from city_backbone.errors import InvalidEntry

GENESIS = "0" * 64

_LOCK = 0x72656769  # "regi"
_BATCH = 500
_LARGEST = 2**53 - 1  # RFC 8785: what every JSON reader reads exactly
_TEXTS = ("actor", "action", "subject", "department", "source_address")
_COLUMNS = (
    "register, sequence, actor, action, subject, department, source_address,"
    " details::text as details, previous,"
    " to_char(recorded_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') as recorded_at,"
    " hash"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be recorded: who (actor, of which department, from where) did what to what."""

    actor: str
    action: str
    subject: str
    department: str
    source_address: str
    details: Mapping[str, str | int | bool | None]


@dataclass(frozen=True, slots=True)
class Record(Entry):
    """An entry in its place. `recorded_at` is aware UTC, by the database's clock."""

    sequence: int
    recorded_at: datetime
    previous: str
    hash: str


@dataclass(frozen=True, slots=True)
class Head:
    """The newest record's number and hash; of an empty register 0 and GENESIS."""

    sequence: int
    hash: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the chain is whole; else the first record that is not as it was, and why.

    `head` is the newest record up to which the chain holds: of an intact one the very newest.
    """

    intact: bool
    first_bad_sequence: int | None
    problem: str | None
    head: Head


class Register:
    """One chain by its name, in the department's own database."""

    def __init__(self, name: str) -> None:
        self._name = name

    async def append(self, connection: Connection, entries: Sequence[Entry]) -> list[Record]:
        """Add `entries` in this order with the caller's transaction.

        Others who append wait until it ends, so append last. Raises InvalidEntry.
        """
        for entry in entries:
            _check(entry)
        if not entries:
            return []
        # A statement of its own: the next one must see what was committed while this one waited.
        await connection.execute(
            "select pg_advisory_xact_lock(%s, hashtext(%s))", (_LOCK, self._name)
        )
        head = await self.head(connection)
        clock = await (await connection.execute("select clock_timestamp() as now")).fetchone()
        assert clock
        recorded_at = clock["now"].astimezone(UTC)
        records: list[Record] = []
        previous = head.hash
        for sequence, entry in enumerate(entries, head.sequence + 1):
            said: dict[str, Any] = {name: getattr(entry, name) for name in (*_TEXTS, "details")}
            place = {
                "register": self._name,
                "sequence": sequence,
                "recorded_at": _rfc3339(recorded_at),
                "previous": previous,
            }
            hash_ = _hash({**said, **place})
            records.append(
                Record(
                    **said,
                    sequence=sequence,
                    recorded_at=recorded_at,
                    previous=previous,
                    hash=hash_,
                )
            )
            previous = hash_
        await self._insert(connection, records)
        return records

    async def head(self, connection: Connection) -> Head:
        """The newest record, as this transaction sees it."""
        found = await connection.execute(
            "select sequence, hash from register_record where register = %s"
            " order by sequence desc limit 1",
            (self._name,),
        )
        row = await found.fetchone()
        return Head(row["sequence"], row["hash"]) if row else Head(0, GENESIS)

    async def verify(self, connection: Connection, heads: Sequence[Head]) -> Verdict:
        """Read the whole chain, a batch at a time, and see that it holds each of `heads`.

        Only heads that were kept elsewhere show that the tail was cut off, or that every record
        from some point on was written anew with its hash; the first such head is then named.
        """
        wanted: dict[int, set[str]] = {}
        for given in heads:
            wanted.setdefault(given.sequence, set()).add(given.hash)
        before = good = Head(0, GENESIS)
        kept = 0  # up to here a head from elsewhere says that it is as it was
        if wanted.get(0) == {GENESIS}:
            del wanted[0]
        async with connection.cursor(name="register") as rows:
            rows.itersize = _BATCH
            await rows.execute(
                f"select {_COLUMNS} from register_record where register = %s order by sequence",
                (self._name,),
            )
            async for row in rows:
                number = good.sequence + 1
                if not (row["sequence"] == number and row["previous"] == good.hash and _whole(row)):
                    moved = await self._moved(connection, good)
                    return moved or _broken(before, good, kept, row)
                before, good = good, Head(number, row["hash"])
                if number in wanted:
                    if wanted.pop(number) != {good.hash}:
                        problem = f"changed: a head given for record {number} has another hash"
                        return Verdict(False, number, problem, before)
                    kept = number
        if wanted:
            problem = f"removed: the register ends here, a head given is of {min(wanted)}"
            return Verdict(False, good.sequence + 1, problem, good)
        return Verdict(True, None, None, good)

    async def _insert(self, connection: Connection, records: Sequence[Record]) -> None:
        await connection.execute(
            "insert into register_record"
            " (register, sequence, recorded_at, actor, action, subject, department,"
            " source_address, details, previous, hash)"
            " select %s, sequence, %s, actor, action, subject, department, source_address,"
            " details::jsonb, previous, hash"
            " from unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],"
            " %s::text[], %s::text[], %s::text[]) as record(sequence, actor, action, subject,"
            " department, source_address, details, previous, hash)",
            (
                self._name,
                records[0].recorded_at,
                [record.sequence for record in records],
                *([getattr(record, name) for record in records] for name in _TEXTS),
                [json.dumps(dict(record.details)) for record in records],
                [record.previous for record in records],
                [record.hash for record in records],
            ),
        )

    async def _moved(self, connection: Connection, good: Head) -> Verdict | None:
        """The record that belongs behind `good`, if it stands whole in another place."""
        number = good.sequence + 1
        found = await connection.execute(
            f"select {_COLUMNS} from register_record where previous = %s", (good.hash,)
        )
        async for row in found:
            place = (row["register"], row["sequence"])
            if place != (self._name, number) and _whole(
                {**row, "register": self._name, "sequence": number}
            ):
                where = f"record {place[1]}" + f" of {place[0]}" * (place[0] != self._name)
                return Verdict(False, number, f"moved: it is now {where}", good)
        return None


def _broken(before: Head, good: Head, kept: int, row: Mapping[str, Any]) -> Verdict:
    """What is wrong where `row` was found behind `good`."""
    number = good.sequence + 1
    if row["sequence"] != number:
        problem = f"removed: the next record is {row['sequence']}"
    elif not _whole(row):
        problem = "changed: its hash is of another content"
    elif kept < good.sequence:
        problem = f"changed: record {number} follows another hash"
        return Verdict(False, good.sequence, problem, before)
    else:
        problem = f"changed: it does not follow the hash of record {good.sequence}"
    return Verdict(False, number, problem, good)


def _check(entry: Entry) -> None:
    for name in _TEXTS:
        _check_text(name, getattr(entry, name))
    for name, value in entry.details.items():
        _check_text("details", name)
        field = f"details[{name!r}]"
        if isinstance(value, str):
            _check_text(field, value)
        elif isinstance(value, int):
            if abs(value) > _LARGEST:
                raise InvalidEntry(f"{field}: expected an integer of at most 2^53 - 1")
        elif value is not None:
            raise InvalidEntry(
                f"{field}: expected str, int, bool or None, got {type(value).__name__}"
            )


def _check_text(field: str, text: object) -> None:
    if not isinstance(text, str):
        raise InvalidEntry(f"{field}: expected str, got {type(text).__name__}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidEntry(f"{field}: expected text that UTF-8 can hold") from None
    if "\0" in text:
        raise InvalidEntry(f"{field}: expected text without U+0000")


def _whole(row: Mapping[str, Any]) -> bool:
    """Whether it hashes to what it says; whatever somebody wrote there, it is named."""
    try:
        details = json.loads(row["details"])
        return bool(_hash({**row, "details": details}) == row["hash"])
    except (ValueError, RecursionError):
        return False


def _hash(record: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical form of all members but `hash`."""
    members = {name: value for name, value in record.items() if name != "hash"}
    details = members["details"]
    if isinstance(details, Mapping):  # RFC 8785 sorts names by their UTF-16 code units
        names = sorted(details, key=lambda name: name.encode("utf-16-be"))
        members["details"] = {name: details[name] for name in names}
    ordered = {name: members[name] for name in sorted(members)}
    text = json.dumps(ordered, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _rfc3339(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
