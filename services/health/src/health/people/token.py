"""Secret tokens of people's cards: derived, so that none is stored, and found by their HMAC."""

import base64
import hmac
import re
from uuid import UUID

from city_backbone.crypto import derived

_TOKEN_BYTES = 20
_TOKEN = re.compile(r"[a-z2-7]{32}")


class Tokens:
    """Of the department's key. A token has 160 bits, in base 32."""

    def __init__(self, key: bytes) -> None:
        self._issuing = derived(key, "city.health.token.v1/issue")
        self._finding = derived(key, "city.health.token.v1/find")

    def issue(self, caller: str, idempotency_key: UUID) -> str:
        """For the same call the same, so it need not be kept to be told again."""
        cause = f"{idempotency_key}/{caller}".encode()
        secret = hmac.digest(self._issuing, cause, "sha256")[:_TOKEN_BYTES]
        return base64.b32encode(secret).decode().lower()

    def mac(self, token: str) -> bytes | None:
        """HMAC-SHA-256 by which a person's row is found; None for what cannot be a token."""
        if not _TOKEN.fullmatch(token):
            return None
        return hmac.digest(self._finding, token.encode(), "sha256")
