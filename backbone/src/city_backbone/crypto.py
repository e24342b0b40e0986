"""Encryption of what is kept: AES-256-GCM, under keys derived from a department's own.

What is sealed is a random 96-bit nonce, the ciphertext and its tag. The associated data says what
it is, so a ciphertext in another's row, or in another field, does not open.
"""

import base64
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from city_backbone.errors import SettingsError, Unreadable

KEY_BYTES = 32
_NONCE_BYTES = 12


class Box:
    """Of one key, 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, content: bytes, associated: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, content, associated)

    def open(self, sealed: bytes, associated: bytes) -> bytes:
        """Raises Unreadable, which quotes nothing."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], associated)
        except (InvalidTag, ValueError):
            raise Unreadable("sealed: not of this key, or not of this place") from None


def derived(key: bytes, label: str) -> bytes:
    """A key for one purpose, by HKDF-SHA-256 (RFC 5869); 32 bytes."""
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=label.encode()).derive(key)


def secret_key(setting: str, encoded: str) -> bytes:
    """A secret of service.yaml. Raises SettingsError, which does not tell what was given."""
    try:
        key = base64.b64decode(encoded, validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise SettingsError(f"{setting}: expected {KEY_BYTES} random bytes in base64")
    return key
