"""Says every second what cameras said once: the alarm rule sees that it goes on."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from city_backbone.database import Database
from city_backbone.errors import Transient
from city_backbone.runtime import pause
from opentelemetry.metrics import Meter

from cameras.ingest import store
from cameras.ingest.held import Due, StateKey
from cameras.ingest.intake import Intake
from cameras.ingest.notifications import HELD_METRIC

log = structlog.get_logger()

SOURCE = "held"
_LIMIT = 500
_SWEEP_EVERY = timedelta(hours=1)


class Holding:
    """Any replica may say a state's second, and two may say the same: the ids agree."""

    def __init__(
        self,
        database: Database,
        intake: Intake,
        meter: Meter,
        clock: Callable[[], datetime],
        hold_seconds: float,
        parked_days: int,
    ) -> None:
        self._database = database
        self._intake = intake
        self._clock = clock
        self._hold = timedelta(seconds=hold_seconds)
        self._parked = timedelta(days=parked_days)
        self._counter = meter.create_counter(HELD_METRIC)
        self._swept_at: datetime | None = None

    async def run(self, stopping: asyncio.Event, every_seconds: float) -> None:
        """Until `stopping`; what the database or the broker missed is said when they are back."""
        while not await pause(stopping, every_seconds):
            try:
                while await self.turn() and not stopping.is_set():
                    pass
                await self._sweep()
            except Transient as error:
                log.warning("held states wait", error=repr(error))

    async def turn(self) -> bool:
        """Say what is due; whether there may be more. The seconds count as said once published."""
        now = self._clock()
        async with self._database.transaction() as connection:
            found = await store.due(connection, now, _LIMIT)
            expired = {one.state.key for one in found if one.expired(now, self._hold)}
            standing = [one for one in found if one.state.key not in expired]
            forgotten = await self._say(standing, now)
            await store.release(connection, [*expired, *forgotten])
            await store.said(
                connection,
                [one.state.key for one in standing if one.state.key not in forgotten],
                now,
            )
        for outcome, keys in (("expired", expired), ("forgotten", forgotten)):
            if keys:
                self._counter.add(len(keys), {"outcome": outcome})
        return len(found) == _LIMIT

    async def _say(self, standing: list[Due], now: datetime) -> set[StateKey]:
        """Publish; the states whose camera is in service no more."""
        said = [(one.state.key, detection) for one in standing for detection in one.detections(now)]
        refused = await self._intake.take([detection for _, detection in said], SOURCE)
        return {said[position][0] for position, _ in refused}

    async def _sweep(self) -> None:
        now = self._clock()
        if self._swept_at is None or now - self._swept_at >= _SWEEP_EVERY:
            async with self._database.transaction() as connection:
                await store.sweep(connection, now - self._parked)
            self._swept_at = now
