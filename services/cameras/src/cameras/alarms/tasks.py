"""Background loops of the part; each may run in several replicas."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from city_backbone.database import Connection, Database
from city_backbone.errors import Transient
from city_backbone.runtime import pause

from cameras.alarms import store, store_watches
from cameras.alarms.alarm import AUTOMATIC
from cameras.alarms.ledger import Ledger

log = structlog.get_logger()

_ESCALATE_AT_ONCE = 100
_FORGET_SECONDS = 3600.0
# Longer than the oldest detection that is taken: what comes again must find what it did.
_FORGET_AFTER = timedelta(days=8)


async def escalate_due(connection: Connection, ledger: Ledger, now: datetime) -> int:
    """Escalate what nobody acknowledged in time; how many, a hundred at most."""
    due = await store.lock_due(connection, now, _ESCALATE_AT_ONCE)
    await ledger.record(connection, [(one, one.escalated(AUTOMATIC, "", now)) for one in due])
    return len(due)


async def escalate_automatically(
    database: Database,
    ledger: Ledger,
    every_seconds: float,
    clock: Callable[[], datetime],
    stopping: asyncio.Event,
) -> None:
    """Until `stopping`."""
    while True:
        try:
            async with database.transaction() as connection:
                escalated = await escalate_due(connection, ledger, clock())
            if escalated:
                log.info("alarms escalated by themselves", count=escalated)
            if escalated == _ESCALATE_AT_ONCE and not stopping.is_set():
                continue
        except Transient as error:
            log.warning("alarms not escalated", error=repr(error))
        if await pause(stopping, every_seconds):
            return


async def forget_idle(
    database: Database, clock: Callable[[], datetime], stopping: asyncio.Event
) -> None:
    """Delete the state of sites where nothing was seen for days, until `stopping`."""
    while True:
        try:
            async with database.transaction() as connection:
                await store_watches.forget(connection, clock() - _FORGET_AFTER)
        except Transient as error:
            log.warning("idle watches not deleted", error=repr(error))
        if await pause(stopping, _FORGET_SECONDS):
            return
