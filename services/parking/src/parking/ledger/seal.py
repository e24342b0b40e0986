"""A closed day of the ledger: the root over its entries, chained to the day before."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from parking.ledger.canonical import canonical

GENESIS = "0" * 64
"""What stands in the place of the day before the first."""


@dataclass(frozen=True, slots=True)
class Seal:
    """`day` is yyyy-mm-dd in Seoul, hashes are lower-case hex, `sealed_at` aware UTC."""

    day: str
    entries: int
    root: str
    previous: str
    seal_hash: str
    sealed_at: datetime


def seal(day: str, entries: int, root: str, previous: str, sealed_at: datetime) -> Seal:
    return Seal(day, entries, root, previous, seal_hash(day, entries, root, previous), sealed_at)


def seal_hash(day: str, entries: int | None, root: str | None, previous: str | None) -> str:
    """SHA-256 of the seal as RFC 8785 JSON. None is what somebody took away."""
    said = {"day": day, "entries": entries, "previous": previous, "root": root}
    return hashlib.sha256(canonical(said)).hexdigest()
