"""Counting lots whose bays changed, and telling of it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from city_backbone.database import Connection
from city_backbone.outbox import Outbox

from parking.occupancy import facts, store_lots

_PER_RUN = 200
_APART = timedelta(seconds=1)  # as the event promises


class Counting:
    """Every replica counts in its turn; a lot is told of at most once in a second."""

    def __init__(self, outbox: Outbox, clock: Callable[[], datetime]) -> None:
        self._outbox = outbox
        self._clock = clock

    async def count(self, connection: Connection) -> bool:
        """In the caller's transaction, with its events; whether there may be more to count."""
        now = self._clock()
        told_before = now - _APART
        marked = await store_lots.lock_marked(connection, told_before, _PER_RUN)
        # Read again, under the lock: another replica may just have told of some.
        lots = {
            lot_id: lot
            for lot_id, lot in (await store_lots.find(connection, marked)).items()
            if lot.changed_at is None or lot.changed_at <= told_before
        }
        if not lots:
            return False
        await store_lots.unmark(connection, list(lots))
        counts = await store_lots.count(connection, lots)
        changed = [
            replace(lot, revision=lot.revision + 1, count=counts[lot_id], changed_at=now)
            for lot_id, lot in lots.items()
            if lot.count != counts[lot_id]
        ]
        if changed:
            await store_lots.save(connection, changed)
            await self._outbox.add(
                connection, [facts.lot_occupancy_changed(lot) for lot in changed]
            )
        return len(marked) == _PER_RUN
