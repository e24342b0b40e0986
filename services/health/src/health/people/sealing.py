"""What is kept of a person, sealed under the person's own key."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from city_backbone.crypto import Box
from city_backbone.errors import Unreadable

SCHEMA = 1
_BLOCK_BYTES = 256


class PersonalBox:
    """Of one person. What was sealed for another person or another field does not open."""

    def __init__(self, person_id: UUID, key: bytes) -> None:
        self.person_id = person_id
        self._box = Box(key)

    def seal(self, field: str, content: Mapping[str, Any]) -> bytes:
        """JSON, filled up with blanks: the length must not tell what was measured."""
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        plain = text.encode()
        blanks = -len(plain) % _BLOCK_BYTES
        return self._box.seal(plain + b" " * blanks, self._associated(field))

    def open(self, field: str, sealed: bytes) -> dict[str, Any]:
        """Raises Unreadable, which quotes nothing."""
        plain = self._box.open(sealed, self._associated(field))
        try:
            content = json.loads(plain)
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise Unreadable("sealed: not a JSON object")
        return content

    def _associated(self, field: str) -> bytes:
        return f"city.health/{SCHEMA}/{self.person_id}/{field}".encode()
