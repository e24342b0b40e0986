"""What happens to alarms: each joins exactly one incident, exactly once."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from city_backbone.database import Connection

from emergency import store, store_alarms, store_context
from emergency.domain.alarm import SOURCE, Alarm
from emergency.domain.dispatch import DispatchRules
from emergency.domain.merging import Bounds, Merging
from emergency.ledger import Ledger, incident_id


class Dispatcher:
    """Opens incidents of alarms and merges into them, by rules that are data."""

    def __init__(self, ledger: Ledger, rules: DispatchRules, bounds: Bounds) -> None:
        self._ledger = ledger
        self._rules = rules
        self._bounds = bounds

    async def apply(self, connection: Connection, alarms: Sequence[Alarm]) -> None:
        """In order; an alarm that joined an incident before does nothing.

        Rooms are called by the commit. Context is only asked for here, and gathered later.
        """
        # Somebody waits for help: no answer of the database is waited for that is not needed.
        async with connection.pipeline():
            await store_alarms.lock(connection)
            seen, near = await store_alarms.joined(connection, alarms, self._bounds)
            fresh = []
            for alarm in alarms:
                if alarm.id not in seen:
                    seen.add(alarm.id)
                    fresh.append(alarm)
            if fresh:
                await self._merge(connection, fresh, near)

    async def _merge(
        self, connection: Connection, alarms: Sequence[Alarm], near: Sequence[UUID]
    ) -> None:
        ids = {alarm.id: incident_id(SOURCE, alarm.id) for alarm in alarms}
        known = await store.lock(connection, [*near, *ids.values()])
        merging = Merging(self._rules, self._bounds, known)
        now = datetime.now(UTC)
        revisions = [merging.take(alarm, ids[alarm.id], now) for alarm in alarms]
        await self._ledger.record(connection, revisions)
        await store_alarms.join(
            connection, [(alarm, one.id) for alarm, one in zip(alarms, revisions, strict=True)]
        )
        opened = [one.id for one in revisions if one.revision == 1]
        await store_context.want(connection, opened)
