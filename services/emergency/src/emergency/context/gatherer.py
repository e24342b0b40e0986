"""The loop that gathers context: wakes at the commit of an incident, survives restarts."""

import asyncio
from functools import partial
from uuid import UUID

import psycopg
import structlog
from city_backbone.database import Connection, Database
from city_backbone.errors import Transient
from city_backbone.runtime import pause

from emergency import store_context
from emergency.context.answer import Answering
from emergency.context.revision import Revising
from emergency.listening import listen, woken
from emergency.settings import ContextSettings
from emergency.store_context import Request

log = structlog.get_logger()

# A fault of ours comes again, so after so many the incident goes without.
_MOST_FAULTS = 5
_DRAIN_SECONDS = 3.0


class Gatherer:
    """Takes requests off the table, `concurrency` at once, so a dead neighbour holds up few.

    Each replica runs one; a request is one replica's until its claim ends, which is later than
    every deadline of its calls. One that died is taken over by another then.
    """

    def __init__(
        self,
        database: Database,
        revising: Revising,
        answering: Answering,
        settings: ContextSettings,
        stopping: asyncio.Event,
    ) -> None:
        self._database = database
        self._revising = revising
        self._answering = answering
        self._settings = settings
        self._stopping = stopping
        self._wake = asyncio.Event()
        self._under_way: dict[UUID, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Until `stopping`."""
        while True:
            try:
                await self._listening()
            except Transient as error:
                log.warning("context not gathered", error=repr(error))
            if await pause(self._stopping, self._settings.poll_seconds):
                return

    async def _listening(self) -> None:
        connection = await self._database.session()
        try:
            await connection.execute(f"listen {store_context.CHANNEL}")
            await self._serve(connection)
        except (psycopg.Error, TimeoutError) as error:
            raise Transient(f"listening for context requests: {error!r}") from error
        finally:
            await connection.close()

    async def _serve(self, connection: Connection) -> None:
        listener = asyncio.create_task(listen(connection, self._wake))
        try:
            while not self._stopping.is_set() and not listener.done():
                self._wake.clear()
                await self._start_due()
                events = (self._wake, self._stopping)
                await woken(events, listener, self._settings.poll_seconds)
            if listener.done():
                await listener
            if self._under_way:
                await asyncio.wait(self._under_way.values(), timeout=_DRAIN_SECONDS)
        finally:
            tasks = [listener, *self._under_way.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _start_due(self) -> None:
        free = self._settings.concurrency - len(self._under_way)
        if free <= 0:
            return
        async with self._database.transaction() as connection:
            requests = await store_context.claim(connection, free, self._settings.claim_seconds)
        for request in requests:
            task = asyncio.create_task(self._gather(request))
            self._under_way[request.incident_id] = task
            task.add_done_callback(partial(self._finished, request.incident_id))

    def _finished(self, incident_id: UUID, task: asyncio.Task[None]) -> None:
        if self._under_way.get(incident_id) is task:
            del self._under_way[incident_id]
        self._wake.set()

    async def _give_up(self, request: Request) -> None:
        try:
            async with self._database.transaction() as connection:
                await store_context.settle(connection, request.incident_id)
        except Transient as error:
            log.warning("context not settled", error=repr(error))

    async def _gather(self, request: Request) -> None:
        try:
            if request.room is None:
                await self._revising.gather(request)
            else:
                await self._answering.gather(request, request.room)
        except Transient as error:
            log.warning("context not recorded", error=repr(error))
        except Exception:
            # A fault of ours with one incident must not hold up the others.
            log.exception("context failed", incident_id=str(request.incident_id))
            if request.attempts >= _MOST_FAULTS:
                await self._give_up(request)
