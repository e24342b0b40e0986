"""Writing down new revisions of alarms: alarm, history, events; all or nothing."""

from collections.abc import Sequence

from city_backbone.database import Connection
from city_backbone.events import OutgoingEvent
from city_backbone.outbox import Outbox

from cameras.alarms import facts, store
from cameras.alarms.alarm import Alarm
from cameras.alarms.telemetry import Metrics


class Ledger:
    """The only place that changes an alarm."""

    def __init__(self, outbox: Outbox, metrics: Metrics) -> None:
        self._outbox = outbox
        self._metrics = metrics

    async def record(
        self, connection: Connection, steps: Sequence[tuple[Alarm | None, Alarm]]
    ) -> None:
        """Each step from what was before, None for a new alarm, in order; once per transaction.

        Alarms that were there must be locked. A step that changes nothing is left out.
        """
        taken = [(before, after) for before, after in steps if before != after]
        if not taken:
            return
        await store.save(connection, [after for _, after in taken])
        events: list[OutgoingEvent] = []
        for before, after in taken:
            events += facts.told(before, after)
            self._metrics.changed(after)
        await self._outbox.add(connection, events)
