"""Versions of the rules in PostgreSQL, and what every replica keeps of them in memory."""

import time
from importlib import resources

import msgspec
from city_backbone.database import Connection

from cameras.alarms.rulebook import Rulebook
from cameras.alarms.rules import RuleSet, check

KNOWN_SECONDS = 4.0
"""How old what a replica knows of the rules may be."""

_decoder = msgspec.json.Decoder(RuleSet)


def shipped() -> RuleSet:
    """Version 1, in force until operators put another."""
    text = resources.files("cameras.alarms").joinpath("rules.v1.json").read_bytes()
    rules = _decoder.decode(text)
    check(rules)
    return rules


async def read(connection: Connection) -> Rulebook:
    """All versions; the shipped one is the first."""
    return Rulebook(await _stored(connection) or [await _ship(connection)])


async def lock(connection: Connection) -> Rulebook:
    """All versions; nobody else adds one until this transaction ends."""
    await connection.execute("lock table rule_set in share row exclusive mode")
    return await read(connection)


async def _stored(connection: Connection) -> list[RuleSet]:
    rows = await connection.execute("select rules::text from rule_set order by version")
    return [_decoder.decode(row["rules"]) for row in await rows.fetchall()]


async def _ship(connection: Connection) -> RuleSet:
    first = shipped()
    await add(connection, first)
    return first


async def add(connection: Connection, rules: RuleSet) -> None:
    """A new version, under lock()."""
    await connection.execute(
        "insert into rule_set (version, effective_from, rules) values (%s, %s, %s::jsonb)"
        " on conflict do nothing",
        (rules.version, rules.effective_from, msgspec.json.encode(rules).decode()),
    )


class Rules:
    """The rulebook, read again when older than KNOWN_SECONDS."""

    def __init__(self) -> None:
        self._book: Rulebook | None = None
        self._read_at = 0.0

    def known(self) -> Rulebook | None:
        """None when it is to be read again."""
        return None if time.monotonic() - self._read_at > KNOWN_SECONDS else self._book

    def urgent(self, kind: str, purpose: str, at: int, confidence: float) -> bool:
        """Whether an alarm that 112 or 119 may wait for can come of a detection.

        By the rules as last read, however old; before they were read it can come of any.
        """
        return self._book is None or self._book.urgent(kind, purpose, at, confidence)

    async def refresh(self, connection: Connection) -> bool:
        """Work for a timer, where no stream reads the rules: there is never more to do."""
        await self.book(connection)
        return False

    async def book(self, connection: Connection) -> Rulebook:
        if (known := self.known()) is not None:
            return known
        read_at = time.monotonic()
        sets = await _stored(connection)
        if not sets:  # not kept: this transaction may yet be rolled back
            return await read(connection)
        self._book, self._read_at = Rulebook(sets), read_at
        return self._book
