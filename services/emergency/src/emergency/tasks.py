"""Background loops that belong to no room."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import structlog
from city_backbone.database import Database
from city_backbone.errors import Transient
from city_backbone.runtime import pause

from emergency import store_rooms
from emergency.handlers import complete_cleared
from emergency.ledger import Ledger
from emergency.telemetry import Metrics

log = structlog.get_logger()

_MEASURE_SECONDS = 5.0
_COMPLETE_SECONDS = 60.0


async def measure_queues(
    database: Database, metrics: Metrics, rooms: Sequence[str], stopping: asyncio.Event
) -> None:
    """Keep the ages of the oldest pending messages fresh for the gauge."""
    while True:
        try:
            async with database.transaction() as connection:
                oldest = await store_rooms.oldest_pending_seconds(connection)
            metrics.pending({room: oldest.get(room, 0.0) for room in {*rooms, *oldest}})
        except Transient as error:
            log.warning("queues not measured", error=repr(error))
        if await pause(stopping, _MEASURE_SECONDS):
            return


async def complete_automatically(
    database: Database, ledger: Ledger, after: timedelta, stopping: asyncio.Event
) -> None:
    """Complete incidents that stayed cleared for `after`."""
    while True:
        try:
            async with database.transaction() as connection:
                completed = await complete_cleared(connection, ledger, after)
            if completed:
                log.info("incidents completed", count=completed)
                continue
        except Transient as error:
            log.warning("incidents not completed", error=repr(error))
        if await pause(stopping, _COMPLETE_SECONDS):
            return
