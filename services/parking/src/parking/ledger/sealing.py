"""Closing the days of the ledger that are over."""

from collections.abc import Callable
from datetime import datetime

import structlog
from city_backbone.database import Connection
from city_backbone.outbox import Outbox

from parking.clock import seoul_day
from parking.ledger import days, facts
from parking.ledger.entries import content
from parking.ledger.seal import GENESIS, seal

log = structlog.get_logger()


class Sealing:
    """Each Seoul day once over all replicas, oldest first, also one without entries."""

    def __init__(self, outbox: Outbox, clock: Callable[[], datetime]) -> None:
        self._outbox = outbox
        self._clock = clock

    async def seal(self, connection: Connection) -> bool:
        """The oldest day that is due; whether there may be more of them."""
        now = self._clock()
        due = await days.due(connection, seoul_day(now))
        if due is None:
            return False
        day, before = due
        found = await content(connection, day)
        sealed = seal(
            day.isoformat(),
            found.entries,
            found.root,
            before.seal_hash if before else GENESIS,
            now,
        )
        await days.close(connection, sealed)
        await self._outbox.add(connection, [facts.ledger_sealed(sealed)])
        log.info("ledger day sealed", day=sealed.day, entries=sealed.entries)
        return True
