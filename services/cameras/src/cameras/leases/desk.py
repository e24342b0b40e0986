"""The acts on leases. Each runs in its caller's transaction, with its entry in the register.

Locks are taken in one order, so that acts never wait for each other in a circle: idempotency key,
incident, lease, register.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from city_backbone.audit.act import Origin
from city_backbone.database import Connection
from city_backbone.errors import IdempotencyConflict, NotFound
from city_backbone.register import Register

from cameras.leases import store, store_incidents
from cameras.leases.act import OURSELVES, SERVICE, Action, allowed
from cameras.leases.incident import Incident, unknown
from cameras.leases.lease import Ground, Lease, Limits, request
from cameras.leases.sights import must_serve

log = structlog.get_logger()

_END_AT_ONCE = 100


class Desk:
    """Where leases are asked for, decided and ended. Refusals are raised before anything is
    written; who raises them to a caller registers them."""

    def __init__(self, register: Register, limits: Limits, clock: Callable[[], datetime]) -> None:
        self._register = register
        self._limits = limits
        self._clock = clock

    async def request(
        self,
        connection: Connection,
        lease_id: UUID,
        camera_id: str,
        incident_id: UUID,
        ground: Ground,
        requester: str,
        duration: timedelta,
        at: Origin,
    ) -> Lease:
        """Raises InvalidArgument, NotFound, FailedPrecondition or IdempotencyConflict."""
        await must_serve(connection, camera_id)
        incident = await store_incidents.hold(connection, incident_id)
        if incident is None:
            raise unknown()
        asked = request(
            lease_id,
            camera_id,
            incident,
            ground,
            requester,
            at.department,
            duration,
            self._limits,
            self._clock(),
        )
        if not await store.add(connection, [asked]):
            # The key outlived what is kept of keys.
            raise IdempotencyConflict(
                "IDEMPOTENCY_KEY_REUSED", "idempotency_key: used before; make a new key per lease"
            )
        minutes = asked.duration // timedelta(minutes=1)
        entry = allowed(Action.REQUESTED, asked, requester, at, ground=ground, minutes=minutes)
        await self._register.append(connection, [entry])
        return asked

    async def approve(
        self, connection: Connection, lease_id: UUID, approver: str, at: Origin
    ) -> Lease:
        """Raises NotFound or FailedPrecondition."""
        known = await _locked(connection, lease_id)
        approved = known.approve(approver, self._clock())
        return await self._record(connection, Action.APPROVED, approved, approver, at)

    async def refuse(
        self, connection: Connection, lease_id: UUID, approver: str, reason: str, at: Origin
    ) -> Lease:
        """Raises NotFound or FailedPrecondition."""
        known = await _locked(connection, lease_id)
        refused = known.refuse(approver, reason, self._clock())
        return await self._record(connection, Action.REFUSED, refused, approver, at)

    async def revoke(
        self, connection: Connection, lease_id: UUID, revoked_by: str, reason: str, at: Origin
    ) -> Lease:
        """Raises NotFound or FailedPrecondition."""
        known = await _locked(connection, lease_id)
        revoked = known.revoke(reason, self._clock())
        return await self._record(connection, Action.REVOKED, revoked, revoked_by, at)

    async def learn(self, connection: Connection, incidents: Sequence[Incident]) -> None:
        """Older news changes nothing; an incident that is no longer live ends its leases."""
        renewed = await store_incidents.renew(connection, incidents)
        over = [incident.incident_id for incident in renewed if not incident.live]
        if over:
            now = self._clock()
            found = await store.lock_of_incidents(connection, over)
            await self._end(connection, [lease.end_with_incident(now) for lease in found])

    async def end_due(self, connection: Connection) -> bool:
        """Write down what ended by itself; whether there may be more of it."""
        now = self._clock()
        due = await store.lock_due(connection, now, _END_AT_ONCE)
        await self._end(connection, [lease.at(now) for lease in due])
        return len(due) == _END_AT_ONCE

    async def _end(self, connection: Connection, ended: Sequence[Lease]) -> None:
        if not ended:
            return
        await store.save(connection, ended)
        await self._register.append(
            connection,
            [
                allowed(Action.ENDED, lease, SERVICE, OURSELVES, reason=lease.reason)
                for lease in ended
            ],
        )
        log.info("leases ended", count=len(ended))

    async def _record(
        self, connection: Connection, action: Action, lease: Lease, actor: str, at: Origin
    ) -> Lease:
        await store.save(connection, [lease])
        await self._register.append(
            connection, [allowed(action, lease, actor, at, reason=lease.reason)]
        )
        return lease


async def _locked(connection: Connection, lease_id: UUID) -> Lease:
    known = await store.lock(connection, lease_id)
    if known is None:
        raise NotFound("lease", str(lease_id))
    return known
