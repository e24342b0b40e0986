"""Looks at a leased camera: tokens issued, and streams opened with them."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from city_backbone.audit.account import same
from city_backbone.audit.act import Origin
from city_backbone.database import Connection
from city_backbone.errors import FailedPrecondition, NotFound, PermissionDenied
from city_backbone.register import Entry, Register

from cameras.leases import store
from cameras.leases.act import Action, allowed
from cameras.leases.lease import Lease
from cameras.leases.token import Signer, Token


class Looks:
    """Each call runs in its caller's transaction, with its entry in the register.

    The lease is held meanwhile: in the register a look stands before the end of its lease.
    """

    def __init__(self, register: Register, signer: Signer, clock: Callable[[], datetime]) -> None:
        self._register = register
        self._signer = signer
        self._clock = clock

    async def issue(
        self, connection: Connection, lease_id: UUID, viewer: str, at: Origin
    ) -> tuple[str, Token]:
        """Raises NotFound, PermissionDenied when somebody else asked for the lease, and
        FailedPrecondition when it is not in force."""
        lease = (await store.hold(connection, [lease_id])).get(lease_id)
        if lease is None:
            raise NotFound("lease", str(lease_id))
        if at.department != lease.requested_by or not same(viewer, lease.requester):
            raise PermissionDenied("NOT_THE_REQUESTER", "viewer: expected the lease's requester")
        now = self._clock()
        if not lease.in_force(now):
            status = lease.at(now).status.lower()
            raise FailedPrecondition("NOT_IN_FORCE", f"lease: not in force, it is {status}")
        text, token, entry = self.sign(lease, now, at)
        await self._register.append(connection, [entry])
        return text, token

    def sign(self, lease: Lease, now: datetime, at: Origin) -> tuple[str, Token, Entry]:
        """A token for the requester of a lease that is held and in force, and its entry."""
        text, token = self._signer.issue(lease, lease.requester, now)
        entry = allowed(Action.TOKEN_ISSUED, lease, lease.requester, at, token_id=token.token_id)
        return text, token, entry

    def read(self, text: str) -> Token:
        """Raises PermissionDenied for what is no token of ours."""
        return self._signer.verify(text)

    async def authorise(
        self, connection: Connection, token: Token, camera_id: str, at: Origin
    ) -> None:
        """Raises PermissionDenied saying why not."""
        now = self._clock()
        if now >= token.expires_at:
            raise PermissionDenied("TOKEN_EXPIRED", "token: it has expired")
        if token.camera_id != camera_id:
            raise PermissionDenied("OTHER_CAMERA", "token: it is for another camera")
        lease = (await store.hold(connection, [token.lease_id])).get(token.lease_id)
        if lease is None or lease.camera_id != camera_id or not lease.in_force(now):
            raise PermissionDenied("NOT_IN_FORCE", "token: its lease is not in force")
        entry = allowed(Action.STREAM_AUTHORISED, lease, token.viewer, at, token_id=token.token_id)
        await self._register.append(connection, [entry])
