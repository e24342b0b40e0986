"""Context of an alarm's incident: one revision more, for the rooms that were called."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

from city_backbone.database import Database

from emergency import store, store_context
from emergency.context.neighbours import Neighbours
from emergency.domain.context import AIR, CAMERAS, air_text, cameras_text
from emergency.domain.incident import OPEN, Status
from emergency.handlers import AUTOMATIC
from emergency.ledger import Ledger
from emergency.settings import ContextSettings
from emergency.store_context import Request


class Revising:
    """Asks the neighbours at the same time, then writes down what they said."""

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        neighbours: Neighbours,
        settings: ContextSettings,
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._neighbours = neighbours
        self._settings = settings

    async def gather(self, request: Request) -> None:
        """One CHANGED revision, or nothing when the incident ended meanwhile."""
        async with self._database.transaction() as connection:
            known = await store.find(connection, request.incident_id)
        items = {}
        if known is not None and known.status in OPEN and known.facts.position is not None:
            cameras, air = await asyncio.gather(
                self._neighbours.cameras_near(known.facts.position),
                self._neighbours.air_near(known.facts.position),
            )
            items = {
                CAMERAS: cameras_text(cameras, self._settings.camera_metres),
                AIR: air_text(air, self._settings.air_metres),
            }
        # All changes of incidents are in one order and wait for this one's commit, so it waits for
        # no answer that it does not need.
        async with self._database.transaction() as connection, connection.pipeline():
            known = (await store.lock(connection, [request.incident_id]))[request.incident_id]
            if not await store_context.settle(connection, known.id):
                return
            if items and known.status in OPEN:
                facts = replace(known.facts, items={**known.facts.items, **items})
                changed = known.advance(Status.CHANGED, datetime.now(UTC), AUTOMATIC, facts)
                await self._ledger.record(connection, [changed])
