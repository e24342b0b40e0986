"""The answer to a room that asked for video: the cameras around, under leases, with tokens, and for
the 119 room the cars that are parked there and who at a kiosk there needs help.

Tokens, plates, contacts and what is known of people are secrets. They are in the message to that
room and nowhere else, sealed while it waits, and there only until the room has acknowledged it.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

import structlog
from city_backbone.database import Connection, Database

from emergency import store, store_cases, store_context, store_rooms
from emergency.context.neighbours import Neighbours
from emergency.context.scene import Scene
from emergency.domain.cases import Answer
from emergency.domain.incident import OPEN, STEP, Incident, Status
from emergency.domain.scsns.linked import FIRE_REQUEST, STATUS_CODES
from emergency.domain.scsns.outgoing import answer_body
from emergency.envelope import Envelope
from emergency.handlers import AUTOMATIC
from emergency.rooms.backoff import half_jitter
from emergency.settings import CaseSettings, ContextSettings, SceneSettings, VehicleSettings
from emergency.store_cases import Known
from emergency.store_context import Request
from emergency.store_rooms import NewMessage

log = structlog.get_logger()


class Answering:
    """Tries until the neighbours answer, `attempts` times at most.

    The room is told at once, with what is missing at the first failure and the last, and whenever
    something comes that it has not got yet. `fire_rooms` serve the 119 desk.
    """

    def __init__(
        self,
        database: Database,
        neighbours: Neighbours,
        settings: ContextSettings,
        scene: SceneSettings,
        vehicles: VehicleSettings,
        cases: CaseSettings,
        fire_rooms: Collection[str],
        envelope: Envelope,
    ) -> None:
        self._database = database
        self._neighbours = neighbours
        self._settings = settings
        self._scene = scene
        self._vehicles = vehicles
        self._cases = cases
        self._fire_rooms = fire_rooms
        self._envelope = envelope

    async def gather(self, request: Request, room: str) -> None:
        """One attempt. An incident that ended meanwhile is not answered."""
        async with self._database.transaction() as connection:
            known = await store.find(connection, request.incident_id)
            cases = await self._cases_near(connection, known, room)
        scene: Scene | None = None
        again = False
        if known is not None and known.status in OPEN and known.facts.position is not None:
            scene = await self._ask(known, room, cases)
            again = scene.again and request.attempts < self._scene.attempts
            if again and request.answers > 0 and scene.found <= set(request.given):
                scene = None
        async with self._database.transaction() as connection:
            known = (await store.lock(connection, [request.incident_id]))[request.incident_id]
            if not await store_context.waiting(connection, known.id):
                return
            if scene is not None and known.status in OPEN:
                await self._answer(connection, known, room, request, scene)
            if again and known.status in OPEN:
                seconds = half_jitter(
                    request.attempts - 1,
                    self._scene.backoff_base_seconds,
                    self._scene.backoff_cap_seconds,
                )
                await store_context.postpone(connection, known.id, seconds)
            else:
                await store_context.settle(connection, known.id)

    def _tells_of_people(self, known: Incident, room: str) -> bool:
        """Another room than 119's is told of no cars and no cases."""
        return known.kind == FIRE_REQUEST and room in self._fire_rooms

    async def _cases_near(
        self, connection: Connection, known: Incident | None, room: str
    ) -> list[Known]:
        if known is None or known.facts.position is None:
            return []
        if not self._tells_of_people(known, room):
            return []
        settings = self._cases
        return await store_cases.near(
            connection, known.facts.position, settings.radius_metres, settings.limit
        )

    async def _ask(self, known: Incident, room: str, near: Sequence[Known]) -> Scene:
        """All neighbours at the same time."""
        assert known.facts.position is not None
        tells_of_people = self._tells_of_people(known, room)
        cameras, air, cars, cases = await asyncio.gather(
            self._neighbours.lease_scene(known, room),
            self._neighbours.air_near(known.facts.position),
            self._neighbours.cars_around(known, room) if tells_of_people else _nothing(),
            asyncio.gather(*(self._case(one, room) for one in near)),
        )
        return Scene(cameras, air, cars, cases)

    async def _case(self, one: Known, room: str) -> Answer:
        case = await self._neighbours.case(one.incident_id, one.case_id, room)
        return Answer(one.incident_id, one.number, case)

    async def _answer(
        self, connection: Connection, known: Incident, room: str, request: Request, scene: Scene
    ) -> None:
        # Rooms tell two changes apart by their time, in whole seconds.
        earliest = known.changed_at if request.answered_at is None else request.answered_at
        at = max(datetime.now(UTC), earliest + STEP)
        number = request.answers + 1
        body = answer_body(known, number, at, AUTOMATIC, self._items(scene))
        code = STATUS_CODES[Status.CHANGED]
        sealed = self._envelope.seal(room, known.id, number, body)
        message = NewMessage(room, known.id, number, code, sealed, answer=True)
        await store_rooms.enqueue(connection, [message])
        await store_context.answered(connection, known.id, at, scene.found)
        log.info("room answered", room=room, incident_id=str(known.id), answer=number)

    def _items(self, scene: Scene) -> Mapping[str, str]:
        return scene.items(
            self._scene.radius_metres,
            self._settings.air_metres,
            self._vehicles.radius_metres,
            self._vehicles.limit,
        )


async def _nothing() -> None:
    return None
