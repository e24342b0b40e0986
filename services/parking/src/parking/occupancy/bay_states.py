"""Keeping bays' states up with their sensors and bookings."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from city_backbone.database import Connection
from city_backbone.outbox import Outbox

from parking.bookings import store as bookings
from parking.occupancy import facts, store
from parking.occupancy.status import BayState, status_of


class BayStates:
    """Runs in the caller's transaction."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def refresh(self, connection: Connection, bay_ids: Sequence[str], now: datetime) -> None:
        """Write and tell what each bay is now; the caller holds the bays' row locks.

        A bay nothing was told of counts as free. A changed one's lot is marked to be counted, and
        one with a car or a claim to be judged.
        """
        current = await bookings.current(connection, bay_ids, now)
        changed: list[BayState] = []
        saved: list[BayState] = []
        for before in (await store.states(connection, bay_ids)).values():
            claims = current.get(before.bay_id, [])
            status = status_of(before.in_service, before.seen, claims, now)
            car = before.seen is not None and before.seen.occupied
            after = replace(before, judge_at=now if car or claims else None)
            if status is not before.status:
                after = replace(after, status=status, revision=before.revision + 1, changed_at=now)
                changed.append(after)
            if after != before:
                saved.append(replace(after, changed_at=after.changed_at or now))
        await store.save_states(connection, saved)
        await self._outbox.add(connection, [facts.bay_status_changed(state) for state in changed])
        await store.mark_lots(connection, [state.lot_id for state in changed], now)
