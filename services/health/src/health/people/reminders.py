"""Telling of follow-ups that are due; of whom, no event says."""

from collections.abc import Callable
from datetime import datetime

from city_backbone.database import Connection
from city_backbone.events import OutgoingEvent, event_id
from city_backbone.outbox import Outbox

from health.people import store_follow_ups as store
from health.people.store_follow_ups import FollowUp

FOLLOW_UP_DUE = "health.follow-up-due.v1"
_PER_RUN = 500


class Reminders:
    """Every replica tells in its turn, of others than the others."""

    def __init__(self, outbox: Outbox, clock: Callable[[], datetime]) -> None:
        self._outbox = outbox
        self._clock = clock

    async def tell(self, connection: Connection) -> bool:
        """In the caller's transaction; whether there may be more to tell."""
        now = self._clock()
        due = await store.take_untold(connection, now, _PER_RUN)
        await self._outbox.add(connection, [follow_up_due(one, now) for one in due])
        return len(due) == _PER_RUN


def follow_up_due(follow_up: FollowUp, told_at: datetime) -> OutgoingEvent:
    """Once for each time it is due."""
    key = str(follow_up.follow_up_id)
    return OutgoingEvent(
        FOLLOW_UP_DUE,
        key,
        event_id(FOLLOW_UP_DUE, key, follow_up.due_at),
        told_at,
        {
            "follow_up_id": key,
            "kind": follow_up.kind.value,
            "zone": follow_up.zone,
            "priority": follow_up.priority,
            "due_at": follow_up.due_at,
        },
    )
