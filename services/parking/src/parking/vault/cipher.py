"""What is kept of people can be read with the department's key alone: city_backbone.crypto.

Each purpose has a key of its own. The associated data is what the text is.
"""

import hmac
from enum import StrEnum
from uuid import UUID

from city_backbone.crypto import Box, derived, secret_key
from city_backbone.errors import FailedPrecondition, Unreadable

_LABEL = "city.parking.vault.v1/"


class Purpose(StrEnum):
    """Whose text it is."""

    VEHICLE = "vehicle"
    OWNER = "owner"


class Cipher:
    """Of one department's key, 32 random bytes."""

    def __init__(self, key: bytes) -> None:
        self._boxes = {
            purpose: Box(derived(key, f"{_LABEL}encrypt/{purpose}")) for purpose in Purpose
        }
        self._finding = derived(key, f"{_LABEL}find/plate")
        self._comparing = derived(key, f"{_LABEL}compare/request")
        self.mark = derived(key, f"{_LABEL}mark")
        """Tells this key from others, and nothing of it."""

    def encrypt(self, purpose: Purpose, identity: UUID, field: str, text: str) -> bytes:
        associated = _associated(purpose, identity, field)
        return self._boxes[purpose].seal(text.encode(), associated)

    def decrypt(self, purpose: Purpose, identity: UUID, field: str, stored: bytes) -> str:
        """Raises FailedPrecondition for what this key did not write for that field."""
        try:
            associated = _associated(purpose, identity, field)
            return self._boxes[purpose].open(stored, associated).decode()
        except Unreadable:
            raise FailedPrecondition(
                "VAULT_UNREADABLE", f"{purpose}.{field}: cannot be opened with the vault's key"
            ) from None

    def finder(self, plate: str) -> bytes:
        """HMAC-SHA-256 by which a plate's row is found."""
        return hmac.digest(self._finding, plate.encode(), "sha256")

    def stand_in(self, text: str) -> str:
        """Of the same text the same, to compare requests by without keeping what they say."""
        return hmac.digest(self._comparing, text.encode(), "sha256").hex()


def cipher(encoded: str) -> Cipher:
    """Raises SettingsError, which does not tell what was given."""
    return Cipher(secret_key("VAULT__KEY", encoded))


def _associated(purpose: Purpose, identity: UUID, field: str) -> bytes:
    return f"{purpose}/{identity}/{field}".encode()
