"""Who is enrolled, and with which key what is theirs opens."""

from uuid import UUID

from city_backbone.database import Connection
from city_backbone.errors import PermissionDenied

from health.people import profile, store
from health.people.keyring import Keyring
from health.people.person import Person, Profile
from health.people.sealing import PersonalBox
from health.people.token import Tokens


class People:
    """Each call runs in its caller's transaction and holds the person's row to its end: a
    withdrawal waits for what is under way, and nothing of the person is stored after it.

    Once a withdrawal has begun a person is as unknown as after it.
    """

    def __init__(self, keyring: Keyring, tokens: Tokens) -> None:
        self._keyring = keyring
        self._tokens = tokens

    async def by_token(self, connection: Connection, token: str) -> Person:
        """Raises PermissionDenied: UNKNOWN_TOKEN, CONSENT_WITHDRAWN."""
        mac = self._tokens.mac(token)
        row = None if mac is None else await store.hold_by_token(connection, mac)
        if row is not None:
            return store.person(row)
        if mac is not None and await store.is_known(connection, mac):
            raise PermissionDenied("CONSENT_WITHDRAWN", "person_token: the consent was withdrawn")
        raise PermissionDenied("UNKNOWN_TOKEN", "person_token: expected an enrolled person's")

    async def by_id(self, connection: Connection, person_id: UUID) -> Person | None:
        """None when unknown, forgotten or withdrawing."""
        row = await store.hold(connection, person_id)
        return store.person(row) if row else None

    async def box(self, person_id: UUID) -> PersonalBox | None:
        """None when there is no key (any more). Raises KeyringUnavailable, Unreadable."""
        key = await self._keyring.load(person_id)
        return None if key is None else PersonalBox(person_id, key)

    async def profile(self, connection: Connection, person_id: UUID) -> Profile | None:
        """None when unknown, forgotten or withdrawing. Raises as `box` does.

        Who reads it registers that, see reads.read_entry.
        """
        row = await store.hold(connection, person_id)
        if row is None:
            return None
        box = await self.box(person_id)
        if box is None:
            return None
        return profile.unpacked(box.open(profile.FIELD, bytes(row["profile"])))
