"""Publishing a register's head once a day, so that cutting off its tail shows.

The department's topic has the fields register, day, sequence, head_hash and sealed_at.
"""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import structlog

from city_backbone.database import Connection
from city_backbone.events import OutgoingEvent, event_id
from city_backbone.outbox import Outbox
from city_backbone.register import Head, Register

log = structlog.get_logger()

_SEOUL = ZoneInfo("Asia/Seoul")


class Seal:
    """Of one register. A head stands for all before it, so after days of silence the newest day
    that ended is sealed and the days before it are not."""

    def __init__(
        self,
        name: str,
        register: Register,
        topic: str,
        outbox: Outbox,
        clock: Callable[[], datetime],
    ) -> None:
        self._name = name
        self._register = register
        self._topic = topic
        self._outbox = outbox
        self._clock = clock

    async def seal(self, connection: Connection) -> bool:
        """Seal the day that ended last, once; False: there is nothing more to do."""
        now = self._clock()
        day = ended_day(now)
        # The row is claimed first: another replica waits here, and then finds the day sealed.
        claimed = await connection.execute(
            "insert into register_seal (register, day, sequence, head_hash, sealed_at)"
            " values (%s, %s, 0, '', %s) on conflict do nothing returning day",
            (self._name, day, now),
        )
        if await claimed.fetchone() is None:
            return False
        head = await self._register.head(connection)
        await connection.execute(
            "update register_seal set sequence = %s, head_hash = %s"
            " where register = %s and day = %s",
            (head.sequence, head.hash, self._name, day),
        )
        await self._outbox.add(connection, [sealed(self._topic, self._name, day, head, now)])
        log.info("register sealed", register=self._name, day=day.isoformat())
        return False


def sealed(topic: str, register: str, day: date, head: Head, sealed_at: datetime) -> OutgoingEvent:
    """Once per register and day."""
    return OutgoingEvent(
        topic,
        register,
        event_id(topic, register, day.isoformat()),
        sealed_at,
        {
            "register": register,
            "day": day,
            "sequence": head.sequence,
            "head_hash": head.hash,
            "sealed_at": sealed_at,
        },
    )


def ended_day(now: datetime) -> date:
    """The last day in Seoul that is over."""
    return now.astimezone(_SEOUL).date() - timedelta(days=1)
