"""The outbox relay: publishes what was committed, in order, and forgets it once confirmed."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable

import aiokafka.errors
import msgspec
import psycopg
import structlog
from opentelemetry.metrics import CallbackOptions, Meter, Observation

from city_backbone import telemetry
from city_backbone.database import Connection, Database
from city_backbone.errors import DatabaseUnavailable
from city_backbone.outbox import CHANNEL, Record, unpack_headers
from city_backbone.publisher import PERMANENT, REFUSED, Publisher
from city_backbone.settings import OutboxSettings
from city_backbone.waiting import pause

log = structlog.get_logger()

_LOCK = 0x6F7574626F78  # "outbox"
_WANTED = "outbox_relay"
"""Channel on which a process says that it would relay."""
_AWAY = (aiokafka.errors.KafkaError, psycopg.Error, DatabaseUnavailable, TimeoutError, OSError)
_TOPIC_PAUSE_SECONDS = 5.0


class Relay:
    """One replica at a time relays: it holds an advisory lock on the connection it reads with.

    One that `gives_way` does so only while no other is there: what the stream tells comes first,
    and it must not wait for a process that takes calls.

    A record that the broker refuses for good moves to outbox_rejected with the reason; a topic
    that refuses for now (not authorised, unknown) is left for a while, the others go on.
    """

    def __init__(
        self,
        database: Database,
        publisher: Publisher,
        settings: OutboxSettings,
        meter: Meter,
        topics: Iterable[str] = (),
        *,
        gives_way: bool = False,
    ) -> None:
        self._database = database
        self._publisher = publisher
        self._settings = settings
        self._gives_way = gives_way
        self._sent = meter.create_counter(telemetry.SENT)
        self._rejected = meter.create_counter(telemetry.OUTBOX_REJECTED)
        for topic in topics:  # else nobody sees the first one as an increase
            self._rejected.add(0, {"messaging.destination.name": topic})
        self._oldest: float | None = None
        self._paused: dict[str, float] = {}
        meter.create_observable_gauge(telemetry.OUTBOX_AGE, [self._observe_age], unit="s")

    async def run(self, stopping: asyncio.Event) -> None:
        """Until `stopping` is set and the outbox is empty or the broker is away."""
        failures = 0
        while not stopping.is_set():
            try:
                connection = await self._database.session()
                try:
                    await self._relay(connection, stopping)
                finally:
                    await connection.close()
                    await self._publisher.close()
                failures = 0
            except _AWAY as error:
                failures = min(failures + 1, 5)
                log.warning("outbox relay interrupted", error=repr(error), failures=failures)
                await pause(stopping, min(0.2 * 2**failures, 5.0))

    async def _relay(self, connection: Connection, stopping: asyncio.Event) -> None:
        # Between two tries one that gives way waits longer, so that another is before it.
        wait = self._settings.poll_seconds * (2 if self._gives_way else 1)
        if self._gives_way:
            await pause(stopping, wait)
        while not await _try_lock(connection):
            await self._measure(connection)
            if not self._gives_way:
                await connection.execute("select pg_notify(%s, '')", (_WANTED,))
            if await pause(stopping, wait):
                return
        await self._measure(connection)  # it grows while there is no broker
        await self._publisher.open()
        await connection.execute(f"listen {CHANNEL}")
        if self._gives_way:
            await connection.execute(f"listen {_WANTED}")
        while True:
            last = stopping.is_set()
            if await self._cycle(connection):
                continue
            if last:
                return
            if stopping.is_set():
                continue
            # What was committed during the cycle has notified us, and that is kept.
            async with asyncio.timeout(self._settings.poll_seconds + 5):
                async for told in connection.notifies(
                    timeout=self._settings.poll_seconds, stop_after=1
                ):
                    if told.channel == _WANTED:
                        return

    async def _cycle(self, connection: Connection) -> bool:
        """Whether there may be more that can be sent now."""
        now = time.monotonic()
        self._paused = {topic: until for topic, until in self._paused.items() if until > now}
        selected = await connection.execute(
            "select id, topic, key, value, headers::text, created_at from outbox"
            " where topic <> all(%s) order by id limit %s",
            (list(self._paused), self._settings.batch),
        )
        rows = await selected.fetchall()
        self._oldest = rows[0]["created_at"].timestamp() if rows else None
        if not rows:
            return False
        records = [
            Record(
                row["topic"],
                row["key"],
                row["value"],
                unpack_headers(msgspec.json.decode(row["headers"])),
            )
            for row in rows
        ]
        outcomes = await self._publisher.publish(records)
        confirmed = [row["id"] for row, outcome in zip(rows, outcomes, strict=True) if not outcome]
        await connection.execute("delete from outbox where id = any(%b::bigint[])", (confirmed,))
        moved = len(confirmed)
        sent = Counter[str]()
        for row, outcome in zip(rows, outcomes, strict=True):
            topic = row["topic"]
            if outcome is None:
                sent[topic] += 1
            elif isinstance(outcome, PERMANENT):
                await self._reject(connection, row["id"], topic, outcome)
                moved += 1
            elif isinstance(outcome, REFUSED):
                if topic not in self._paused:
                    log.error("topic refused by the broker", topic=topic, error=repr(outcome))
                self._paused[topic] = now + _TOPIC_PAUSE_SECONDS
            else:
                raise outcome
        for topic, count in sent.items():
            self._sent.add(count, {"messaging.destination.name": topic})
        return moved > 0 and len(rows) == self._settings.batch

    async def _measure(self, connection: Connection) -> None:
        """Of every replica, so that what one saw last before it lost the lock does not stand."""
        selected = await connection.execute("select created_at from outbox order by id limit 1")
        row = await selected.fetchone()
        self._oldest = row["created_at"].timestamp() if row else None

    async def _reject(
        self, connection: Connection, record_id: int, topic: str, reason: Exception
    ) -> None:
        await connection.execute(
            "with gone as (delete from outbox where id = %s returning *)"
            " insert into outbox_rejected (id, topic, key, value, headers, created_at, reason)"
            " select id, topic, key, value, headers, created_at, %s from gone",
            (record_id, str(reason)),
        )
        self._rejected.add(1, {"messaging.destination.name": topic})
        log.error(
            "event rejected by the broker", topic=topic, outbox_id=record_id, error=str(reason)
        )

    def _observe_age(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(max(0.0, time.time() - self._oldest) if self._oldest else 0.0)]


async def _try_lock(connection: Connection) -> bool:
    answer = await connection.execute("select pg_try_advisory_lock(%s) as locked", (_LOCK,))
    row = await answer.fetchone()
    return bool(row and row["locked"])
