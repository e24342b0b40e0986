"""Recomputing the ledger from its rows."""

from collections.abc import Sequence

from city_backbone.database import Connection

from parking.ledger import days
from parking.ledger.entries import contents
from parking.ledger.verdict import Given, Verdict, judge


async def verify(connection: Connection, given: Sequence[Given]) -> Verdict:
    """In a transaction of one snapshot, else a day sealed meanwhile looks altered.

    Reads everything: about 50 µs an entry.
    """
    return judge(await days.everything(connection), await contents(connection), given)
