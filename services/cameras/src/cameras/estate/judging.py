"""Judging who is online and who is offline, and telling of the changes."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from city_backbone.database import Connection, Database
from city_backbone.errors import Transient
from city_backbone.outbox import Outbox
from city_backbone.runtime import pause
from opentelemetry.metrics import Meter

from cameras.estate import facts
from cameras.estate import store_presence as store
from cameras.estate.presence import PresenceStatus, Rule

log = structlog.get_logger()

CAMERAS_METRIC = "city.cameras.presence"  # cameras in service, by status
CHANGES_METRIC = "city.cameras.presence_changes"  # cameras found online or offline, by status
_PER_RUN = 500


class Judging:
    """Every replica judges in its turn; `longest_break` of all of them is an outage."""

    def __init__(
        self,
        outbox: Outbox,
        rule: Rule,
        longest_break: timedelta,
        meter: Meter,
        clock: Callable[[], datetime],
    ) -> None:
        self._outbox = outbox
        self._rule = rule
        self._longest_break = longest_break
        self._clock = clock
        self._cameras = meter.create_gauge(CAMERAS_METRIC)
        self._changes = meter.create_counter(CHANGES_METRIC)

    async def judge(self, connection: Connection) -> bool:
        """In the caller's transaction, with its events; whether there may be more to judge."""
        now = self._clock()
        watch = await store.lock_watch(connection, now)
        if watch is None:
            return False
        watch = watch.listening(now, self._longest_break)
        await store.save_watch(connection, watch)
        due = await store.lock_due(connection, now, watch.since, self._rule, _PER_RUN)
        changed = [
            replace(camera, presence=judged)
            for camera in due
            if (judged := camera.presence.judged(now, watch.since, self._rule))
            is not camera.presence
        ]
        await store.save(connection, {camera.camera_id: camera.presence for camera in changed})
        await self._outbox.add(
            connection, [facts.presence_changed(camera, now) for camera in changed]
        )
        for status in (PresenceStatus.ONLINE, PresenceStatus.OFFLINE):
            total = sum(camera.presence.status is status for camera in changed)
            if total:
                self._changes.add(total, {"status": status.lower()})
        return len(changed) == _PER_RUN

    async def measure(self, connection: Connection) -> None:
        """How many there are of each, into the metric."""
        for status, cameras in (await store.count(connection)).items():
            self._cameras.set(cameras, {"status": status.lower()})

    def task(
        self, seconds: float, database: Database, stopping: asyncio.Event
    ) -> Callable[[], Awaitable[None]]:
        """Every `seconds`, at once again while there is more; ends soon after `stopping`."""

        async def run() -> None:
            while not await pause(stopping, seconds):
                try:
                    await self._turn(database, stopping)
                except Transient as error:
                    log.warning("judging presence waits", error=repr(error))

        return run

    async def _turn(self, database: Database, stopping: asyncio.Event) -> None:
        more = True
        while more and not stopping.is_set():
            async with database.transaction() as connection:
                more = await self.judge(connection)
        async with database.transaction() as connection:
            await self.measure(connection)
