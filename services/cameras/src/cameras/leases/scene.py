"""Video for a room: leases on the cameras around an incident, by the standing order."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from city_backbone.audit.account import same
from city_backbone.audit.act import Origin
from city_backbone.database import Connection
from city_backbone.events import event_id
from city_backbone.geo import Point
from city_backbone.register import Register

from cameras.estate.finding import Near
from cameras.leases import store, store_incidents
from cameras.leases.act import Action, allowed
from cameras.leases.incident import Incident, unknown
from cameras.leases.lease import IN_FORCE, Ground, Lease, Limits, request_automatically
from cameras.leases.looks import Looks
from cameras.leases.sights import around
from cameras.leases.token import Token


@dataclass(frozen=True, slots=True)
class Shot:
    """A leased camera of a scene.

    No token when its lease is no longer in force, or another room asked for it.
    """

    sight: Near
    lease: Lease
    text: str = ""
    token: Token | None = None


class Scene:
    """Each call runs in its caller's transaction, with its entries in the register."""

    def __init__(
        self,
        register: Register,
        looks: Looks,
        duration: timedelta,
        limits: Limits,
        clock: Callable[[], datetime],
    ) -> None:
        self._register = register
        self._looks = looks
        self._duration = min(duration, limits.duration)
        self._limits = limits
        self._clock = clock

    async def lease(
        self,
        connection: Connection,
        incident_id: UUID,
        kind: str,
        point: Point,
        ground: Ground,
        room: str,
        radius_metres: float,
        limit: int,
        at: Origin,
    ) -> list[Shot]:
        """One lease per incident and camera however often it is called, tokens anew each time.

        A lease that was revoked or has ended is not made again. Raises FailedPrecondition when
        the incident is no longer live.
        """
        # Its event may still be on its way; emergency's revisions count from 1.
        await store_incidents.add(connection, Incident(incident_id, 0, True, None))
        incident = await store_incidents.hold(connection, incident_id)
        if incident is None:
            raise unknown()
        incident.must_be_live()
        sights = await around(connection, point, radius_metres, limit)
        now = self._clock()
        wanted = [
            request_automatically(
                event_id("scene-lease", incident_id, sight.camera.camera_id),
                sight.camera.camera_id,
                incident,
                ground,
                room,
                at.department,
                self._duration,
                self._limits,
                now,
            )
            for sight in sights
        ]
        added = await store.add(connection, sorted(wanted, key=lambda lease: lease.lease_id))
        entries = [
            allowed(Action.LEASED_AUTOMATICALLY, lease, room, at, ground=ground, incident_kind=kind)
            for lease in wanted
            if lease.lease_id in added
        ]
        held = await store.hold(connection, [lease.lease_id for lease in wanted])
        shots = []
        for sight, asked in zip(sights, wanted, strict=True):
            lease = held[asked.lease_id].at(now)
            if lease.status in IN_FORCE and same(room, lease.requester):
                text, token, entry = self._looks.sign(lease, now, at)
                shots.append(Shot(sight, lease, text, token))
                entries.append(entry)
            else:
                shots.append(Shot(sight, lease))
        await self._register.append(connection, entries)
        return shots
