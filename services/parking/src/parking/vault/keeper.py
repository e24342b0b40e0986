"""Takes in who is behind a vehicle or an owner. Each call runs in its caller's transaction."""

from uuid import UUID, uuid4

import structlog
from city_backbone.database import Connection
from city_backbone.errors import FailedPrecondition, IdempotencyConflict

from parking.vault import store
from parking.vault.cipher import Cipher, Purpose

log = structlog.get_logger()


class Keeper:
    """Of one vault. Raises FailedPrecondition when it was filled with another key."""

    def __init__(self, cipher: Cipher) -> None:
        self._cipher = cipher

    async def vehicle(self, connection: Connection, plate: str, contact: str) -> UUID:
        """The same id for the same plate; its contact is this one from now on."""
        await store.leave_mark(connection, self._cipher.mark)
        await self.must_be_ours(connection)
        finder, identity = self._cipher.finder(plate), uuid4()
        added = await store.add_vehicle(
            connection,
            identity,
            finder,
            self._cipher.encrypt(Purpose.VEHICLE, identity, "plate", plate),
            self._cipher.encrypt(Purpose.VEHICLE, identity, "contact", contact),
        )
        if added:
            return identity
        known = await store.lock_vehicle(connection, finder)
        sealed = self._cipher.encrypt(Purpose.VEHICLE, known, "contact", contact)
        await store.set_contact(connection, known, sealed)
        return known

    async def owner(self, connection: Connection, owner_id: UUID, name: str, contact: str) -> None:
        """Raises IdempotencyConflict for one that is known."""
        await store.leave_mark(connection, self._cipher.mark)
        await self.must_be_ours(connection)
        added = await store.add_owner(
            connection,
            owner_id,
            self._cipher.encrypt(Purpose.OWNER, owner_id, "name", name),
            self._cipher.encrypt(Purpose.OWNER, owner_id, "contact", contact),
        )
        if not added:
            # The key outlived what is kept of keys.
            raise IdempotencyConflict(
                "IDEMPOTENCY_KEY_REUSED", "idempotency_key: used before; make a new key per owner"
            )

    async def must_be_ours(self, connection: Connection) -> None:
        """Raises FailedPrecondition when another key has written what is kept."""
        mark = await store.mark(connection)
        if mark is not None and mark != self._cipher.mark:
            log.error("vault was filled with another key", setting="VAULT__KEY")
            raise FailedPrecondition(
                "VAULT_KEY_WRONG", "VAULT__KEY: expected the key that the vault was filled with"
            )
