"""The answer to a room that asked for video: the cameras around, under leases, with tokens.

Tokens are secrets. They are in the message to that room and nowhere else, and there only until the
room has acknowledged it.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

import structlog
from city_backbone.database import Connection, Database

from emergency import store, store_context, store_rooms
from emergency.context.neighbours import Neighbours
from emergency.domain.context import AIR, CAMERAS, Missing, air_text, video_items
from emergency.domain.incident import OPEN, STEP, Incident, Status
from emergency.domain.scsns.linked import STATUS_CODES
from emergency.domain.scsns.outgoing import answer_body
from emergency.handlers import AUTOMATIC
from emergency.rooms.backoff import half_jitter
from emergency.settings import ContextSettings, SceneSettings
from emergency.store_context import Request
from emergency.store_rooms import NewMessage

log = structlog.get_logger()


class Answering:
    """Tries until `cameras` answers, `attempts` times at most.

    The room is told at once, at the first failure and the last that it cannot have it now, and
    gets the cameras when they come.
    """

    def __init__(
        self,
        database: Database,
        neighbours: Neighbours,
        settings: ContextSettings,
        scene: SceneSettings,
    ) -> None:
        self._database = database
        self._neighbours = neighbours
        self._settings = settings
        self._scene = scene

    async def gather(self, request: Request, room: str) -> None:
        """One attempt. An incident that ended meanwhile is not answered."""
        async with self._database.transaction() as connection:
            known = await store.find(connection, request.incident_id)
        items: Mapping[str, str] = {}
        again = False
        if known is not None and known.status in OPEN and known.facts.position is not None:
            leased, air = await asyncio.gather(
                self._neighbours.lease_scene(known, room),
                self._neighbours.air_near(known.facts.position),
            )
            again = (
                isinstance(leased, Missing)
                and leased.again
                and request.attempts < self._scene.attempts
            )
            if not again or request.answers == 0:
                items = {
                    **(
                        {CAMERAS: str(leased)}
                        if isinstance(leased, Missing)
                        else video_items(leased, self._scene.radius_metres)
                    ),
                    AIR: air_text(air, self._settings.air_metres),
                }
        async with self._database.transaction() as connection:
            known = (await store.lock(connection, [request.incident_id]))[request.incident_id]
            if not await store_context.waiting(connection, known.id):
                return
            if items and known.status in OPEN:
                await self._answer(connection, known, room, request, items)
            if again and known.status in OPEN:
                seconds = half_jitter(
                    request.attempts - 1,
                    self._scene.backoff_base_seconds,
                    self._scene.backoff_cap_seconds,
                )
                await store_context.postpone(connection, known.id, seconds)
            else:
                await store_context.settle(connection, known.id)

    async def _answer(
        self,
        connection: Connection,
        known: Incident,
        room: str,
        request: Request,
        items: Mapping[str, str],
    ) -> None:
        # Rooms tell two changes apart by their time, in whole seconds.
        earliest = known.changed_at if request.answered_at is None else request.answered_at
        at = max(datetime.now(UTC), earliest + STEP)
        number = request.answers + 1
        body = answer_body(known, number, at, AUTOMATIC, items)
        code = STATUS_CODES[Status.CHANGED]
        message = NewMessage(room, known.id, number, code, body, answer=True)
        await store_rooms.enqueue(connection, [message])
        await store_context.answered(connection, known.id, at)
        log.info("room answered", room=room, incident_id=str(known.id), answer=number)
