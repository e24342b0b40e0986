"""One room's connector: takes its messages from the queue and delivers them.

One replica at a time serves a room: it holds the room's advisory lock on a connection of its own,
which also listens for new messages. When that connection is lost, deliveries under way are cut off;
whoever gets the lock sends the same bytes again.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial
from uuid import UUID

import psycopg
import structlog
from city_backbone.database import Connection, Database
from city_backbone.errors import Transient
from city_backbone.runtime import pause
from city_backbone.tracing import continued

from emergency import store_rooms
from emergency.envelope import Envelope
from emergency.errors import RoomError, RoomRefused
from emergency.listening import listen, woken
from emergency.rooms.backoff import full_jitter
from emergency.rooms.breaker import Breaker, BreakerOpen
from emergency.rooms.session import RoomSession
from emergency.settings import DeliverySettings
from emergency.store_rooms import DueMessage
from emergency.telemetry import Metrics

log = structlog.get_logger()

_LOCK_SPACE = 5005
_DRAIN_SECONDS = 3.0
_SHORTEST_WAIT = 0.01
# Messages read from the queue at once, per delivery under way.
_AHEAD = 8


class Connector:
    """Messages of one incident go out one after the other, those of different incidents at once.

    A message is tried until the room takes it; it is never dropped and never overtaken by a later
    one of its incident.
    """

    def __init__(
        self,
        room: str,
        session: RoomSession,
        settings: DeliverySettings,
        database: Database,
        metrics: Metrics,
        stopping: asyncio.Event,
        envelope: Envelope,
    ) -> None:
        self._room = room
        self._session = session
        self._settings = settings
        self._database = database
        self._metrics = metrics
        self._stopping = stopping
        self._envelope = envelope
        self._breaker = Breaker(room, settings.breaker_failures, settings.breaker_seconds)
        self._wake = asyncio.Event()
        self._under_way: dict[UUID, asyncio.Task[None]] = {}
        self._ready: deque[DueMessage] = deque()
        # The room has them, and the queue does not know yet.
        self._taken: dict[int, DueMessage] = {}
        metrics.breaker(room, self._breaker.state)

    async def run(self) -> None:
        """Until `stopping`."""
        while True:
            try:
                async with self._lease() as connection:
                    if connection is not None:
                        await self._serve(connection)
            except Transient as error:
                log.warning("room not served", room=self._room, error=repr(error))
            if await pause(self._stopping, self._settings.poll_seconds):
                return

    @asynccontextmanager
    async def _lease(self) -> AsyncIterator[Connection | None]:
        """A listening connection that holds the room's lock, waited for; None when stopping."""
        connection = await self._database.session()
        try:
            while not await self._lock(connection):
                if await pause(self._stopping, self._settings.poll_seconds):
                    yield None
                    return
            await connection.execute(f"listen {store_rooms.CHANNEL}")
            yield connection
        except (psycopg.Error, TimeoutError) as error:
            raise Transient(f"lease of {self._room}: {error!r}") from error
        finally:
            await connection.close()

    async def _lock(self, connection: Connection) -> bool:
        rows = await connection.execute(
            "select pg_try_advisory_lock(%s, hashtext(%s)) as mine", (_LOCK_SPACE, self._room)
        )
        row = await rows.fetchone()
        return row is not None and row["mine"]

    async def _serve(self, connection: Connection) -> None:
        log.info("room served", room=self._room)
        # When it ends, the connection is lost, and the lock with it.
        listener = asyncio.create_task(listen(connection, self._wake, self._room))
        try:
            while not self._stopping.is_set() and not listener.done():
                self._wake.clear()
                seconds = max(await self._start_due(), _SHORTEST_WAIT)
                await woken((self._wake, self._stopping), listener, seconds)
            if listener.done():
                await listener
            if self._under_way:
                await asyncio.wait(self._under_way.values(), timeout=_DRAIN_SECONDS)
            await self._acknowledge()
        finally:
            tasks = [listener, *self._under_way.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._ready.clear()
            # Nobody knows whether the queue has learnt it; the same bytes go out again.
            self._taken.clear()

    async def _start_due(self) -> float:
        """Start what may be sent now; seconds until there may be more, unless woken before."""
        seconds = None
        if self._taken or len(self._ready) < self._free():
            seconds = await self._read()
        self._start()
        if self._free() <= 0:
            return max(self._breaker.seconds_to_probe(), 0.0) or self._settings.poll_seconds
        poll = self._settings.poll_seconds
        return poll if seconds is None else min(poll, seconds)

    def _free(self) -> int:
        return self._breaker.limit(self._settings.concurrency) - len(self._under_way)

    async def _read(self) -> float | None:
        """What is due, into `_ready`; seconds until something else is."""
        taken = dict(self._taken)
        limit = _AHEAD * self._settings.concurrency
        async with self._database.transaction() as connection:
            if taken:
                await store_rooms.acknowledge(connection, list(taken))
            later = [one for key, one in self._taken.items() if key not in taken]
            known = {message.incident_id for message in (*self._ready, *later)}
            known.update(self._under_way)
            self._ready += await store_rooms.due(connection, self._room, known, limit)
            if not taken:
                # On their way while the rest is asked: somebody waits for them.
                self._start()
            seconds = await store_rooms.seconds_to_next(connection, self._room)
        self._told(taken.values())
        return seconds

    async def _acknowledge(self) -> None:
        """What the room has taken, where nothing more is to be sent."""
        if taken := dict(self._taken):
            async with self._database.transaction() as connection:
                await store_rooms.acknowledge(connection, list(taken))
            self._told(taken.values())

    def _told(self, messages: Iterable[DueMessage]) -> None:
        for message in messages:
            del self._taken[message.id]
            self._ended(message, "acknowledged")

    def _start(self) -> None:
        for message in [self._ready.popleft() for _ in range(min(self._free(), len(self._ready)))]:
            task = asyncio.create_task(self._deliver(message))
            self._under_way[message.incident_id] = task
            task.add_done_callback(partial(self._finished, message.incident_id))

    def _finished(self, incident_id: UUID, _: asyncio.Task[None]) -> None:
        del self._under_way[incident_id]
        self._wake.set()

    async def _deliver(self, message: DueMessage) -> None:
        try:
            await self._attempt(message)
        except Transient as error:
            # Taken or not, the queue still has it; the same bytes go out again.
            log.warning("delivery not recorded", room=self._room, error=repr(error))
        except Exception:
            # A fault of ours with one message must not hold up the others.
            log.exception("delivery failed", room=self._room, message_id=message.id)
        else:
            return
        await pause(self._stopping, self._settings.poll_seconds)

    def _body(self, message: DueMessage) -> str:
        """Raises Unreadable for an answer that was sealed under another key."""
        place = (self._room, message.incident_id, message.revision)
        return self._envelope.open(*place, message.body) if message.answer else message.body

    async def _attempt(self, message: DueMessage) -> None:
        try:
            async with self._breaker.call():
                with continued(f"tell room {self._room}", message.traceparent) as span:
                    span.set_attribute("incident_id", str(message.incident_id))
                    await self._session.deliver(self._body(message))
        except BreakerOpen:
            return
        except RoomError as error:
            outcome = "refused" if isinstance(error, RoomRefused) else "unavailable"
            # What a room says to an answer may quote the stream tokens in it.
            reason = f"EVENT: {outcome}" if message.answer else str(error)
            settings = self._settings
            seconds = full_jitter(
                message.attempts, settings.backoff_base_seconds, settings.backoff_cap_seconds
            )
            async with self._database.transaction() as connection:
                await store_rooms.postpone(connection, message.id, seconds, reason)
            self._ended(message, outcome)
        else:
            # The loop that is woken now writes it down together with reading what is next.
            self._taken[message.id] = message
        finally:
            self._metrics.breaker(self._room, self._breaker.state)

    def _ended(self, message: DueMessage, outcome: str) -> None:
        self._metrics.attempted(self._room, outcome)
        log.info(
            "room told" if outcome == "acknowledged" else "room not told",
            room=self._room,
            incident_id=str(message.incident_id),
            revision=message.revision,
            attempt=message.attempts + 1,
            outcome=outcome,
        )
